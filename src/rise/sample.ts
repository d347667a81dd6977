import type { GenerateOptions, VlmBackend } from "../backend";
import type { WorkProgress } from "../events";
import { callerCode } from "../options/caller-code";
import type { AnswerRewardFunction } from "../reward/paper";
import { checkJudgement, type Judgement, type RewardFunction } from "../reward/reward";
import { deriveSeed } from "../rng";
import type { AnswerRollout, Rollout, Sampled, SampledSegment } from "../rollouts";
import type { OnSampled } from "../runs/examples/failures";
import { generate, generateEach, type Outcome } from "../runs/generate";
import type { InStep } from "../runs/stages";
import type { Task } from "../task";
import type { Completion, Example, Prompt } from "../types";
import { type RolloutSamplingSettings, type SamplingSettings, splitSampling } from "./sampling-options";

interface Sampling<A> {
  readonly task: Task<A>;
  readonly backend: VlmBackend;
  readonly examples: readonly Example<A>[];
  readonly groupSize: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Receives each example; an example that fails has no rollouts then. Without it a failure throws. */
  readonly onSampled?: OnSampled | undefined;
  /** Names the place in errors, and hears how many rollouts there are. */
  readonly at?: InStep | undefined;
  /** The work that `at` hears of ("rollouts"). */
  readonly work?: WorkProgress["work"];
}

interface RolloutSampling<A> extends Sampling<A> {
  readonly reward: RewardFunction<A>;
  readonly sampling: RolloutSamplingSettings;
  /**
   * If some reconstructions of an example fail, keeps the other rollouts (false: all or none, as learning needs whole
   * groups).
   */
  readonly keepsParts?: boolean;
}

/** A cot, and the prompt of its reconstructions. */
interface CotOfExample<A> {
  readonly example: Example<A>;
  /** Position of the example within the step, which may hold it twice. */
  readonly place: number;
  /** Position of its first rollout within the group. */
  readonly first: number;
  readonly segment: SampledSegment;
  readonly prompt: Prompt;
}

/**
 * Samples G cots for each example from π(R | I, A), and K reconstructions for each cot from π(Â | I, R), and rewards
 * each pair. All reconstructions are one `generate` call.
 *
 * @returns groups of G·K consecutive rollouts, those of one cot side by side, in the order of the examples
 * Source: RISE, stage 1, Eqs. 1 and 7.
 */
export async function sampleRollouts<A>(options: RolloutSampling<A>): Promise<Sampled<Rollout<A>>[]> {
  const { examples, sampling, onSampled, keepsParts = false } = options;
  const { groupSize } = options;
  const rollouts = examples.length * groupSize * sampling.reconstructionsPerCot;
  // A cot and its reconstructions are as many texts.
  const count = counter(options, rollouts, examples.length * groupSize + rollouts);
  const cots = await sampleCots(options, count);
  const sampledCots = examples.flatMap((_, place) => cotsOf(place, cots[place]!, options));
  const { reconstructions: drawn } = splitSampling(sampling);
  const reconstructions = await generateFor(
    options,
    sampledCots.map(({ prompt }) => prompt),
    {
      ...drawn,
      maxTokens: sampling.reconstructionMaxTokens,
      count: sampling.reconstructionsPerCot,
      seed: deriveSeed(options.seed, "reconstruction"),
    },
    count,
  );
  const outcomes: Outcome[][] = cots.map((outcome) => [outcome]);
  for (const [r, { place }] of sampledCots.entries()) outcomes[place]!.push(reconstructions[r]!);
  const isKept = examples.map((example, place) => {
    const [, ...ofExample] = outcomes[place]!;
    const failure = outcomes[place]!.find((outcome) => outcome instanceof Error);
    const arrived = ofExample.filter((outcome) => !(outcome instanceof Error)).length;
    const kept = failure && !keepsParts ? 0 : arrived;
    onSampled?.(example.id, failure, kept);
    return kept > 0;
  });
  const pairs = sampledCots.flatMap((cot, i) =>
    isKept[cot.place]
      ? completionsOf(reconstructions[i]!).map((reconstruction, k) => ({ cot, reconstruction, index: cot.first + k }))
      : [],
  );
  return Promise.all(
    pairs.map(({ cot, reconstruction, index }) => {
      const segment = { prompt: cot.prompt, completion: reconstruction, temperature: drawn.temperature };
      return judgePair(options, cot, segment, index);
    }),
  );
}

function sampleCots<A>(options: RolloutSampling<A>, count: Count): Promise<readonly Outcome[]> {
  const { task, examples, sampling, groupSize, seed } = options;
  const prompts = examples.map((example) => task.cotPrompt(example));
  return generateFor(
    options,
    prompts,
    {
      ...splitSampling(sampling).cots,
      maxTokens: sampling.cotMaxTokens,
      count: groupSize,
      seed: deriveSeed(seed, "cot"),
    },
    count,
  );
}

function cotsOf<A>(place: number, outcome: Outcome, options: RolloutSampling<A>): CotOfExample<A>[] {
  const { task, examples, sampling } = options;
  const example = examples[place]!;
  const { reconstructionsPerCot, temperature } = sampling;
  const prompt = task.cotPrompt(example);
  return completionsOf(outcome).map((completion, g) => ({
    example,
    place,
    first: g * reconstructionsPerCot,
    segment: { prompt, completion, temperature },
    prompt: task.reconstructionPrompt(example, completion.text),
  }));
}

async function judgePair<A>(
  { task, reward, at }: RolloutSampling<A>,
  { example, segment }: CotOfExample<A>,
  reconstruction: SampledSegment,
  index: number,
): Promise<Sampled<Rollout<A>>> {
  const cot = segment.completion;
  const texts = { truth: example.annotation, cot: cot.text, reconstruction: reconstruction.completion.text };
  const judged = await judge(() => reward(task, texts), { name: reward.name, example, at });
  return {
    rollout: { exampleId: example.id, index, cot, reconstruction: reconstruction.completion, ...judged },
    reward: judged.reward,
    truth: example.annotation,
    segments: [segment, reconstruction],
  };
}

interface AnswerSampling<A> extends Sampling<A> {
  readonly reward: AnswerRewardFunction<A>;
  readonly sampling: SamplingSettings & { readonly maxTokens: number };
}

/** Samples G completions of `answerPrompt` for each example, and rewards each. Source: RISE, stage 2, Eqs. 9 and 10. */
export async function sampleAnswers<A>(options: AnswerSampling<A>): Promise<Sampled<AnswerRollout<A>>[]> {
  const { task, reward, sampling, examples, groupSize, seed, onSampled, at } = options;
  const prompts = examples.map((example) => task.answerPrompt(example));
  const answers = await generateFor(
    options,
    prompts,
    {
      ...sampling,
      count: groupSize,
      seed: deriveSeed(seed, "answer"),
    },
    counter(options, examples.length * groupSize),
  );
  for (const [i, { id }] of examples.entries())
    onSampled?.(id, answers[i] instanceof Error ? answers[i] : undefined, completionsOf(answers[i]!).length);
  const rollouts = examples.flatMap((example, i) =>
    completionsOf(answers[i]!).map(async (completion, index) => {
      const texts = { truth: example.annotation, text: completion.text };
      const judged = await judge(() => reward(task, texts), { name: reward.name, example, at });
      return {
        rollout: { exampleId: example.id, index, completion, ...judged },
        reward: judged.reward,
        truth: example.annotation,
        segments: [{ prompt: prompts[i]!, completion, temperature: sampling.temperature }],
      };
    }),
  );
  return Promise.all(rollouts);
}

/** Counts completions that are there, so that whoever waits for rollouts hears how many there are. */
type Count = (completions: number) => void;

function counter(
  { at, work = "rollouts" }: Pick<Sampling<unknown>, "at" | "work">,
  rollouts: number,
  texts = rollouts,
) {
  let done = 0;
  const count: Count = (completions) => {
    done += completions;
    at?.tell(work, Math.floor((rollouts * done) / texts), rollouts);
  };
  if (rollouts > 0) count(0);
  return count;
}

/** Generates with failures as outcomes if somebody receives them. */
async function generateFor(
  { backend, onSampled, signal }: Pick<Sampling<unknown>, "backend" | "onSampled" | "signal">,
  prompts: readonly Prompt[],
  options: GenerateOptions,
  count: Count,
): Promise<readonly Outcome[]> {
  const settings = { ...options, signal };
  if (!onSampled) return generate(backend, prompts, settings);
  return generateEach(backend, prompts, settings, () => count(options.count ?? 1));
}

const completionsOf = (outcome: Outcome): readonly Completion[] => (outcome instanceof Error ? [] : outcome);

interface Judged {
  readonly name: string;
  readonly example: Example<unknown>;
  readonly at: InStep | undefined;
}

/** @throws ConfigError naming reward, example and step, if the reward throws or its judgement is malformed */
async function judge<A>(reward: () => Judgement<A> | Promise<Judgement<A>>, { name, example, at }: Judged) {
  const place = `for example ${example.id}${at ? ` (${at.where})` : ""}`;
  return checkJudgement(await callerCode(`reward "${name}", ${place}`, reward), name, ` ${place}`);
}
