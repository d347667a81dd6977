import type { GenerateOptions } from "../../backend";
import { NonFiniteError } from "../../errors";
import type { Row } from "../../models/inputs/row";
import type { Architecture } from "../../models/parts/architecture";
import type { VlmConfig } from "../../models/parts/config";
import type { Tensor } from "../../onnx/runtime/session";
import { createRng } from "../../rng";
import { type ImageGroups, layOut, wholeRow } from "../batch";
import type { GenerationShape } from "../graphs/generation";
import type { Sampling } from "../graphs/next-token";
import { maskedScore } from "../graphs/training";

/** One continuation to make: its prompt and its number among the prompt's completions. */
export interface GenerationRow {
  /** Index among the prompts of this batch. */
  readonly prompt: number;
  /** Index among the call's prompts, and of the completion: these and the seed fix the random numbers. */
  readonly seedPath: readonly [prompt: number, completion: number];
}

export interface Generated {
  readonly tokens: readonly number[];
  readonly logProbs: readonly number[];
  readonly samplingLogProbs: readonly number[];
  /** Absent unless the graph outputs them. */
  readonly temperedLogProbs?: readonly number[];
  /** Whether an end-of-turn token was sampled. */
  readonly ended: boolean;
}

export type SamplingOptions = Required<
  Pick<GenerateOptions, "maxTokens" | "temperature" | "topK" | "topP" | "repetitionPenalty" | "seed">
>;

export const samplingOf = ({ temperature, topK, topP }: SamplingOptions): Sampling =>
  temperature === 0 ? "greedy" : topP < 1 || topK < Number.POSITIVE_INFINITY ? "likeliest" : "full";

type Feeds = Readonly<Record<string, Tensor>>;

/** Feeds of a generation, except weights and features. */
export interface GenerationFeeds {
  readonly prompts: Feeds;
  /** The feeds of both graphs for `count` steps, after the first `done`. */
  readonly steps: (done: number, count: number) => Feeds;
}

export function generationFeeds(
  architecture: Architecture,
  shape: GenerationShape,
  prompts: readonly Row[],
  rows: readonly GenerationRow[],
  groups: ImageGroups,
  sampling: SamplingOptions,
): GenerationFeeds {
  const { vocabSize } = architecture.config.text;
  const { starts, next, ...layout } = layOut(prompts.map(wholeRow), shape.time, "left", groups, architecture);
  const padding = new Float32Array(shape.prompts * shape.time);
  for (const [p, start] of starts.entries()) padding.fill(maskedScore, p * shape.time, p * shape.time + start);
  const seen = shape.penalised && {
    seen: { data: tokensOf(prompts, rows, vocabSize), shape: [shape.rows, vocabSize] },
  };
  return {
    prompts: {
      ...layout,
      padding: { data: padding, shape: [shape.prompts, 1, 1, 1, shape.time] },
      promptOf: { data: BigInt64Array.from(rows, ({ prompt }) => BigInt(prompt)), shape: [shape.rows] },
      ...seen,
    },
    steps: stepFeeds(architecture, shape, rows, next, sampling),
  };
}

/** The feeds of every step: random numbers, rotary tables and settings. */
function stepFeeds(
  architecture: Architecture,
  shape: GenerationShape,
  rows: readonly GenerationRow[],
  next: readonly number[],
  { maxTokens, temperature, topK, topP, repetitionPenalty, seed }: SamplingOptions,
): GenerationFeeds["steps"] {
  const half = architecture.config.text.headDim / 2;
  const uniforms = new Float32Array(maxTokens * shape.rows);
  rows.forEach(({ seedPath }, r) => {
    const rng = createRng(seed, "sample", ...seedPath);
    // Kept below 1, to which a float32 product with the total mass could round.
    for (let i = 0; i < maxTokens; i++) uniforms[i * shape.rows + r] = Math.min(rng.uniform(), 1 - 1e-6);
  });
  // Most completions end long before maxTokens, so tables are made for the next steps only.
  const positions = (done: number, count: number) => {
    const steps = Int32Array.from({ length: count * rows.length }, (_, k) => {
      const [i, r] = [Math.floor(k / rows.length), k % rows.length];
      return next[rows[r]!.prompt]! + done + i;
    });
    return { t: steps, h: steps, w: steps };
  };
  const single = (value: number): Tensor => ({ data: Float32Array.of(value), shape: [] });
  return (done, count) => {
    const { cos, sin } = architecture.rotary(positions(done, count));
    const shapeOf = (...each: readonly number[]) => [count, shape.rows, ...each];
    return {
      maxTokens: { data: BigInt64Array.of(BigInt(count)), shape: [] },
      uniforms: { data: uniforms.slice(done * shape.rows, (done + count) * shape.rows), shape: shapeOf() },
      stepCos: { data: cos, shape: shapeOf(half) },
      stepSin: { data: sin, shape: shapeOf(half) },
      temperature: single(temperature || 1),
      topK: single(topK),
      topP: single(topP),
      ...(shape.penalised && { repetitionPenalty: single(repetitionPenalty) }),
    };
  };
}

/** [rows, vocabulary]: 1 for the tokens of each row's prompt. */
function tokensOf(prompts: readonly Row[], rows: readonly GenerationRow[], vocabSize: number): Uint8Array {
  const seen = new Uint8Array(rows.length * vocabSize);
  rows.forEach(({ prompt }, r) => {
    for (const id of prompts[prompt]!.tokens) seen[r * vocabSize + id] = 1;
  });
  return seen;
}

/** A row before its first generated token. */
export const nothingYet: Generated = { tokens: [], logProbs: [], samplingLogProbs: [], ended: false };

/** `rows`, each extended by its outputs of a generation graph up to its end-of-turn token. */
export function continued(
  rows: readonly Generated[],
  outputs: Readonly<Record<string, Tensor>>,
  { tokens: special }: VlmConfig,
): Generated[] {
  const tokens = outputs.tokens!.data as BigInt64Array;
  const steps = tokens.length / rows.length;
  return rows.map((row, r) => {
    if (row.ended) return row;
    const ids = Array.from({ length: steps }, (_, i) => Number(tokens[i * rows.length + r]));
    const end = ids.findIndex((id) => special.eos.includes(id));
    const length = end < 0 ? steps : end + 1;
    const column = (name: string) => {
      const values = Array.from({ length }, (_, i) => (outputs[name]!.data as Float32Array)[i * rows.length + r]!);
      const bad = values.findIndex((x) => !Number.isFinite(x));
      if (bad >= 0)
        throw new NonFiniteError(
          `generate: row ${r}, token ${row.tokens.length + bad}: expected a finite number in ${name}, got ${values[bad]}; are the weights finite?`,
        );
      return values;
    };
    return {
      tokens: [...row.tokens, ...ids.slice(0, length)],
      logProbs: [...row.logProbs, ...column("logProbs")],
      samplingLogProbs: [...row.samplingLogProbs, ...column("samplingLogProbs")],
      ...(outputs.temperedLogProbs && {
        temperedLogProbs: [...(row.temperedLogProbs ?? []), ...column("temperedLogProbs")],
      }),
      ended: end >= 0,
    };
  });
}
