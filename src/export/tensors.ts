import { DataError } from "../errors";
import { blockRoundings, type Precision, type Rounding } from "../models/checkpoint/quantize";
import { type Checkpoint, readRows } from "../models/checkpoint/weights";
import { firstBeyond, fromFloat32 } from "../models/files/safetensors";
import type { Weights } from "../models/parts/layers";
import { add, cast, type ExternalData, type Graph, gather, gemm } from "../onnx/graph/graph";
import type { DType, Value } from "../onnx/graph/value";

/** A tensor of an exported file. Its pieces are read, converted and forgotten one after the other. */
export interface ExportedTensor {
  readonly value: Value;
  readonly place: ExternalData;
  readonly pieces: () => AsyncIterable<Uint8Array>;
}

const bytesOf: Readonly<Partial<Record<DType, number>>> = { float32: 4, float16: 2, uint8: 1 };

/**
 * A checkpoint's weights as constants of `g`. Vectors are float32. Other tensors are float32, or float16 if `precision`
 * is lower; matrices of linear layers are quantized in blocks for int8 and int4, but not the head's for int8, which
 * costs more of the model's words than all others together. All arithmetic is float32.
 * @param place where in the exported files a tensor of so many bytes goes
 * @returns the weights, and the tensors that were asked for, in that order
 */
export function exportedWeights(
  g: Graph,
  checkpoint: Checkpoint,
  { precision, head }: { readonly precision: Precision; readonly head: string },
  place: (bytes: number) => ExternalData,
): { readonly weights: Weights; readonly tensors: ReadonlyMap<string, ExportedTensor> } {
  const tensors = new Map<string, ExportedTensor>();
  const constant = (name: string, dtype: DType, shape: readonly number[], pieces: ExportedTensor["pieces"]) => {
    const known = tensors.get(name);
    if (known) return known.value;
    const at = place(shape.reduce((a, b) => a * b, bytesOf[dtype]!));
    const value = g.external(name, dtype, shape, at);
    tensors.set(name, { value, place: at, pieces });
    return value;
  };
  const stored = (name: string, shape: readonly number[]) => {
    const dtype = precision === "float32" || shape.length === 1 ? "float32" : "float16";
    return constant(name, dtype, shape, () => converted(checkpoint, name, dtype));
  };
  const quantized = (graph: Graph, module: string, x: Value, outputs: number, rounding: Rounding) => {
    const inputs = x.shape[1] as number;
    const scales = new Float32Array(rounding.scales(outputs, inputs));
    const numbers = constant(`${module}.numbers`, "uint8", rounding.numbers(outputs, inputs), () =>
      rounded(checkpoint, `${module}.weight`, rounding, scales),
    );
    // The numbers come first, and with them the scales.
    const scale = constant(`${module}.scale`, "float32", [scales.length], async function* () {
      yield new Uint8Array(scales.buffer);
    });
    return rounding.product(graph, x, numbers, scale);
  };
  const tensor = (name: string, shape: readonly number[]) => cast(g, stored(name, shape), "float32");
  const weights: Weights = {
    tensor,
    rows: (graph, name, shape, indices) => cast(graph, gather(graph, stored(name, shape), indices), "float32"),
    product(graph, module, x, outputs, { bias, residual } = {}) {
      if (precision === "int4" || (precision === "int8" && module !== head)) {
        const y = quantized(graph, module, x, outputs, blockRoundings[precision]);
        return [bias, residual].reduce<Value>((sum, part) => (part ? add(graph, sum, part) : sum), y);
      }
      const matrix = tensor(`${module}.weight`, [outputs, x.shape[1] as number]);
      const added = bias ?? residual;
      const y = gemm(graph, x, matrix, added);
      return bias && residual ? add(graph, residual, y) : y;
    },
  };
  return { weights, tensors };
}

/** A stored tensor as `dtype`, some rows at a time. */
async function* converted(
  checkpoint: Checkpoint,
  name: string,
  dtype: "float32" | "float16",
): AsyncIterable<Uint8Array> {
  for await (const { numbers } of readRows(checkpoint, name)) {
    const type = dtype === "float32" ? "F32" : "F16";
    const bad = firstBeyond(numbers, type);
    if (bad !== undefined)
      throw new DataError(
        Number.isFinite(bad)
          ? `${checkpoint.dir}: ${name}: expected numbers up to 65504, as float16 has them, got ${bad}; use precision "float32"`
          : `${checkpoint.dir}: ${name}: expected finite numbers, got ${bad}`,
      );
    yield fromFloat32(numbers, type);
  }
}

/** The whole numbers of a quantized matrix, some rows at a time; their scales go into `scales`. */
async function* rounded(
  checkpoint: Checkpoint,
  name: string,
  rounding: Rounding,
  scales: Float32Array,
): AsyncIterable<Uint8Array> {
  const inputs = checkpoint.tensors.get(name)!.shape[1]!;
  for await (const { first, numbers: rows } of readRows(checkpoint, name)) {
    const outputs = rows.length / inputs;
    const numbers = new Uint8Array(rounding.numbers(outputs, inputs).reduce((a, b) => a * b, 1));
    const from = rounding.scales(first, inputs);
    const scale = scales.subarray(from, from + rounding.scales(outputs, inputs));
    rounding.round(rows, inputs, 0, { numbers, scale });
    yield numbers;
  }
}
