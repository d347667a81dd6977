import type { Segment, Trainer } from "../trainer";

/** A segment, and the temperature of the policy that learns from it (1). */
export interface TemperedSegment extends Segment {
  readonly temperature?: number | undefined;
}

/**
 * Adds Σ gradient · ∂logProbs/∂θ + Σ entropyGradient · ∂entropies/∂θ to the trainer's accumulated gradient, for
 * gradients that are known before the forward pass: GRPO's at ratio 1, or a cross-entropy's.
 *
 * A segment whose gradient is zero throughout is skipped. Completions of one prompt share a pass if they can, because a
 * trainer may compute the prompt once; completions of similar length come next.
 *
 * @param gradient ∂L/∂logProbs, one row for each segment
 * @param options.entropyGradient ∂L/∂entropies
 * @param options.microBatch segments in one `backward` (all)
 * @returns log-probs under the present weights, and entropies if they have a gradient; `undefined` for a skipped
 * segment
 */
export async function backpropagate(
  trainer: Pick<Trainer, "backward">,
  segments: readonly TemperedSegment[],
  gradient: readonly Float64Array[],
  options: {
    readonly entropyGradient?: readonly Float64Array[] | undefined;
    readonly microBatch?: number | undefined;
    readonly signal: AbortSignal;
  },
) {
  const { entropyGradient, microBatch, signal } = options;
  const teaches = (i: number) => [gradient, entropyGradient].some((rows) => rows?.[i]?.some((value) => value !== 0));
  const live = segments.flatMap((_, i) => (teaches(i) ? [i] : []));
  const logProbs: (Float64Array | undefined)[] = segments.map(() => undefined);
  const entropies = logProbs.slice();
  for (const { temperature, indices } of passes(segments, live, microBatch)) {
    const pick = <T>(all: readonly T[]) => indices.map((i) => all[i]!);
    const entropyCotangents = entropyGradient && pick(entropyGradient);
    const scored = await trainer.backward(pick(segments), pick(gradient), { temperature, entropyCotangents, signal });
    for (const [k, i] of indices.entries()) {
      logProbs[i] = scored.logProbs[k]!;
      entropies[i] = scored.entropies?.[k];
    }
  }
  return { logProbs, entropies };
}

/**
 * Scores segments, each at its own temperature.
 * @param score returns one row for each segment that it receives
 */
export async function scoreEach(
  segments: readonly TemperedSegment[],
  score: (segments: readonly TemperedSegment[], temperature: number) => Promise<readonly Float64Array[]>,
): Promise<Float64Array[]> {
  const rows: Float64Array[] = segments.map(() => new Float64Array(0));
  for (const { temperature, indices } of passes(segments, [...segments.keys()])) {
    const scored = await score(
      indices.map((i) => segments[i]!),
      temperature,
    );
    for (const [k, i] of indices.entries()) rows[i] = scored[k]!;
  }
  return rows;
}

/**
 * Divides the segments at `indices` into passes of one temperature and at most `microBatch` segments, by prompts if
 * possible.
 */
export function passes(
  segments: readonly TemperedSegment[],
  indices: readonly number[],
  microBatch = Number.POSITIVE_INFINITY,
): { readonly temperature: number; readonly indices: readonly number[] }[] {
  const temperatureOf = (i: number) => segments[i]!.temperature ?? 1;
  const first = new Map<Segment["prompt"], number>();
  for (const i of indices) if (!first.has(segments[i]!.prompt)) first.set(segments[i]!.prompt, i);
  const placeOfPrompt = (i: number) => first.get(segments[i]!.prompt)!;
  const length = (i: number) => segments[i]!.completion.length;
  return [...new Set(indices.map(temperatureOf))].flatMap((temperature) => {
    const group = indices.filter((i) => temperatureOf(i) === temperature);
    if (microBatch >= group.length) return [{ temperature, indices: group }];
    group.sort((a, b) => placeOfPrompt(a) - placeOfPrompt(b) || length(a) - length(b));
    return Array.from({ length: Math.ceil(group.length / microBatch) }, (_, k) => ({
      temperature,
      indices: group.slice(k * microBatch, (k + 1) * microBatch),
    }));
  });
}
