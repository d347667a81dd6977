import type { VlmBackend } from "../backend";
import { concernsOnePrompt } from "../errors";
import type { GrpoSettings } from "../grpo/presets";
import { promptText } from "../prompts/prompt-text";
import type { Sampled } from "../rollouts";
import type { RunFailures } from "../runs/examples/failures";
import { type LearningRate, learningRateAt } from "../runs/learning-rate";
import type { InStep, Stage, StageState, StepOutcome, Trial } from "../runs/stages";
import { rolloutMetrics } from "../runs/step-metrics";
import type { Trainer } from "../trainer";
import { grpoStep, lossInputs, withTokens } from "./grpo-step";
import { type Demand, needsOf, timed, tryTraining } from "./preflight";

export interface Learning {
  readonly trainer: Trainer;
  readonly grpo: GrpoSettings;
  readonly learningRate: LearningRate;
  readonly credit: "all" | "last";
  readonly microBatch?: number | undefined;
}

/** Tokens sampled so far, TRL's `num_tokens`. */
export interface TokenCount {
  numTokens: number;
}

export function createTokenState(): StageState & TokenCount {
  return {
    numTokens: 0,
    save() {
      return { numTokens: this.numTokens };
    },
    load(state) {
      this.numTokens = (state as { numTokens: number }).numTokens;
    },
  };
}

export interface RolloutStageOptions<R> extends Pick<Stage<R>, "name" | "steps" | "setting" | "evaluate" | "heldOut"> {
  readonly rolloutsPerGroup: number;
  readonly rewardName: string;
  readonly tokens: TokenCount;
  readonly sample: (step: number, signal: AbortSignal, at: InStep) => Promise<readonly Sampled<R>[]>;
  readonly rollouts: number;
  readonly learning?: Learning;
  /** Examples of a step that could not be sampled. */
  readonly failures: Pick<RunFailures, "drain">;
  /** How to try the stage on one example before the run. */
  readonly trial?: StageTrial<R> | undefined;
  /** Receives a step's rollouts, and may add to its metrics. */
  readonly afterStep?: (rollouts: readonly R[], step: number, signal: AbortSignal) => Promise<Record<string, number>>;
}

export interface StageTrial<R> {
  readonly backend: VlmBackend;
  readonly demands: () => readonly Demand[];
  readonly sample: (exampleId: string, signal: AbortSignal) => Promise<readonly Sampled<R>[]>;
  readonly examplesPerStep: number;
}

interface Predicted {
  readonly prediction: unknown;
}

/** Makes a stage whose steps sample groups of rollouts and, if there is a trainer, learn from them by GRPO. */
export function rolloutStage<R extends Predicted>(options: RolloutStageOptions<R>): Stage<R> {
  const { name, steps, setting, rollouts, learning, trial, evaluate, heldOut } = options;
  return {
    name,
    steps,
    setting,
    rollouts,
    evaluate,
    heldOut,
    trains: learning !== undefined,
    tryOut: trial && ((signal) => tryOut(options, trial, signal)),
    run: (step, signal, at) => runStep(options, step, signal, at),
  };
}

async function runStep<R>(
  options: RolloutStageOptions<R>,
  step: number,
  signal: AbortSignal,
  at: InStep,
): Promise<StepOutcome<R>> {
  const { rewardName, rolloutsPerGroup, tokens, learning, failures, afterStep } = options;
  const sampled = await options.sample(step, signal, at);
  const learned =
    learning && sampled.length > 0
      ? await grpoStep(learning.trainer, sampled, {
          rolloutsPerGroup,
          grpo: learning.grpo,
          learningRate: learningRateAt(learning.learningRate, step),
          credit: learning.credit,
          microBatch: learning.microBatch,
          signal,
        })
      : undefined;
  const rollouts = sampled.map(({ rollout }) => rollout);
  const more = await afterStep?.(rollouts, step, signal);
  const failed = failures.drain();
  tokens.numTokens += countTokens(sampled);
  const metrics = {
    ...(sampled.length > 0 && rolloutMetrics(sampled, rewardName)),
    ...learned?.metrics,
    ...more,
    ...(failed.length > 0 && { "rise/failed_examples": failed.length }),
    num_tokens: tokens.numTokens,
  };
  return {
    rollouts: sampled.map(({ rollout, segments, truth }, i) => ({
      rollout,
      prompt: promptText(segments[0]!.prompt),
      truth,
      ...(learned && { advantage: learned.advantages[i]! }),
    })),
    ...firstPrompts(sampled),
    metrics,
    warnings: failed.map(({ exampleId, message }) => ({
      guard: "failed-example",
      message: `example ${exampleId} could not be sampled, or not in full: ${message}`,
    })),
  };
}

/** Counts each segment once: a cot with several reconstructions was sampled once. */
const countTokens = (sampled: readonly Sampled<unknown>[]): number =>
  segmentsOf(sampled).reduce((sum, { completion: { tokenIds = [] } }) => sum + tokenIds.length, 0);

const segmentsOf = (sampled: readonly Sampled<unknown>[]) => [...new Set(sampled.flatMap(({ segments }) => segments))];

/** Samples one group of rollouts of the example that needs most tokens, and passes it forward and backward. */
async function tryOut<R extends Predicted>(
  { name, steps, rolloutsPerGroup, learning }: RolloutStageOptions<R>,
  { backend, demands, sample, examplesPerStep }: StageTrial<R>,
  signal: AbortSignal,
): Promise<Trial> {
  const hasEntropies = learning !== undefined && lossInputs(learning.grpo).entropies;
  const { demand, ...needs } = await needsOf(demands(), {
    backend,
    trainer: learning?.trainer,
    ...(hasEntropies && { entropies: true }),
    prompts: examplesPerStep,
    count: rolloutsPerGroup,
  });
  // Without training, an example that fails costs nothing: the next one shows as much.
  const others = learning ? [] : demands().map((other) => other.exampleId);
  const tryOnce = async () => {
    const first = await firstSampled([demand.exampleId, ...others], (id) => sample(id, signal));
    if (learning) await tryLearning(learning, first.sampled, hasEntropies, signal);
    return first;
  };
  // A backend that is not trained may be paid by the call.
  const { seconds, result } = await timed(tryOnce, { mayRepeat: learning !== undefined });
  const { exampleId, sampled } = result;
  const formatRate = sampled.filter(({ reward }) => reward.format.ok).length / sampled.length;
  const estimatedSeconds = seconds * examplesPerStep * steps;
  return { report: { stage: name, exampleId, ...needs, formatRate, estimatedSeconds }, sampled };
}

async function tryLearning<R>(
  { trainer, microBatch }: Learning,
  sampled: readonly Sampled<R>[],
  entropies: boolean,
  signal: AbortSignal,
): Promise<void> {
  const segments = segmentsOf(sampled).map((sampledSegment) => withTokens(sampledSegment).segment);
  await tryTraining(trainer, segments, { microBatch, entropies, signal });
}

/** Tries one example after another, at most eight; throws the first one's failure if all of them fail. */
async function firstSampled<T>(ids: readonly string[], sample: (id: string) => Promise<T>) {
  let first: unknown;
  for (const exampleId of [...new Set(ids)].slice(0, 8)) {
    try {
      return { exampleId, sampled: await sample(exampleId) };
    } catch (error) {
      first ??= error;
      if (!concernsOnePrompt(error)) throw error;
    }
  }
  throw first;
}

/** A step's prompts by its first rollout: an answer's, or a cot's and its reconstruction's. */
function firstPrompts([first]: readonly Sampled<unknown>[]): Pick<StepOutcome<never>, "prompts"> {
  if (!first) return {};
  const [one, two] = first.segments.map(({ prompt }) => promptText(prompt));
  return { prompts: two === undefined ? { answer: one! } : { cot: one!, reconstruction: two } };
}
