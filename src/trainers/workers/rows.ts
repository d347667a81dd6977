import { resolve } from "node:path";
import { BackendError } from "../../errors";
import { nameOf } from "../../files/image";
import { imagesOf, type VisionLanguageModel } from "../../models/open-model";
import { mergedTokens } from "../../models/parts/config";
import { shown } from "../../options/display";
import type { ImageSource, Prompt } from "../../types";

/** A row of a call: a prompt by its number, and the tokens that follow it. */
export interface CallRow {
  readonly index: number;
  readonly prompt: number;
  readonly completion: readonly number[];
  readonly [more: string]: unknown;
}

/** Prompts as they are sent: each once, as tokens, with images by number. */
export interface SentPrompts {
  readonly prompts: readonly { readonly tokens: readonly number[]; readonly images: readonly number[] }[];
  readonly images: readonly SentImage[];
  numberOf(prompt: Prompt): number;
}

interface SentImage {
  readonly name: string;
  /** Width and height that the vision tower sees. */
  readonly size: readonly [width: number, height: number];
  readonly path?: string;
  readonly base64?: string;
}

type Model = Pick<VisionLanguageModel, "config" | "tokenizer" | "resizedSize">;

/**
 * Encodes prompts with this library's tokenizer, so that text stays text. Images are sent as paths where they have one.
 * @throws DataError for something that is not a prompt, or an image that cannot be read
 */
export async function sendPrompts(model: Model, all: readonly Prompt[]): Promise<SentPrompts> {
  const unique = [...new Set(all)];
  const sources = [...new Set(unique.flatMap(imagesOf))];
  const images = await Promise.all(sources.map((source) => sendImage(model, source)));
  const { patchSize } = model.config.vision;
  const tokensIn = ({ size: [width, height] }: SentImage) =>
    mergedTokens([1, height / patchSize, width / patchSize], model.config);
  const prompts = unique.map((prompt) => {
    const numbers = imagesOf(prompt).map((source) => sources.indexOf(source));
    const counts = numbers.map((number) => tokensIn(images[number]!));
    return { tokens: model.tokenizer.encodePrompt(prompt, counts), images: numbers };
  });
  const places = new Map(unique.map((prompt, number) => [prompt, number]));
  return { prompts, images, numberOf: (prompt) => places.get(prompt)! };
}

async function sendImage(model: Model, source: ImageSource): Promise<SentImage> {
  const { width, height } = await model.resizedSize(source);
  const image = { name: nameOf(source), size: [width, height] as const };
  if (typeof source === "string") return { ...image, path: resolve(source) };
  return { ...image, base64: Buffer.from("data" in source ? await pngOf(source) : source).toString("base64") };
}

async function pngOf({ data, width, height }: Exclude<ImageSource, string | Uint8Array>): Promise<Uint8Array> {
  const { default: sharp } = await import("sharp");
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

/**
 * Spreads rows over ranks: the longest first, each rank every N-th, in batches of rows of similar length.
 *
 * FSDP's collectives follow from what a pass computes. `aligned` therefore gives all ranks as many batches, and an
 * image to each of them if any row has one, by adding a row whose answer nobody reads.
 * @returns [rank][batch][row]
 */
export function spreadRows(
  rows: readonly CallRow[],
  { prompts }: SentPrompts,
  { ranks, rowsAtOnce, aligned }: { readonly ranks: number; readonly rowsAtOnce: number; readonly aligned: boolean },
): CallRow[][][] {
  const length = ({ prompt, completion }: CallRow) => prompts[prompt]!.tokens.length + completion.length;
  const sees = ({ prompt }: CallRow) => prompts[prompt]!.images.length > 0;
  const sorted = [...rows].sort((a, b) => length(b) - length(a) || a.index - b.index);
  const batches = Array.from({ length: ranks }, (_, rank) =>
    inBatches(
      sorted.filter((_, i) => i % ranks === rank),
      rowsAtOnce,
    ),
  );
  const last = sorted.findLast(sees) ?? sorted.at(-1);
  if (!aligned || !last) return batches;
  const filler = { ...last, index: rows.length, gradient: "", entropyGradient: "" };
  const isComplete = (batch: readonly CallRow[]) => batch.some((row) => sees(row) || !sees(last));
  return batches.map((own) =>
    batches[0]!.map((_, b) => own[b] ?? []).map((batch) => (isComplete(batch) ? batch : [...batch, filler])),
  );
}

function inBatches<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, b) => items.slice(b * size, (b + 1) * size));
}

/** Numbers as little-endian float64 in base64. */
export function pack(row: ArrayLike<number>): string {
  const bytes = new DataView(new ArrayBuffer(8 * row.length));
  for (let i = 0; i < row.length; i++) bytes.setFloat64(8 * i, row[i]!, true);
  return Buffer.from(bytes.buffer).toString("base64");
}

/** @throws BackendError for an answer without them */
export function unpack(base64: unknown): Float64Array {
  if (typeof base64 !== "string")
    throw new BackendError(`torchTrainer: expected numbers in base64 from the workers, got ${shown(base64)}`, {
      scope: "backend",
    });
  const bytes = Buffer.from(base64, "base64");
  return Float64Array.from({ length: Math.floor(bytes.length / 8) }, (_, i) => bytes.readDoubleLE(8 * i));
}

/** @throws BackendError for an answer without a row for each that was sent */
export function answeredRows(call: string, { rows }: Readonly<Record<string, unknown>>, count: number) {
  if (Array.isArray(rows) && rows.length >= count && rows.every((row) => typeof row === "object" && row !== null))
    return rows.slice(0, count) as Readonly<Record<string, unknown>>[];
  const got = Array.isArray(rows) ? rows.length : "none";
  throw new BackendError(
    `torchTrainer, ${call}: expected ${count} ${count === 1 ? "row" : "rows"} from the workers, got ${got}`,
    {
      scope: "backend",
    },
  );
}
