import { add, type Graph, mul, reshape, scalar } from "../../onnx/graph/graph";
import type { Value } from "../../onnx/graph/value";

/** The number format of a quantized weight matrix: 8 bits a number, or 4. */
export type ReducedPrecision = "int8" | "int4";

/**
 * The arithmetic of products with the checkpoint's matrices: float32; "half", the type that the matrices are stored in,
 * to which the other factor and the product are rounded too; or matrices quantized to fewer bits.
 */
export type Precision = "float32" | "half" | ReducedPrecision;

/** A precision's storage of a matrix W [outputs, inputs], and its product. */
export interface Rounding {
  /** Shape of the stored numbers, which are unsigned bytes. */
  numbers(outputs: number, inputs: number): readonly number[];
  /** Number of scales, one for each group of numbers that are quantized together. */
  scales(outputs: number, inputs: number): number;
  /**
   * Quantizes rows `first`… of W into their places among the numbers and scales of the whole matrix.
   * @param rows [n, inputs]
   */
  round(rows: Float32Array, inputs: number, first: number, into: RoundedMatrix): void;
  /** x·Ŵᵀ, x [n, inputs] → [n, outputs]; rows of the result are independent. */
  product(g: Graph, x: Value, numbers: Value, scale: Value): Value;
}

/** Ŵ: whole numbers and their scales. */
export interface RoundedMatrix {
  readonly numbers: Uint8Array;
  readonly scale: Float32Array;
}

/** Numbers of int4 that share a scale. */
export const blockSize = 32;

export const roundings: Readonly<Record<ReducedPrecision, Rounding>> = {
  // Ŵₒᵢ = sₒ·(nₒᵢ − 128), sₒ = maxᵢ |Wₒᵢ| / 127. x is quantized likewise, row by row, so that the kernel sums whole
  // numbers. Kernels for signed bytes saturate on CPUs without VNNI; with VNNI, those for unsigned bytes are as fast.
  int8: {
    // [inputs, outputs], because the kernel expects its second factor so.
    numbers: (outputs, inputs) => [inputs, outputs],
    scales: (outputs) => outputs,
    round(rows, inputs, first, { numbers, scale }) {
      const outputs = scale.length;
      for (let o = 0; o * inputs < rows.length; o++) {
        let largest = 0;
        for (let i = 0; i < inputs; i++) largest = Math.max(largest, Math.abs(rows[o * inputs + i]!));
        scale[first + o] = largest / 127;
        const perUnit = largest === 0 ? 0 : 127 / largest;
        for (let i = 0; i < inputs; i++)
          numbers[i * outputs + first + o] = Math.round(rows[o * inputs + i]! * perUnit) + zero;
      }
    },
    product(g, x, numbers, scale) {
      const rows = x.shape[0] as number;
      const { rounded, scale: ofRow } = roundedRows(g, x, rows);
      const middle = g.bytes([zero], []);
      const y = g.op("MatMulIntegerToFloat", [rounded, numbers, scalar(g, 1), scale, middle, middle], {});
      return mul(g, y, ofRow);
    },
  },
  int4: inBlocks(4),
};

/** Matrices for other programs, with a scale for each block of numbers. Only the matrices are rounded. */
export const blockRoundings: Readonly<Record<ReducedPrecision, Rounding>> = {
  int8: inBlocks(8, { roundsInput: false }),
  int4: inBlocks(4, { roundsInput: false }),
};

/**
 * Ŵₒᵢ = s·(n − h), n = 0…2h − 1, h = 2^(bits − 1), for each block of 32 inputs: its largest number, of either sign,
 * becomes −h.
 */
function inBlocks(bits: 4 | 8, { roundsInput = true } = {}): Rounding {
  return {
    numbers: (outputs, inputs) => [outputs, Math.ceil(inputs / blockSize), (blockSize * bits) / 8],
    scales: (outputs, inputs) => outputs * Math.ceil(inputs / blockSize),
    round(rows, inputs, first, into) {
      const blocks = Math.ceil(inputs / blockSize);
      for (let o = 0; o * inputs < rows.length; o++)
        for (let b = 0; b < blocks; b++) {
          const block = rows.subarray(o * inputs + b * blockSize, o * inputs + Math.min((b + 1) * blockSize, inputs));
          roundBlock(block, bits, (first + o) * blocks + b, into);
        }
    },
    product: (g, x, numbers, scale) => g.op("MatMulNBits", [x, numbers, scale], { blockSize, bits, roundsInput }),
  };
}

/** The unsigned byte that stands for 0. */
const zero = 128;

/** x ≈ (rounded − 128) · scale, scale = max |x| / 127 of each row, [rows, 1]. */
function roundedRows(g: Graph, x: Value, rows: number): { rounded: Value; scale: Value } {
  const largest = g.op("ReduceMax", [g.op("Abs", [x], {})], {});
  // A row of zeros must not be divided by zero.
  const scale = add(g, mul(g, largest, scalar(g, 1 / 127)), scalar(g, 1e-30));
  const zeros = g.bytes(new Array<number>(rows).fill(zero));
  return { rounded: g.op("QuantizeLinear", [x, reshape(g, scale, [rows]), zeros], {}), scale };
}

function roundBlock(block: Float32Array, bits: 4 | 8, at: number, { numbers, scale }: RoundedMatrix): void {
  const half = 2 ** (bits - 1);
  let largest = 0;
  for (const weight of block) if (Math.abs(weight) > Math.abs(largest)) largest = weight;
  scale[at] = largest / -half;
  const perUnit = largest === 0 ? 0 : -half / largest;
  const unsigned = (i: number) => Math.min(Math.round((block[i] ?? 0) * perUnit) + half, 2 * half - 1);
  const first = at * blockSize;
  if (bits === 8) for (let i = 0; i < blockSize; i++) numbers[first + i] = unsigned(i);
  else for (let i = 0; i < blockSize; i += 2) numbers[(first + i) / 2] = unsigned(i) | (unsigned(i + 1) << 4);
}
