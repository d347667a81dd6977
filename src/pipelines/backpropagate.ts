import type { Trainer, TrainSequence } from "../trainers/trainer";

/**
 * Adds Σ gradient · ∂logProbs/∂θ to the trainer's accumulated gradient, for a gradient that is known before the forward pass: of GRPO
 * at ratio 1, or of a cross-entropy.
 *
 * Sequences whose gradient is zero throughout cost nothing: they are left out.
 *
 * @param gradient ∂L/∂logProbs, one row for each sequence
 * @param options.assumedLogProbs what `gradient` was computed from; also stands in for the log-probs of sequences left out
 * @param options.microBatch sequences in one `forwardBackward` (all)
 * @returns the log-probs under the present weights
 */
export async function backpropagate(
  trainer: Trainer,
  sequences: readonly TrainSequence[],
  gradient: readonly Float64Array[],
  options: {
    readonly assumedLogProbs: readonly Float64Array[];
    readonly microBatch?: number | undefined;
    readonly signal: AbortSignal;
  },
): Promise<{ readonly logProbs: readonly Float64Array[]; readonly isZero: boolean }> {
  const { assumedLogProbs, signal } = options;
  const live = sequences.flatMap((_, i) => (gradient[i]!.some((value) => value !== 0) ? [i] : []));
  const { microBatch = live.length } = options;
  const logProbs = [...assumedLogProbs];
  for (let start = 0; start < live.length; start += microBatch) {
    const chunk = live.slice(start, start + microBatch);
    const cotangent = chunk.map((i) => gradient[i]!);
    const result = await trainer.forwardBackward(
      chunk.map((i) => sequences[i]!),
      (rows) => ({ loss: dot(rows, cotangent), gradient: cotangent }),
      { assumedLogProbs: chunk.map((i) => assumedLogProbs[i]!), signal },
    );
    chunk.forEach((i, k) => {
      logProbs[i] = result.logProbs[k]!;
    });
  }
  return { logProbs, isZero: live.length === 0 };
}

const dot = (a: readonly Float64Array[], b: readonly Float64Array[]) =>
  a.reduce((sum, row, i) => row.reduce((rowSum, value, t) => rowSum + value * b[i]![t]!, sum), 0);
