import { ConfigError, TrainingError } from "../errors";
import { checkArguments, functionKind, objectKind } from "../options/arguments";
import { callback, number, readOptions, specOf } from "../options/spec";
import type { RewardTerm } from "../rollouts";
import type { Task } from "../task";
import { checkJudgement, type Judgement } from "./reward";

/** Your own reward beside the judge's. */
export interface OwnReward<A, Parts> {
  /** The number to add, or null if it does not apply. */
  readonly reward: (task: Task<A>, parts: Parts) => number | null | Promise<number | null>;
  /** w (1). */
  readonly weight?: number;
}

const ownRewardSpec = specOf<OwnReward<unknown, unknown>>()(() => ({
  reward: callback(),
  weight: number("a finite number", Number.isFinite).default(1),
}));

/**
 * Sums several rewards: r = r₀ + Σₖ wₖ rₖ, over those that are not `null`.
 *
 * The terms stay apart in `Reward.terms`: `metrics.jsonl` has a mean for each, and the advantages can be normalised
 * term by term (`aggregation: "normalize_then_sum"`). All terms of a completion are computed at once, so slow ones (a
 * judge behind an API) overlap.
 *
 * @param judge decides about parsing, leaks and format, as without the others: `paperReward`, `answerReward`, …
 * @throws ConfigError for a weight that is not finite, a term with the judge's name, or a malformed judgement;
 * TrainingError, naming the term, for a reward that is not a number
 * Source: TRL's `reward_funcs` and `reward_weights`.
 * @example
 * sumRewards(paperReward, { brevity: { reward: (_, { cot }) => Math.exp(-cot.length / 400), weight: 0.2 } });
 */
export function sumRewards<A, Parts>(
  judge: (task: Task<A>, parts: Parts) => Judgement<A> | Promise<Judgement<A>>,
  others: Readonly<Record<string, OwnReward<A, Parts>>>,
): (task: Task<A>, parts: Parts) => Promise<Judgement<A>> {
  checkArguments("sumRewards", { judge, others }, { judge: functionKind, others: objectKind });
  const named = Object.entries(others).map(([name, own]) => {
    if (name === judge.name) throw new ConfigError(`sumRewards: expected a name other than the judge's, got "${name}"`);
    const { weight } = readOptions(`sumRewards, "${name}"`, own as OwnReward<unknown, unknown>, ownRewardSpec);
    return { name, reward: own.reward, weight };
  });

  const sum = async (task: Task<A>, parts: Parts): Promise<Judgement<A>> => {
    const [judged, ...values] = await Promise.all([
      judge(task, parts),
      ...named.map(async ({ name, reward }) => checked(name, await reward(task, parts))),
    ]);
    const { prediction, reward } = checkJudgement(judged, judge.name);
    const terms: RewardTerm[] = [
      { name: judge.name, value: reward.reward, weight: 1 },
      ...named.map(({ name, weight }, k) => ({ name, value: values[k]!, weight })),
    ];
    const total = terms.reduce((earned, { value, weight }) => earned + weight * (value ?? 0), 0);
    return { prediction, reward: { ...reward, reward: total, terms } };
  };
  // A run's config.json and metrics know a reward by its name.
  const name = [judge.name, ...named.map(({ name, weight }) => `${weight} ${name}`)].join(" + ");
  return Object.defineProperty(sum, "name", { value: name });
}

function checked(name: string, value: number | null): number | null {
  if (value === null || Number.isFinite(value)) return value;
  throw new TrainingError(`reward "${name}": expected a finite number, or null where it does not apply; got ${value}`);
}
