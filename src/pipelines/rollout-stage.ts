import { ConfigError } from "../errors";
import type { GrpoSettings } from "../grpo/presets";
import type { Trainer } from "../trainers/trainer";
import type { Prompt } from "../types";
import { grpoStep } from "./grpo-step";
import { type LearningRate, learningRateAt } from "./learning-rate";
import type { Sampled, SamplingOptions } from "./sample-rollouts";
import type { EvaluationMetrics, Stage } from "./stages";
import { rolloutMetrics } from "./step-metrics";

export interface Learning {
  readonly trainer: Trainer;
  readonly grpo: GrpoSettings;
  readonly learningRate: LearningRate;
  readonly credit: "all" | "last";
  /** Of the rollouts. */
  readonly temperature?: number | undefined;
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
export function rolloutStage<R>(options: {
  readonly name: string;
  readonly steps: number;
  readonly groupSize: number;
  readonly rewardName: string;
  readonly tokens: TokenCount;
  readonly sample: (step: number, signal: AbortSignal) => Promise<readonly Sampled<R>[]>;
  readonly learning?: Learning;
  readonly seen?: (rollouts: readonly R[], step: number, signal: AbortSignal) => Promise<Record<string, number>>;
}): Stage<R> {
  const { name, steps, groupSize, rewardName, tokens, sample, learning, seen } = options;
  return {
    name,
    steps,
    trains: learning !== undefined,
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

/** @throws ConfigError for rollouts that nothing can be learned from, because they are all the same */
export function checkTemperature(name: string, { temperature = 1 }: SamplingOptions): void {
  if (!(temperature > 0 && Number.isFinite(temperature)))
    throw new ConfigError(`${name}: expected a temperature above 0, got ${temperature}`);
}

const learn = <R>(
  { trainer, learningRate, temperature = 1, ...learning }: Learning,
  sampled: readonly Sampled<R>[],
  { step, ...options }: { readonly step: number; readonly groupSize: number; readonly signal: AbortSignal },
) =>
  grpoStep(trainer, sampled, {
    ...learning,
    ...options,
    temperature,
    learningRate: learningRateAt(learningRate, step),
  });
