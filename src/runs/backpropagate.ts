import type { Trainer, TrainSequence } from "../trainer";

/** A sequence, and the temperature of the policy that learns from it (1). */
export interface Learned extends TrainSequence {
  readonly temperature?: number | undefined;
}

/**
 * Adds Σ gradient · ∂logProbs/∂θ to the trainer's accumulated gradient, for a gradient that is known before the forward pass: of GRPO
 * at ratio 1, or of a cross-entropy; and Σ entropyGradient · ∂entropies/∂θ, where there is one.
 *
 * Sequences whose gradient is zero throughout cost nothing: they are left out. Completions of one prompt share a pass where they can, because a
 * trainer may compute the prompt once, and then those of similar length.
 *
 * @param gradient ∂L/∂logProbs, one row for each sequence
 * @param options.entropyGradient ∂L/∂entropies
 * @param options.microBatch sequences in one `backward` (all)
 * @returns log-probs under the present weights, and entropies where they have a gradient; `undefined` for a sequence that was left out
 */
export async function backpropagate(
  trainer: Pick<Trainer, "backward">,
  sequences: readonly Learned[],
  gradient: readonly Float64Array[],
  options: {
    readonly entropyGradient?: readonly Float64Array[] | undefined;
    readonly microBatch?: number | undefined;
    readonly signal: AbortSignal;
  },
) {
  const { entropyGradient, microBatch, signal } = options;
  const teaches = (i: number) => [gradient, entropyGradient].some((rows) => rows?.[i]?.some((value) => value !== 0));
  const live = sequences.flatMap((_, i) => (teaches(i) ? [i] : []));
  const logProbs: (Float64Array | undefined)[] = sequences.map(() => undefined);
  const entropies = logProbs.slice();
  for (const { temperature, places } of passes(sequences, live, microBatch)) {
    const of = <T>(all: readonly T[]) => places.map((i) => all[i]!);
    const entropyCotangents = entropyGradient && of(entropyGradient);
    const scored = await trainer.backward(of(sequences), of(gradient), { temperature, entropyCotangents, signal });
    for (const [k, i] of places.entries()) {
      logProbs[i] = scored.logProbs[k]!;
      entropies[i] = scored.entropies?.[k];
    }
  }
  return { logProbs, entropies };
}

/**
 * Scores of sequences, each at its own temperature.
 * @param score gives one row for each of the sequences that it is handed
 */
export async function scoreEach(
  sequences: readonly Learned[],
  score: (sequences: readonly Learned[], temperature: number) => Promise<readonly Float64Array[]>,
): Promise<Float64Array[]> {
  const rows: Float64Array[] = sequences.map(() => new Float64Array(0));
  for (const { temperature, places } of passes(sequences, [...sequences.keys()])) {
    const scored = await score(
      places.map((i) => sequences[i]!),
      temperature,
    );
    for (const [k, i] of places.entries()) rows[i] = scored[k]!;
  }
  return rows;
}

/** The sequences at `places`, those of one temperature at a time and at most `microBatch` of them, as far as possible those of one prompt. */
export function passes(
  sequences: readonly Learned[],
  places: readonly number[],
  microBatch = Number.POSITIVE_INFINITY,
): { readonly temperature: number; readonly places: readonly number[] }[] {
  const temperatureOf = (i: number) => sequences[i]!.temperature ?? 1;
  const first = new Map<TrainSequence["prompt"], number>();
  for (const i of places) if (!first.has(sequences[i]!.prompt)) first.set(sequences[i]!.prompt, i);
  const byPrompt = (i: number) => first.get(sequences[i]!.prompt)!;
  const length = (i: number) => sequences[i]!.completion.length;
  return [...new Set(places.map(temperatureOf))].flatMap((temperature) => {
    const group = places.filter((i) => temperatureOf(i) === temperature);
    if (microBatch >= group.length) return [{ temperature, places: group }];
    group.sort((a, b) => byPrompt(a) - byPrompt(b) || length(a) - length(b));
    return Array.from({ length: Math.ceil(group.length / microBatch) }, (_, k) => ({
      temperature,
      places: group.slice(k * microBatch, (k + 1) * microBatch),
    }));
  });
}
