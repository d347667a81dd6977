import type { GenerateOptions } from "../../backends/backend";
import { BackendError } from "../../errors";
import type { Tensor } from "../../onnx/session";
import { createRng } from "../../rng";
import { type ImageGroups, layOut, type ModelRow } from "./batch";
import type { Qwen2VlConfig } from "./config";
import type { GenerationShape, Sampling } from "./generation-graph";
import { mropeTables } from "./positions";
import { hidden } from "./training-graph";

/** One continuation to make: of which prompt, and which of its completions it is. */
export interface GenerationRow {
  /** Index among the prompts of this batch. */
  readonly prompt: number;
  /** Index among all prompts of the call, and of the completion: with the seed they fix the random numbers. */
  readonly seedPath: readonly [prompt: number, completion: number];
}

export interface Generated {
  readonly tokens: readonly number[];
  readonly logProbs: readonly number[];
  readonly samplingLogProbs: readonly number[];
  /** Whether an end-of-turn token was sampled. */
  readonly ended: boolean;
}

export type SamplingOptions = Required<
  Pick<GenerateOptions, "maxTokens" | "temperature" | "topK" | "topP" | "repetitionPenalty" | "seed">
>;

export const samplingOf = ({ temperature, topK, topP }: SamplingOptions): Sampling =>
  temperature === 0 ? "greedy" : topP < 1 || topK < Number.POSITIVE_INFINITY ? "likeliest" : "full";

/** Feeds of a generation graph, but for weights and features. */
export function generationFeeds(
  config: Qwen2VlConfig,
  shape: GenerationShape,
  prompts: readonly ModelRow[],
  rows: readonly GenerationRow[],
  groups: ImageGroups,
  { maxTokens, temperature, topK, topP, repetitionPenalty, seed }: SamplingOptions,
): Record<string, Tensor> {
  const { text } = config;
  const half = text.headDim / 2;
  const layout = layOut(prompts, shape.time, "left", groups, config);
  const padding = new Float32Array(shape.prompts * shape.time);
  for (const [p, start] of layout.starts.entries()) padding.fill(hidden, p * shape.time, p * shape.time + start);

  const uniforms = new Float32Array(maxTokens * shape.rows);
  const stepCos = new Float32Array(maxTokens * shape.rows * half);
  const stepSin = new Float32Array(maxTokens * shape.rows * half);
  rows.forEach(({ prompt, seedPath }, r) => {
    const rng = createRng(seed, "sample", ...seedPath);
    const steps = Int32Array.from({ length: maxTokens }, (_, i) => layout.next[prompt]! + i);
    const { cos, sin } = mropeTables({ t: steps, h: steps, w: steps }, text.headDim, text.ropeTheta, text.mropeSection);
    for (let i = 0; i < maxTokens; i++) {
      // Kept off 1, to which a float32 product with the total mass could round.
      uniforms[i * shape.rows + r] = Math.min(rng.uniform(), 1 - 1e-6);
      stepCos.set(cos.subarray(i * half, (i + 1) * half), (i * shape.rows + r) * half);
      stepSin.set(sin.subarray(i * half, (i + 1) * half), (i * shape.rows + r) * half);
    }
  });
  const single = (value: number): Tensor => ({ data: Float32Array.of(value), shape: [] });
  return {
    ...layout,
    padding: { data: padding, shape: [shape.prompts, 1, 1, 1, shape.time] },
    promptOf: { data: BigInt64Array.from(rows, ({ prompt }) => BigInt(prompt)), shape: [shape.rows] },
    maxTokens: { data: BigInt64Array.of(BigInt(maxTokens)), shape: [] },
    uniforms: { data: uniforms, shape: [maxTokens, shape.rows] },
    stepCos: { data: stepCos, shape: [maxTokens, shape.rows, half] },
    stepSin: { data: stepSin, shape: [maxTokens, shape.rows, half] },
    temperature: single(temperature || 1),
    topK: single(topK),
    topP: single(topP),
    ...(shape.penalised && {
      repetitionPenalty: single(repetitionPenalty),
      seen: { data: tokensOf(prompts, rows, text.vocabSize), shape: [shape.rows, text.vocabSize] },
    }),
  } as unknown as Record<string, Tensor>;
}

/** [rows, vocabulary]: 1 for the tokens of each row's prompt. */
function tokensOf(prompts: readonly ModelRow[], rows: readonly GenerationRow[], vocabSize: number): Uint8Array {
  const seen = new Uint8Array(rows.length * vocabSize);
  rows.forEach(({ prompt }, r) => {
    for (const id of prompts[prompt]!.tokens) seen[r * vocabSize + id] = 1;
  });
  return seen;
}

/** The rows of a generation graph's outputs, each cut after its end-of-turn token. */
export function readGenerated(
  outputs: Readonly<Record<string, Tensor>>,
  rows: number,
  { tokens: special }: Qwen2VlConfig,
): Generated[] {
  const tokens = outputs.tokens!.data as BigInt64Array;
  const steps = tokens.length / rows;
  return Array.from({ length: rows }, (_, r) => {
    const ids = Array.from({ length: steps }, (__, i) => Number(tokens[i * rows + r]));
    const end = ids.findIndex((id) => special.eos.includes(id));
    const length = end < 0 ? steps : end + 1;
    const column = (name: string) => {
      const values = Array.from({ length }, (__, i) => (outputs[name]!.data as Float32Array)[i * rows + r]!);
      const bad = values.findIndex((x) => !Number.isFinite(x));
      if (bad >= 0)
        throw new BackendError(
          `generate: row ${r}, token ${bad}: expected a finite number in ${name}, got ${values[bad]}; are the weights finite?`,
        );
      return values;
    };
    return {
      tokens: ids.slice(0, length),
      logProbs: column("logProbs"),
      samplingLogProbs: column("samplingLogProbs"),
      ended: end >= 0,
    };
  });
}
