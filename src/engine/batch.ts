import { ShapeError } from "../errors";
import type { ProcessedImage } from "../models/inputs/image-processor";
import type { Row } from "../models/inputs/row";
import type { Architecture } from "../models/parts/architecture";
import { mergedTokens } from "../models/parts/config";
import type { Grid } from "../models/parts/positions";
import type { Tensor } from "../onnx/runtime/session";

/**
 * The distinct images of a batch, grouped by grid because a vision graph takes images of one size. A group's last image
 * is repeated up to a power of two, so that few graphs serve batches of any size.
 */
export interface ImageGroups {
  readonly groups: readonly {
    readonly grid: Grid;
    readonly images: readonly ProcessedImage[];
  }[];
  /** First row of each image among the concatenated features. */
  readonly offsets: ReadonlyMap<ProcessedImage, number>;
  readonly featureRows: number;
}

export function groupImages(rows: readonly Pick<Row, "tokens" | "images">[], { config }: Architecture): ImageGroups {
  const byGrid = new Map<string, ProcessedImage[]>();
  for (const image of new Set(rows.flatMap(({ images }) => images))) {
    const key = image.grid.join("×");
    byGrid.set(key, [...(byGrid.get(key) ?? []), image]);
  }
  const groups = [...byGrid]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, images]) => ({ grid: images[0]!.grid, images: fillToPowerOfTwo(images) }));
  const offsets = new Map<ProcessedImage, number>();
  let featureRows = 0;
  for (const { grid, images } of groups)
    for (const image of images) {
      offsets.set(image, featureRows);
      featureRows += mergedTokens(grid, config);
    }
  return { groups, offsets, featureRows };
}

const fillToPowerOfTwo = <T>(items: readonly T[]): T[] =>
  Array.from({ length: 2 ** Math.ceil(Math.log2(items.length)) }, (_, i) => items[Math.min(i, items.length - 1)]!);

export const roundUp = (n: number, step: number): number => Math.ceil(n / step) * step;

/** The vision tower's inputs for one group: its patches, and its grid's tables repeated for every image. */
export function visionFeeds(
  { grid, images }: ImageGroups["groups"][number],
  architecture: Architecture,
): Record<string, Tensor> {
  const count = grid[0] * grid[1] * grid[2];
  const width = images[0]!.pixelValues.length / count;
  const patches = new Float32Array(images.length * count * width);
  for (const [i, image] of images.entries()) patches.set(image.pixelValues, i * count * width);
  const tables = Object.entries(architecture.visionTables(grid)).map(
    ([name, table]) => [name, repeated(table, images.length)] as const,
  );
  return { patches: { data: patches, shape: [images.length * count, width] }, ...Object.fromEntries(tables) };
}

/** `times` copies of a tensor, one after the other: [times, ...shape]. */
function repeated({ data, shape }: Tensor, times: number): Tensor {
  const all = { shape: [times, ...shape] };
  if (data instanceof BigInt64Array) {
    const copies = new BigInt64Array(times * data.length);
    for (let i = 0; i < times; i++) copies.set(data, i * data.length);
    return { ...all, data: copies };
  }
  const copies =
    data instanceof Float32Array ? new Float32Array(times * data.length) : new Uint8Array(times * data.length);
  for (let i = 0; i < times; i++) copies.set(data, i * data.length);
  return { ...all, data: copies };
}

export interface Layout {
  readonly tokenIds: Tensor<BigInt64Array>;
  /** For every position, its row in (embeddings ++ features). */
  readonly source: Tensor<BigInt64Array>;
  readonly cos: Tensor<Float32Array>;
  readonly sin: Tensor<Float32Array>;
  /** Position of the first token of each part: 0, or the padding on its left. */
  readonly starts: readonly number[];
  /** Position of the token that follows each row. */
  readonly next: readonly number[];
}

/** A slice of a row's tokens. */
export interface RowPart {
  readonly row: Row;
  readonly from: number;
  readonly to: number;
}

/** A row from its first token to its last. */
export const wholeRow = (row: Row): RowPart => ({ row, from: 0, to: row.tokens.length });

/**
 * Lays parts of rows out as [parts, time], padded on one side; padding is computed but never attended to. An image
 * token behind a row's prompt counts as a word, as in transformers' `generate`: the model wrote it, so it has no image.
 */
export function layOut(
  parts: readonly RowPart[],
  time: number,
  side: "left" | "right",
  groups: ImageGroups,
  architecture: Architecture,
): Layout {
  const half = architecture.config.text.headDim / 2;
  const count = parts.length * time;
  const tokenIds = new BigInt64Array(count);
  const source = BigInt64Array.from({ length: count }, (_, i) => BigInt(i));
  const cos = new Float32Array(count * half).fill(1);
  const sin = new Float32Array(count * half);
  const starts: number[] = [];
  const next: number[] = [];
  parts.forEach(({ row, from, to }, r) => {
    if (to - from > time) throw new ShapeError(`row ${r}: ${to - from} tokens do not fit ${time}`);
    const start = side === "left" ? time - (to - from) : 0;
    const first = r * time + start;
    const grids = row.images.map(({ grid }) => grid);
    const positions = architecture.positions(row.tokens, grids, row.promptLength);
    const tables = architecture.rotary(positions);
    cos.set(tables.cos.subarray(from * half, to * half), first * half);
    sin.set(tables.sin.subarray(from * half, to * half), first * half);
    const features = featuresOf(row, r, groups, architecture);
    for (let i = from; i < to; i++) {
      tokenIds[first + i - from] = BigInt(row.tokens[i]!);
      const feature = features.get(i);
      if (feature !== undefined) source[first + i - from] = BigInt(count + feature);
    }
    starts.push(start);
    next.push(positions.next);
  });
  return {
    tokenIds: { data: tokenIds, shape: [count] },
    source: { data: source, shape: [count] },
    cos: { data: cos, shape: [parts.length, time, half] },
    sin: { data: sin, shape: [parts.length, time, half] },
    starts,
    next,
  };
}

function featuresOf(
  { tokens, images, promptLength }: Row,
  r: number,
  { offsets }: ImageGroups,
  { config }: Architecture,
): ReadonlyMap<number, number> {
  const features = images.flatMap((image) => {
    const first = offsets.get(image)!;
    return Array.from({ length: mergedTokens(image.grid, config) }, (_, i) => first + i);
  });
  const positions = tokens.flatMap((token, i) => (token === config.tokens.image && i < promptLength ? [i] : []));
  if (positions.length !== features.length)
    throw new ShapeError(
      `row ${r}: ${positions.length} image tokens, but its ${images.length} images have ${features.length} features`,
    );
  return new Map(positions.map((position, i) => [position, features[i]!]));
}
