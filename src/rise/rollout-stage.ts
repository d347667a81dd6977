import type { VlmBackend } from "../backend";
import { concernsOnePrompt } from "../errors";
import type { GrpoSettings } from "../grpo/presets";
import { checkNumber } from "../options/options";
import type { Sampled } from "../rollouts";
import type { RunFailures } from "../runs/examples/failures";
import { type LearningRate, learningRateAt } from "../runs/learning-rate";
import type { EvaluationMetrics, Rehearsal, Stage } from "../runs/stages";
import { rolloutMetrics } from "../runs/step-metrics";
import type { Trainer } from "../trainer";
import type { Prompt } from "../types";
import { asksOf, grpoStep, withTokens } from "./grpo-step";
import { type Demand, needsOf, rehearseTraining } from "./preflight";
import type { SamplingOptions } from "./sample";

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
  /** Examples of a step that could not be sampled. */
  readonly failures?: Pick<RunFailures, "drain">;
  /** How to try the stage on one example before the run. */
  readonly rehearsal?: {
    readonly backend: VlmBackend;
    readonly demands: () => readonly Demand[];
    readonly sample: (exampleId: string, signal: AbortSignal) => Promise<readonly Sampled<R>[]>;
    readonly examplesPerStep: number;
  };
  readonly seen?: (rollouts: readonly R[], step: number, signal: AbortSignal) => Promise<Record<string, number>>;
}): Stage<R> {
  const { name, steps, groupSize, rewardName, tokens, sample, learning, failures, rehearsal, seen } = options;
  return {
    name,
    steps,
    trains: learning !== undefined,
    ...(rehearsal && { rehearse: (signal) => rehearse({ ...rehearsal, name, steps, groupSize, learning }, signal) }),
    async run(step, signal) {
      const sampled = await sample(step, signal);
      const learned =
        learning && sampled.length > 0 ? await learn(learning, sampled, { step, groupSize, signal }) : undefined;
      const more = await seen?.(
        sampled.map(({ rollout }) => rollout),
        step,
        signal,
      );
      const failed = failures?.drain() ?? [];
      // A cot with several reconstructions was sampled once.
      const written = new Set(sampled.flatMap(({ segments }) => segments.map(({ completion }) => completion)));
      for (const { tokenIds = [] } of written) tokens.numTokens += tokenIds.length;
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
        metrics,
        warnings: failed.map(({ exampleId, message }) => ({
          guard: "failed-example" as const,
          message: `example ${exampleId} could not be sampled, or not in full: ${message}`,
        })),
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
  const started = performance.now();
  // A model that is not trained loses nothing by an example that fails: the next one shows as much.
  const others = learning ? [] : rehearsal.demands().map((other) => other.exampleId);
  const { exampleId, sampled } = await firstSampled([demand.exampleId, ...others], (id) =>
    rehearsal.sample(id, signal),
  );
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

/**
 * The earnings of one greedy rollout for each held-out example: `eval_reward`, `eval_rise/similarity`, …
 * @param failed examples that could not be sampled: they earn 0
 */
export function heldOutMetrics<R>(
  sampled: readonly Sampled<R>[],
  rewardName: string,
  failed: number,
): EvaluationMetrics {
  const { reward = 0, ...metrics } = sampled.length === 0 ? {} : rolloutMetrics(sampled, rewardName);
  return {
    eval_reward: failed === 0 ? reward : (reward * sampled.length) / (sampled.length + failed),
    ...Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`eval_${name}`, value])),
    ...(failed > 0 && { "eval_rise/failed_examples": failed }),
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
