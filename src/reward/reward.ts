import { checkCotFormat, doesNotParse } from "../checks/format";
import { ConfigError } from "../errors";
import { checkArguments, fieldsKind, functionKind, presentKind, textKind } from "../options/arguments";
import { shown } from "../options/display";
import type { Reward, RewardTerm, Rollout } from "../rollouts";
import type { Task } from "../task";
import type { FormatCheck, Leak } from "../types";

/** A sample of stage 1 for one example. */
export interface RolloutParts<A> {
  readonly truth: A;
  readonly cot: string;
  readonly reconstruction: string;
}

/** The fields of a `Rollout` that judging fills in. */
export type Judgement<A> = Pick<Rollout<A>, "prediction" | "reward">;

/** A stage-1 reward. A bad completion earns 0 with a reason; it never throws for one. */
export type RewardFunction<A> = (task: Task<A>, parts: RolloutParts<A>) => Judgement<A> | Promise<Judgement<A>>;

/** Everything that a reward is computed from. */
export interface Evidence<A> {
  readonly prediction: A | null;
  /** S(A, Â), 0 when Â does not parse. */
  readonly similarity: number;
  /** L(R, A) */
  readonly leaks: readonly Leak[];
  /** F_CoT(R, Â) */
  readonly format: FormatCheck;
  /** The flaws that were overlooked to read Â. */
  readonly repairs: readonly string[];
}

/** The methods of a task that a reward calls. */
export const taskKind = fieldsKind({ parse: functionKind, similarity: functionKind });
const partsKind = fieldsKind({ truth: presentKind, cot: textKind, reconstruction: textKind });

/**
 * Parses the reconstruction and runs every check once.
 *
 * @param options.strict label names count as leaks too (false)
 */
export function gatherEvidence<A>(
  task: Task<A>,
  parts: RolloutParts<A>,
  { strict = false }: { readonly strict?: boolean } = {},
): Evidence<A> {
  checkArguments("stage-1 reward", { task, parts }, { task: taskKind, parts: partsKind });
  const { truth, cot, reconstruction } = parts;
  const prediction = task.parse(reconstruction);
  const narrative = checkCotFormat(cot);
  return {
    prediction,
    similarity: prediction === null ? 0 : task.similarity(truth, prediction),
    leaks: task.leaks(cot, truth, { strict }),
    format:
      narrative.ok && prediction === null
        ? { ok: false, reason: doesNotParse("the reconstruction", reconstruction, task) }
        : narrative,
    repairs: prediction === null ? [] : (task.repairs?.(reconstruction) ?? []),
  };
}

/** The judgement of a rollout: its evidence and its reward. */
export function judgement<A>(evidence: Evidence<A>, reward: number): Judgement<A> {
  const { prediction, similarity, leaks, format, repairs } = evidence;
  const parts: Reward = { reward, similarity, leaks, format, ...(repairs.length > 0 && { repairs }) };
  return { prediction, reward: parts };
}

/**
 * @param place ends the message, such as " for example cat"
 * @throws ConfigError naming the reward function and the place, if the judgement is malformed or not finite
 */
export function checkJudgement<A>(judged: Judgement<A>, name: string, place = ""): Judgement<A> {
  const { reward, similarity, leaks, format, terms } = judged?.reward ?? {};
  const isWhole =
    [reward, similarity].every(Number.isFinite) && Array.isArray(leaks) && typeof format?.ok === "boolean";
  const hasTerms = terms === undefined || (Array.isArray(terms) && terms.every(isTerm));
  if (isWhole && hasTerms) return judged;
  const parts = { reward, similarity, leaks, format, ...(!hasTerms && { terms }) };
  const got = Object.entries(parts).map(([name, value]) => `${name} ${shown(value)}`);
  throw new ConfigError(
    `reward "${name}": expected { prediction, reward: { reward, similarity, leaks, format${hasTerms ? "" : ", terms: { name, value, weight }[]"} } } with finite numbers, got ${judged?.reward ? got.join(", ") : shown(judged)}${place}`,
  );
}

const isTerm = (term: RewardTerm) =>
  typeof term?.name === "string" &&
  Number.isFinite(term.weight) &&
  (term.value === null || Number.isFinite(term.value));
