import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { blockSize, type ReducedPrecision, roundings } from "../../../src/models/checkpoint/quantize";
import { createGraph } from "../../../src/onnx/graph/graph";
import { createSession } from "../../../src/onnx/runtime/session";
import { createRng } from "../../../src/rng";

const precisions = Object.keys(roundings) as ReducedPrecision[];
/** The last block of 32 is filled up: there are 72 inputs. */
const sizes = [
  [8, 32],
  [20, 72],
  [96, 160],
] as const;

const normal = (count: number, seed: number, scale = 1) => {
  const rng = createRng(seed, "rounded weights");
  return Float32Array.from({ length: count }, () => scale * rng.normal());
};

/** Rounded in two pieces, as a large matrix is. */
function rounded(precision: ReducedPrecision, w: Float32Array, outputs: number, inputs: number) {
  const { numbers, scales, round } = roundings[precision];
  const size = numbers(outputs, inputs).reduce((a, b) => a * b, 1);
  const matrix = { numbers: new Uint8Array(size), scale: new Float32Array(scales(outputs, inputs)) };
  const half = (outputs / 2) * inputs;
  round(w.subarray(0, half), inputs, 0, matrix);
  round(w.subarray(half), inputs, outputs / 2, matrix);
  return matrix;
}

/** Ŵ and each weight's scale, [outputs, inputs], from what is written: numbers times scales, in float64. */
function meaning(precision: ReducedPrecision, matrix: ReturnType<typeof rounded>, outputs: number, inputs: number) {
  const blocks = Math.ceil(inputs / blockSize);
  const at = (o: number, i: number): [value: number, scale: number] => {
    if (precision === "int8") return [matrix.numbers[i * outputs + o]! - 128, matrix.scale[o]!];
    const place = o * blocks * blockSize + i;
    const pair = matrix.numbers[place >> 1]!;
    return [(place % 2 ? pair >> 4 : pair & 15) - 8, matrix.scale[o * blocks + Math.floor(i / blockSize)]!];
  };
  return Array.from({ length: outputs * inputs }, (_, place) => {
    const [number, scale] = at(Math.floor(place / inputs), place % inputs);
    return { weight: number * scale, scale: Math.abs(scale) };
  });
}

const folder = await mkdtemp(join(tmpdir(), "rise-rounded-"));
afterAll(() => rm(folder, { recursive: true }));

async function multiply(
  precision: ReducedPrecision,
  x: Float32Array,
  { numbers, scale }: ReturnType<typeof rounded>,
  outputs: number,
  inputs: number,
): Promise<Float32Array> {
  const rounding = roundings[precision];
  const rows = x.length / inputs;
  const file = "matrix";
  await writeFile(join(folder, file), new Uint8Array([...numbers, ...new Uint8Array(scale.buffer)]));
  const g = createGraph();
  const [at, bytes] = [numbers.length, scale.byteLength];
  const shape = rounding.numbers(outputs, inputs);
  const y = rounding.product(
    g,
    g.input("x", "float32", [rows, inputs]),
    g.external("numbers", "uint8", shape, { file, offset: 0, bytes: at }),
    g.external("scale", "float32", [scale.length], { file, offset: at, bytes }),
  );
  const session = await createSession(g, { y }, { folder, threads: 1 });
  try {
    return (await session.run({ x: { data: x, shape: [rows, inputs] } })).y!.data as Float32Array;
  } finally {
    await session.dispose();
  }
}

describe.each(precisions)("%s", (precision) => {
  it.each(sizes)("is as near to every weight of [%i, %i] as its scale allows", (outputs, inputs) => {
    const w = normal(outputs * inputs, 1);
    // Half a step; of four bits a whole one where +8 would be the nearest, which there is not.
    const most = precision === "int8" ? 0.5 : 1;
    meaning(precision, rounded(precision, w, outputs, inputs), outputs, inputs).forEach(({ weight, scale }, i) => {
      expect(Math.abs(weight - w[i]!)).toBeLessThanOrEqual(most * scale * (1 + 1e-5));
    });
  });

  it("keeps weights that are whole numbers of their scale, and rows of zeros", () => {
    const [outputs, inputs] = [4, 64];
    const w = Float32Array.from({ length: outputs * inputs }, (_, i) => (i < 2 * inputs ? 0 : ((i % 8) - 8) / 4));
    if (precision === "int8") for (let i = 2 * inputs; i < w.length; i++) w[i] = ((i % inputs) - 127) / 4;
    const found = meaning(precision, rounded(precision, w, outputs, inputs), outputs, inputs);
    found.forEach(({ weight }, i) => {
      expect(weight).toBeCloseTo(w[i]!, 5);
    });
  });

  it.each(sizes)(
    "multiplies by [%i, %i] as the rounded matrix does, apart from rounding x",
    async (outputs, inputs) => {
      const matrix = rounded(precision, normal(outputs * inputs, 2), outputs, inputs);
      const weights = meaning(precision, matrix, outputs, inputs);
      const rows = 5;
      const x = normal(rows * inputs, 3, 4);
      const y = await multiply(precision, x, matrix, outputs, inputs);
      // x is rounded to 8 bits: all of a row of int8 together, each block of int4. The half step of each input adds up at worst.
      const together = precision === "int8" ? inputs : blockSize;
      for (let n = 0; n < rows; n++)
        for (let o = 0; o < outputs; o++) {
          let [exact, allowed] = [0, 1e-4];
          for (let first = 0; first < inputs; first += together) {
            const places = Array.from({ length: Math.min(together, inputs - first) }, (_, i) => first + i);
            const step = Math.max(...places.map((i) => Math.abs(x[n * inputs + i]!))) / 127;
            for (const i of places) {
              const { weight } = weights[o * inputs + i]!;
              exact += x[n * inputs + i]! * weight;
              allowed += (step / 2) * Math.abs(weight);
            }
          }
          expect(Math.abs(y[n * outputs + o]! - exact)).toBeLessThanOrEqual(allowed);
        }
    },
  );

  it("gives a row what it gives it alone, however large the rows beside it are", async () => {
    const [outputs, inputs, rows] = [96, 160, 5];
    const matrix = rounded(precision, normal(outputs * inputs, 4), outputs, inputs);
    const x = Float32Array.from(normal(rows * inputs, 5), (value, i) => value * 10 ** Math.floor(i / inputs));
    const together = await multiply(precision, x, matrix, outputs, inputs);
    for (let n = 0; n < rows; n++) {
      const alone = await multiply(precision, x.slice(n * inputs, (n + 1) * inputs), matrix, outputs, inputs);
      const largest = Math.max(...alone.map(Math.abs));
      // Whole numbers have one sum; kernels for one row may add up float32 in another order than kernels for several.
      const allowed = precision === "int8" ? 0 : largest * 1e-6;
      alone.forEach((value, o) => {
        expect(Math.abs(together[n * outputs + o]! - value)).toBeLessThanOrEqual(allowed);
      });
    }
  });
});
