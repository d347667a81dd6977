import { ShapeError } from "../../errors";

/** The patches of an image: frames, rows, columns. */
export type Grid = readonly [time: number, height: number, width: number];

/** Position of each token along time, height and width. */
export interface RopePositions {
  readonly t: Int32Array;
  readonly h: Int32Array;
  readonly w: Int32Array;
  /** Position of the token that comes next. */
  readonly next: number;
}

/**
 * Multimodal positions (Qwen2-VL, §2.1): text advances all three together; an image's tokens have their own (frame,
 * row, column), and the text after it continues from the largest.
 * @param promptLength the model's own words begin here, image tokens too (default: all tokens are the prompt's)
 * @throws ShapeError when the prompt's image tokens do not match the grids
 */
export function ropePositions(
  tokens: readonly number[],
  grids: readonly Grid[],
  { imageToken, mergeSize: merge }: { readonly imageToken: number; readonly mergeSize: number },
  promptLength = tokens.length,
): RopePositions {
  const [t, h, w] = [0, 1, 2].map(() => new Int32Array(tokens.length)) as [Int32Array, Int32Array, Int32Array];
  let next = 0;
  let image = 0;
  for (let i = 0; i < tokens.length; ) {
    if (tokens[i] !== imageToken || i >= promptLength) {
      t[i] = h[i] = w[i] = next++;
      i++;
      continue;
    }
    const grid = grids[image++];
    if (!grid)
      throw new ShapeError(
        `image tokens: expected as many runs as images, ${grids.length}, got one more from place ${i} on`,
      );
    const [frames, rows, columns] = [grid[0], grid[1] / merge, grid[2] / merge];
    const end = i + frames * rows * columns;
    if (end > promptLength || tokens.slice(i, end).some((token) => token !== imageToken))
      throw new ShapeError(`image ${image - 1}: expected ${end - i} image tokens from place ${i} on, got fewer`);
    for (let f = 0; f < frames; f++)
      for (let r = 0; r < rows; r++)
        for (let c = 0; c < columns; c++, i++) {
          t[i] = next + f;
          h[i] = next + r;
          w[i] = next + c;
        }
    next += Math.max(frames, rows, columns);
  }
  if (image !== grids.length) throw new ShapeError(`expected image tokens for ${grids.length} images, got ${image}`);
  return { t, h, w, next };
}

/** Half rotary tables: cos and sin, each [rows, width]. */
export interface HalfTables {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/**
 * Tables of the language model, [tokens, headDim / 2].
 * @param axes the axis of each frequency: time, height or width (0, 1, 2)
 */
export function mropeTables(
  { t, h, w }: Pick<RopePositions, "t" | "h" | "w">,
  headDim: number,
  theta: number,
  axes: readonly number[],
): HalfTables {
  const along = axes.map((axis) => [t, h, w][axis]!);
  const frequencies = textFrequencies(headDim, theta);
  return tables(t.length, headDim / 2, (i, k) => along[k]![i]! * frequencies[k]!);
}

/**
 * Tables of a vision tower, [patches, headDim / 2], rows then columns, in the processor's order: patches of a merge
 * block are adjacent.
 */
export function visionRotaryTables([frames, rows, columns]: Grid, headDim: number, mergeSize: number): HalfTables {
  const half = headDim / 2;
  const quarter = half / 2;
  const frequencies = visionFrequencies(headDim);
  const places = patchOrder(rows, columns, mergeSize);
  return tables(frames * places.length, half, (i, k) => {
    const [row, column] = places[i % places.length]!;
    return k < quarter ? row * frequencies[k]! : column * frequencies[k - quarter]!;
  });
}

/** [row, column] of each patch of a frame: merge blocks row by row, and inside each its patches row by row. */
export function patchOrder(rows: number, columns: number, merge: number): (readonly [row: number, column: number])[] {
  const order: (readonly [number, number])[] = [];
  for (let r = 0; r < rows; r += merge)
    for (let c = 0; c < columns; c += merge)
      for (let y = 0; y < merge; y++) for (let x = 0; x < merge; x++) order.push([r + y, c + x]);
  return order;
}

/** The frequencies of the language model's rotary angles, headDim / 2 of them. */
export const textFrequencies = (headDim: number, theta: number): number[] =>
  Array.from({ length: headDim / 2 }, (_, k) => frequency(theta, (2 * k) / headDim));

/** The frequencies of a vision tower's rotary angles, headDim / 4 of them: for rows, and again for columns. */
export const visionFrequencies = (headDim: number): number[] =>
  Array.from({ length: headDim / 4 }, (_, k) => frequency(10_000, k / (headDim / 4)));

/** θ^−x, rounded to float32 as in transformers; otherwise the angle at position 1000 would be off by 5e-5. */
const frequency = (theta: number, x: number) => Math.fround(1 / Math.fround(theta ** Math.fround(x)));

function tables(rows: number, width: number, angle: (row: number, column: number) => number): HalfTables {
  const cos = new Float32Array(rows * width);
  const sin = new Float32Array(rows * width);
  for (let i = 0; i < rows; i++)
    for (let k = 0; k < width; k++) {
      // transformers multiplies position and frequency in float32; the angle must round likewise.
      const a = Math.fround(angle(i, k));
      cos[i * width + k] = Math.cos(a);
      sin[i * width + k] = Math.sin(a);
    }
  return { cos, sin };
}
