import { type SamplerCorrection, samplerCorrectionSpec, samplerRatios } from "../grpo/loss/corrections";
import type { GrpoSettings } from "../grpo/presets";
import { readOptions } from "../options/spec";
import type { Trainer } from "../trainer";

/**
 * `grpo` with the sampler correction of a run: its own, or, if it has none and the sampler computes in another
 * precision than the trainer, TRL's default: a rollout whose ratio π_trainer/π_sampler is above 3 is left out, and the
 * others are multiplied with theirs.
 *
 * `corrections: { sampler: false }` leaves it out.
 * Source: TRL's `vllm_importance_sampling_correction`, mode `sequence_mask`, clip_max 3; for vespo TRL demands a mode
 * of tokens.
 */
export function withSamplerCorrection(
  grpo: GrpoSettings,
  { samplerDiffers = false }: Pick<Trainer, "samplerDiffers">,
): GrpoSettings {
  const { corrections, lossType } = grpo.loss;
  if (corrections?.sampler !== undefined || !samplerDiffers) return grpo;
  const sampler = { level: lossType === "vespo" ? "token" : "sequence", outside: "mask", min: 0, max: 3 } as const;
  return { ...grpo, loss: { ...grpo.loss, corrections: { ...corrections, sampler } } };
}

/**
 * Measures the distance of the sampler's log-probs from those that training computes: rounding, or the price of
 * sampling in reduced precision.
 *
 * The names are TRL's. Ratios are those of tokens. With a correction they are its factors: one for each rollout at
 * level "sequence", and 0 if it left something out.
 *
 * @param trained the trainer's log-probs, row by row; `undefined` for a row without a gradient
 * @returns an empty object if every row is `undefined`
 */
export function samplerGap(
  trained: readonly (Float64Array | undefined)[],
  sampled: readonly Float64Array[],
  options?: SamplerCorrection,
): Record<string, number> {
  const pairs = trained.flatMap((oldLogProbs, i) =>
    oldLogProbs ? [{ oldLogProbs, samplingLogProbs: sampled[i]! }] : [],
  );
  const differences = pairs.flatMap(({ oldLogProbs, samplingLogProbs }) =>
    [...oldLogProbs].map((value, t) => value - samplingLogProbs[t]!),
  );
  if (differences.length === 0) return {};
  const correction = options && readOptions("corrections.sampler", options, samplerCorrectionSpec);
  const sizes = differences.map(Math.abs);
  const ratios = correction
    ? pairs.flatMap((pair) =>
        [...samplerRatios(pair, correction)].slice(0, correction.level === "token" ? undefined : 1),
      )
    : differences.map(Math.exp);
  return {
    "sampling/sampling_logp_difference/mean": mean(sizes),
    "sampling/sampling_logp_difference/max": largest(sizes),
    "sampling/importance_sampling_ratio/min": -largest(ratios.map((ratio) => -ratio)),
    "sampling/importance_sampling_ratio/mean": mean(ratios),
    "sampling/importance_sampling_ratio/max": largest(ratios),
    ...(correction && { "rise/sampler_masked": ratios.filter((ratio) => ratio === 0).length / ratios.length }),
  };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const largest = (values: readonly number[]) => values.reduce((most, value) => Math.max(most, value));
