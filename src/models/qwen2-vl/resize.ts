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
  const lines = { lines: height, size: width, stride: 3, lineStride: width * 3 };
  return { width: newWidth, height, data: resample(data, lines, newWidth, 3, newWidth * 3) };
}

function resizeColumns({ width, height, data }: RawImage, newHeight: number): RawImage {
  if (newHeight === height) return { width, height, data };
  const lines = { lines: width, size: height, stride: width * 3, lineStride: 3 };
  return { width, height: newHeight, data: resample(data, lines, newHeight, width * 3, 3) };
}

interface Lines {
  readonly lines: number;
  readonly size: number;
  /** Bytes from a pixel to the next of its line, and from a line to the next. */
  readonly stride: number;
  readonly lineStride: number;
}

const precisionBits = 22;
const support = 2;

function resample(
  input: Uint8Array,
  { lines, size, stride, lineStride }: Lines,
  newSize: number,
  outStride: number,
  outLineStride: number,
): Uint8Array {
  // The kernel overshoots at edges; this array clamps.
  const output = new Uint8ClampedArray(lines * newSize * 3);
  for (let x = 0; x < newSize; x++) {
    const { first, weights } = filterAt(x, size, newSize);
    for (let line = 0; line < lines; line++)
      for (let channel = 0; channel < 3; channel++) {
        let sum = 1 << (precisionBits - 1);
        let at = line * lineStride + first * stride + channel;
        for (let k = 0; k < weights.length; k++, at += stride) sum += input[at]! * weights[k]!;
        output[line * outLineStride + x * outStride + channel] = sum >> precisionBits;
      }
  }
  return new Uint8Array(output.buffer);
}

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
