import type { RawImage } from "../../types";

/**
 * Bicubic resampling with antialiasing, bit-identical to torchvision 0.29 on bytes: a pass along rows, then one along
 * columns, each with 16-bit weights and rounded to bytes. transformers' `AutoProcessor`, and so TRL, resizes with it.
 * PyTorch's three CPU kernels (plain, AVX2, AVX-512) give the same bytes. Pillow has 22-bit weights, and since version
 * 13 takes columns first if that is cheaper.
 */
export function resizeBicubic(image: RawImage, newWidth: number, newHeight: number): RawImage {
  return resizeColumns(resizeRows(image, newWidth), newHeight);
}

function resizeRows({ width, height, data }: RawImage, newWidth: number): RawImage {
  if (newWidth === width) return { width, height, data };
  const { filters, precisionBits, half } = filtersOf(width, newWidth);
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
  const { filters, precisionBits, half } = filtersOf(height, newHeight);
  filters.forEach(({ first, weights }, y) => {
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

/**
 * The filter of every output pixel, in the finest fixed point in which the largest weight still fits into 16 bits; at
 * most 22 bits are used.
 */
function filtersOf(size: number, newSize: number) {
  const exact = Array.from({ length: newSize }, (_, x) => filterAt(x, size, newSize));
  const largest = exact.reduce((most, { weights }) => weights.reduce((a, b) => Math.max(a, b), most), 0);
  let precisionBits = 0;
  while (precisionBits < 22 && Math.trunc(0.5 + largest * 2 ** (precisionBits + 1)) < 2 ** 15) precisionBits++;
  const fixed = (w: number) => Math.trunc(w * 2 ** precisionBits + (w < 0 ? -0.5 : 0.5));
  const filters = exact.map(({ first, weights }) => ({ first, weights: Int32Array.from(weights, fixed) }));
  return { filters, precisionBits, half: 2 ** (precisionBits - 1) };
}

const support = 2;

/** The input pixels that contribute to output pixel `x`, and their weights. */
function filterAt(x: number, size: number, newSize: number): { first: number; weights: readonly number[] } {
  const scale = size / newSize;
  const stretch = Math.max(scale, 1);
  const centre = (x + 0.5) * scale;
  const first = Math.max(Math.trunc(centre - support * stretch + 0.5), 0);
  const end = Math.min(Math.trunc(centre + support * stretch + 0.5), size);
  const raw = Array.from({ length: end - first }, (_, k) => cubic((k + first - centre + 0.5) * (1 / stretch)));
  const total = raw.reduce((a, b) => a + b, 0);
  return { first, weights: raw.map((w) => w / total) };
}

/** Keys' cubic kernel with a = −½. */
function cubic(x: number): number {
  const a = -0.5;
  const d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
}
