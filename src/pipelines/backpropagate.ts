import type { Trainer, TrainSequence } from "../trainers/trainer";

/**
 * Adds Σ gradient · ∂logProbs/∂θ to the trainer's accumulated gradient, for a gradient that is known before the forward pass: of GRPO
 * at ratio 1, or of a cross-entropy.
 *
 * Sequences whose gradient is zero throughout cost nothing: they are left out. Completions of one prompt share a pass where they can, because a
 * trainer may compute the prompt once, and then those of similar length.
 *
 * @param gradient ∂L/∂logProbs, one row for each sequence
 * @param options.microBatch sequences in one `forwardBackward` (all)
 * @returns the log-probs under the present weights, `undefined` for a sequence that was left out
 */
export async function backpropagate(
  trainer: Trainer,
  sequences: readonly TrainSequence[],
  gradient: readonly Float64Array[],
  options: {
    readonly microBatch?: number | undefined;
    readonly temperature?: number;
    readonly signal: AbortSignal;
  },
): Promise<readonly (Float64Array | undefined)[]> {
  const { temperature = 1, signal } = options;
  const live = sequences.flatMap((_, i) => (gradient[i]!.some((value) => value !== 0) ? [i] : []));
  const { microBatch = live.length } = options;
  if (microBatch < live.length) {
    const first = new Map<TrainSequence["prompt"], number>();
    for (const i of live) if (!first.has(sequences[i]!.prompt)) first.set(sequences[i]!.prompt, i);
    const byPrompt = (i: number) => first.get(sequences[i]!.prompt)!;
    const length = (i: number) => sequences[i]!.completion.length;
    live.sort((a, b) => byPrompt(a) - byPrompt(b) || length(a) - length(b));
  }
  const logProbs: (Float64Array | undefined)[] = sequences.map(() => undefined);
  for (let start = 0; start < live.length; start += microBatch) {
    const chunk = live.slice(start, start + microBatch);
    const cotangent = chunk.map((i) => gradient[i]!);
    const result = await trainer.forwardBackward(
      chunk.map((i) => sequences[i]!),
      () => ({ loss: 0, gradient: cotangent }),
      // Any will do: the gradient is the same everywhere.
      { assumedLogProbs: cotangent.map(({ length }) => new Float64Array(length)), temperature, signal },
    );
    chunk.forEach((i, k) => {
      logProbs[i] = result.logProbs[k]!;
    });
  }
  return logProbs;
}
