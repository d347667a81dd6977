import type { VlmBackend } from "../backends/backend";
import type { GrpoSettings } from "../grpo/presets";
import { checkNumber } from "../options";
import type { Trainer } from "../trainers/trainer";
import type { Prompt } from "../types";
import { asksOf, grpoStep, withTokens } from "./grpo-step";
import { type LearningRate, learningRateAt } from "./learning-rate";
import { type Demand, needsOf, type Rehearsal, rehearseTraining } from "./preflight";
import type { Sampled, SamplingOptions } from "./sample-rollouts";
import type { EvaluationMetrics, Stage } from "./stages";
import { rolloutMetrics } from "./step-metrics";

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

/**
 * A stage whose steps sample groups of rollouts and, where there is something to train, learn from them by GRPO.
 *
 * @param options.seen is handed a step's rollouts, and may add to its metrics
 */
export function rolloutStage<R extends { readonly prediction: unknown }>(options: {
  readonly name: string;
  readonly steps: number;
  readonly groupSize: number;
  readonly rewardName: string;
  readonly tokens: TokenCount;
  readonly sample: (step: number, signal: AbortSignal) => Promise<readonly Sampled<R>[]>;
  readonly learning?: Learning;
  /** How to try the stage on one example before the run. */
  readonly rehearsal?: {
    readonly backend: VlmBackend;
    readonly demands: () => readonly Demand[];
    readonly sample: (exampleId: string, signal: AbortSignal) => Promise<readonly Sampled<R>[]>;
    readonly examplesPerStep: number;
  };
  readonly seen?: (rollouts: readonly R[], step: number, signal: AbortSignal) => Promise<Record<string, number>>;
}): Stage<R> {
  const { name, steps, groupSize, rewardName, tokens, sample, learning, rehearsal, seen } = options;
  return {
    name,
    steps,
    trains: learning !== undefined,
    ...(rehearsal && { rehearse: (signal) => rehearse({ ...rehearsal, name, steps, groupSize, learning }, signal) }),
    async run(step, signal) {
      const sampled = await sample(step, signal);
      const learned = learning && (await learn(learning, sampled, { step, groupSize, signal }));
      const more = await seen?.(
        sampled.map(({ rollout }) => rollout),
        step,
        signal,
      );
      // A cot with several reconstructions was sampled once.
      const written = new Set(sampled.flatMap(({ segments }) => segments.map(({ completion }) => completion)));
      for (const { tokenIds = [] } of written) tokens.numTokens += tokenIds.length;
      const metrics = {
        ...(sampled.length > 0 && rolloutMetrics(sampled, rewardName)),
        ...learned?.metrics,
        ...more,
        num_tokens: tokens.numTokens,
      };
      return {
        rollouts: sampled.map(({ rollout, segments, truth }, i) => ({
          rollout,
          prompt: promptText(segments[0]!.prompt),
          truth,
          ...(learned && { advantage: learned.advantages[i]! }),
        })),
        metrics,
      };
    },
  };
}

/** One group of rollouts of the example that asks for most, forward and backward. */
async function rehearse<R extends { readonly prediction: unknown }>(
  {
    name,
    steps,
    groupSize,
    learning,
    ...rehearsal
  }: NonNullable<Parameters<typeof rolloutStage<R>>[0]["rehearsal"]> & {
    readonly name: string;
    readonly steps: number;
    readonly groupSize: number;
    readonly learning: Learning | undefined;
  },
  signal: AbortSignal,
): Promise<Rehearsal> {
  const { demand, ...needs } = await needsOf(rehearsal.demands(), {
    ...{ backend: rehearsal.backend, trainer: learning?.trainer },
    ...(learning && asksOf(learning.grpo).entropies && { entropies: true }),
    ...{ prompts: rehearsal.examplesPerStep, count: groupSize },
  });
  const { exampleId } = demand;
  const started = performance.now();
  const sampled = await rehearsal.sample(exampleId, signal);
  if (learning) {
    const { trainer, microBatch, grpo } = learning;
    const pieces = [...new Set(sampled.flatMap((row) => row.segments))].map(withTokens);
    await rehearseTraining(trainer, pieces, { microBatch, entropies: asksOf(grpo).entropies, signal });
  }
  const seconds = (performance.now() - started) / 1000;
  const formatRate = sampled.filter(({ reward }) => reward.format.ok).length / sampled.length;
  const estimatedSeconds = seconds * rehearsal.examplesPerStep * steps;
  return { report: { stage: name, exampleId, ...needs, formatRate, estimatedSeconds }, sampled };
}

/** What one greedy rollout for each held-out example earns: `eval_reward`, `eval_rise/similarity`, … */
export function heldOutMetrics<R>(sampled: readonly Sampled<R>[], rewardName: string): EvaluationMetrics {
  const { reward, ...metrics } = rolloutMetrics(sampled, rewardName);
  return {
    eval_reward: reward!,
    ...Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`eval_${name}`, value])),
  };
}

const promptText = (prompt: Prompt): string =>
  prompt
    .flatMap(({ content }) => content)
    .map((part) => (part.type === "text" ? part.text : "<image>"))
    .join("\n");

/** @throws ConfigError for settings that are out of range: a temperature of 0 is, because rollouts that are all the same teach nothing */
export function checkSampling(name: string, sampling: SamplingOptions): void {
  const { temperature = 1, topP = 1, topK = Number.POSITIVE_INFINITY, repetitionPenalty = 1 } = sampling;
  const isPositive = (value: number) => value > 0 && Number.isFinite(value);
  checkNumber(name, "a temperature above 0", temperature, isPositive(temperature));
  checkNumber(name, "topP in (0, 1]", topP, topP > 0 && topP <= 1);
  const isCount = topK === Number.POSITIVE_INFINITY || (Number.isInteger(topK) && topK >= 1);
  checkNumber(name, "topK to be a whole number of at least 1", topK, isCount);
  checkNumber(name, "a repetitionPenalty above 0", repetitionPenalty, isPositive(repetitionPenalty));
}

const learn = <R>(
  { trainer, learningRate, ...learning }: Learning,
  sampled: readonly Sampled<R>[],
  { step, ...options }: { readonly step: number; readonly groupSize: number; readonly signal: AbortSignal },
) =>
  grpoStep(trainer, sampled, {
    ...learning,
    ...options,
    learningRate: learningRateAt(learningRate, step),
  });
