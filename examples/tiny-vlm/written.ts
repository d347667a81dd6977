import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Prompt, Trainer } from "rise-ts";
import type { Segment } from "rise-ts/types";

/** A piece of a completion and how much its tokens count. */
export type Piece = string | readonly [text: string, weight: number];

export const textOf = (piece: Piece): string => (typeof piece === "string" ? piece : piece[0]);
export const textPrompt = (text: string): Prompt => [{ role: "user", content: [{ type: "text", text }] }];

/** A lesson of the second part: a prompt, and what to write piece by piece. */
export interface WeightedLesson {
  readonly prompt: Prompt;
  readonly pieces: readonly Piece[];
  /** The text does not end here: what would follow is not practised. */
  readonly open?: boolean;
}

export interface WeightedSegment extends Segment {
  readonly weights: readonly number[];
}

/** How many characters each token stands for: the lessons are ASCII, so that bytes are characters. */
export async function tokenLengths(model: string): Promise<(token: number) => number> {
  const { model: bpe } = JSON.parse(await readFile(join(model, "tokenizer.json"), "utf8")) as {
    readonly model: { readonly vocab: Readonly<Record<string, number>> };
  };
  const lengths = new Map(Object.entries(bpe.vocab).map(([text, id]) => [id, text.length]));
  return (token) => lengths.get(token) ?? 0;
}

/** Tokens of a lesson and the weight of each, which its piece has: the one in which it begins. */
export function encodeLesson(
  { encode }: Pick<Trainer, "encode">,
  lengthOf: (token: number) => number,
  lesson: WeightedLesson,
): WeightedSegment {
  const pieces = lesson.pieces.map((piece) => (typeof piece === "string" ? ([piece, 1] as const) : piece));
  const whole = encode(pieces.map(([text]) => text).join(""));
  const completion = lesson.open ? whole.slice(0, -1) : whole;
  const ofCharacters = pieces.flatMap(([text, weight]) => [...text].map(() => weight));
  let at = 0;
  const weights = completion.map((token) => {
    const weight = ofCharacters[at] ?? 1;
    at += lengthOf(token);
    return weight;
  });
  return { prompt: lesson.prompt, completion, weights };
}

/** A word that has to be seen or known, among words that any answer has. */
export const known = (text: string): Piece => [text, 3];
/** Words of any answer. */
export const form = (text: string): Piece => [text, 0.2];

/** `[54, 547, 482, 393]`: the first digit of a place in thousandths is everything, the third nearly chance; that a shorter number ends counts, too. */
export function boxPieces(written: string): Piece[] {
  const parts = [...written.matchAll(/\d+|\D+/g)].map(([part]) => part);
  return parts.flatMap((part, at): Piece[] => {
    if (/\d/.test(part)) return [...part].map((digit, i): Piece => [digit, [1, 0.4, 0.05][i] ?? 1]);
    const before = parts[at - 1];
    return [before !== undefined && before.length < 3 ? part : form(part)];
  });
}

/** `{'negative': 0.22, …}`: the decimals count. */
export function sharePieces(written: string): Piece[] {
  return written.split(/(?<=\.)(\d\d)/).map((part) => (/^\d\d$/.test(part) ? part : form(part)));
}
