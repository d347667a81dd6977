import type { Trainer } from "rise-ts";
import { adamw, chain, clipByGlobalNorm, type GradientTransform } from "rise-ts/optim";
import type { WeightedSegment } from "./written";

/** The optimizer of all three parts. */
export const tinyOptimizer = (): GradientTransform =>
  chain(
    clipByGlobalNorm(1),
    adamw({ beta2: 0.98, weightDecay: 0.02, decays: (name) => name.endsWith(".weight") && !/norm|ln_q/.test(name) }),
  );

/** One update on a batch, each token with its weight. @returns the weighted loss a token */
export async function learn(trainer: Trainer, rows: readonly WeightedSegment[], learningRate: number): Promise<number> {
  const total = rows.reduce((sum, { weights }) => sum + weights.reduce((a, b) => a + b, 0), 0);
  const { loss } = await trainer.forwardBackward(
    rows,
    (logProbs) => ({
      loss:
        -logProbs.reduce((sum, row, i) => sum + row.reduce((a, b, j) => a + b * rows[i]!.weights[j]!, 0), 0) / total,
      gradient: rows.map(({ weights }) => Float64Array.from(weights, (weight) => -weight / total)),
    }),
    // The gradient of a cross-entropy does not depend on the log-probs.
    { assumedLogProbs: rows.map(({ completion }) => completion) },
  );
  await trainer.optimStep({ learningRate });
  return loss;
}

/** Prints how far a training is and how long it takes from here; the loss is a running mean of about 20 steps. */
export function progressOf(begun: number, steps: number) {
  const started = Date.now();
  let recent = 0;
  return {
    add: (loss: number) => void (recent = recent === 0 ? loss : 0.95 * recent + 0.05 * loss),
    line(step: number): string {
      const seconds = (Date.now() - started) / 1000;
      const left = (seconds / (step - begun)) * (steps - step);
      return `step ${step}/${steps}  loss ${recent.toFixed(3)}  ${seconds.toFixed(0)} s, about ${left.toFixed(0)} s left`;
    },
  };
}
