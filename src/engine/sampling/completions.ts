import type { Row } from "../../models/inputs/row";
import type { Completion } from "../../types";
import type { Generated, GenerationRow } from "./generate";

/** Rows that are generated side by side, and the prompts that they continue. */
export interface GenerationBatch {
  /** Indices of the call's prompts. */
  readonly prompts: readonly number[];
  readonly rows: readonly GenerationRow[];
}

/**
 * Batches prompts by length, so that padding is small; completions of a prompt share its prefill if one batch fits.
 * @param encoded `undefined` for a prompt that has failed
 */
export function planBatches(
  encoded: readonly (Row | undefined)[],
  count: number,
  rowsAtOnce: number,
): GenerationBatch[] {
  const rows = encoded
    .flatMap((row, p) => (row ? [{ p, length: row.tokens.length }] : []))
    .sort((a, b) => a.length - b.length || a.p - b.p)
    .flatMap(({ p }) => Array.from({ length: count }, (_, k) => [p, k] as const));
  const batches: GenerationBatch[] = [];
  for (let first = 0; first < rows.length; first += rowsAtOnce) {
    const some = rows.slice(first, first + rowsAtOnce);
    const prompts = [...new Set(some.map(([p]) => p))];
    batches.push({ prompts, rows: some.map((seedPath) => ({ prompt: prompts.indexOf(seedPath[0]), seedPath })) });
  }
  return batches;
}

export function firstStop(text: string, stop: readonly string[]): number | undefined {
  const places = stop.map((each) => text.indexOf(each)).filter((at) => at >= 0);
  return places.length > 0 ? Math.min(...places) : undefined;
}

/** Cuts the completion where a stop text begins. Tokens are kept as long as their text ends before the cut. */
export function toCompletion(
  generated: Generated,
  text: string,
  decode: (ids: readonly number[]) => string,
  stop: readonly string[],
): Completion {
  const { tokens, logProbs, samplingLogProbs, temperedLogProbs } = generated;
  const cut = firstStop(text, stop);
  const length = cut === undefined ? tokens.length : tokensWithin(cut, tokens, decode);
  return {
    text: text.slice(0, cut),
    tokenIds: tokens.slice(0, length),
    logProbs: logProbs.slice(0, length),
    samplingLogProbs: samplingLogProbs.slice(0, length),
    ...(temperedLogProbs && { temperedLogProbs: temperedLogProbs.slice(0, length) }),
    finishReason: cut !== undefined || generated.ended ? "stop" : "length",
  };
}

/** The most tokens whose text has at most `characters` characters; text never shrinks as tokens come. */
function tokensWithin(
  characters: number,
  tokens: readonly number[],
  decode: (ids: readonly number[]) => string,
): number {
  let length = 0;
  let beyond = tokens.length + 1;
  while (length + 1 < beyond) {
    const middle = (length + beyond) >> 1;
    if (decode(tokens.slice(0, middle)).length <= characters) length = middle;
    else beyond = middle;
  }
  return length;
}
