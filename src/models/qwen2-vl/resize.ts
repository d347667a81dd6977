import type { RawImage } from "../../types";

/**
 * Bicubic resampling with antialiasing, as Pillow 13 does it: weights in 22-bit fixed point, one pass along rows and one along columns, each
 * rounded to 8 bits, and columns first where that leaves far fewer pixels. The reference processor's pixels come out of this rule, so it is
 * followed and not approximated.
 */
export function resizeBicubic(image: RawImage, newWidth: number, newHeight: number): RawImage {
  const columnsFirst = newHeight < image.height && image.height - newHeight > 2 * (image.width - newWidth);
  return columnsFirst
    ? resizeRows(resizeColumns(image, newHeight), newWidth)
    : resizeColumns(resizeRows(image, newWidth), newHeight);
}

function resizeRows({ width, height, data }: RawImage, newWidth: number): RawImage {
  if (newWidth === width) return { width, height, data };
  const filters = filtersOf(width, newWidth);
  // The kernel overshoots at edges; this array clamps.
  const output = new Uint8ClampedArray(newWidth * height * 3);
  let next = 0;
  for (let y = 0; y < height; y++)
    for (const { first, weights } of filters) {
      let [red, green, blue] = [half, half, half];
      let at = (y * width + first) * 3;
      for (let k = 0; k < weights.length; k++, at += 3) {
        const weight = weights[k]!;
        red += Math.imul(data[at]!, weight);
        green += Math.imul(data[at + 1]!, weight);
        blue += Math.imul(data[at + 2]!, weight);
      }
      output[next++] = red >> precisionBits;
      output[next++] = green >> precisionBits;
      output[next++] = blue >> precisionBits;
    }
  return { width: newWidth, height, data: new Uint8Array(output.buffer) };
}

function resizeColumns({ width, height, data }: RawImage, newHeight: number): RawImage {
  if (newHeight === height) return { width, height, data };
  const row = width * 3;
  const output = new Uint8ClampedArray(row * newHeight);
  const sums = new Int32Array(row);
  filtersOf(height, newHeight).forEach(({ first, weights }, y) => {
    sums.fill(half);
    weights.forEach((weight, k) => {
      addRow(sums, data.subarray((first + k) * row, (first + k + 1) * row), weight);
    });
    for (let i = 0; i < row; i++) output[y * row + i] = sums[i]! >> precisionBits;
  });
  return { width, height: newHeight, data: new Uint8Array(output.buffer) };
}

function addRow(sums: Int32Array, row: Uint8Array, weight: number): void {
  for (let i = 0; i < row.length; i++) sums[i]! += Math.imul(row[i]!, weight);
}

const precisionBits = 22;
const half = 1 << (precisionBits - 1);
const support = 2;

const filtersOf = (size: number, newSize: number) =>
  Array.from({ length: newSize }, (_, x) => filterAt(x, size, newSize));

/** The input pixels that output pixel `x` sees, and their weights in fixed point. */
function filterAt(x: number, size: number, newSize: number): { first: number; weights: Int32Array } {
  const scale = size / newSize;
  const stretch = Math.max(scale, 1);
  const centre = (x + 0.5) * scale;
  const first = Math.max(Math.trunc(centre - support * stretch + 0.5), 0);
  const end = Math.min(Math.trunc(centre + support * stretch + 0.5), size);
  const raw = Array.from({ length: end - first }, (_, k) => cubic((k + first - centre + 0.5) * (1 / stretch)));
  const total = raw.reduce((a, b) => a + b, 0);
  return {
    first,
    weights: Int32Array.from(raw, (w) => Math.trunc((w / total) * (1 << precisionBits) + (w < 0 ? -0.5 : 0.5))),
  };
}

/** Keys' cubic kernel with a = −½. */
function cubic(x: number): number {
  const a = -0.5;
  const d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
}
