import { type Graph, gemm, reshape } from "../../onnx/graph/graph";
import type { Value } from "../../onnx/graph/value";
import { patchWidth, type VlmConfig } from "./config";

/** The source of a network's weights, by canonical names and the shapes that the checkpoint must have. */
export interface Weights {
  tensor(name: string, shape: readonly number[]): Value;
  /** Rows of a float32 matrix, as nodes of `g`: the indices may belong to a Loop's body. */
  rows(g: Graph, name: string, shape: readonly number[], indices: Value): Value;
  /**
   * x·Wᵀ (+ bias) (+ residual) with a linear layer's matrix W [outputs, inputs], as nodes of `g`: x [n, inputs] → [n,
   * outputs]; bias [outputs], residual [n, outputs].
   */
  product(g: Graph, module: string, x: Value, outputs: number, added?: Added): Value;
  /** LoRA's addition to a linear layer, if it has one: A [rank, inputs], B [outputs, rank]. */
  adapter?(module: string): { readonly a: Value; readonly b: Value; readonly scale: number } | undefined;
}

export interface Added {
  readonly bias?: Value | undefined;
  readonly residual?: Value | undefined;
}

/** x·Wᵀ (+ b) (+ residual) (+ LoRA: scale · (x·Aᵀ)·Bᵀ), x [n, inputs] → [n, outputs]. */
export function linear(
  g: Graph,
  weights: Weights,
  name: string,
  x: Value,
  outputs: number,
  { bias = false, residual }: { readonly bias?: boolean; readonly residual?: Value } = {},
): Value {
  const y = weights.product(g, name, x, outputs, {
    bias: bias ? weights.tensor(`${name}.bias`, [outputs]) : undefined,
    residual,
  });
  const adapter = weights.adapter?.(name);
  if (!adapter) return y;
  const low = gemm(g, x, adapter.a);
  return g.op("Gemm", [low, adapter.b, y], { transB: true, alpha: adapter.scale });
}

/** A tower's first layer, a convolution whose stride is its kernel: patches [n, patch width] → [n, width]. */
export function embedPatches(
  g: Graph,
  weights: Weights,
  config: VlmConfig,
  patches: Value,
  width: number,
  { bias = false }: { readonly bias?: boolean } = {},
): Value {
  const { inChannels, temporalPatchSize, patchSize } = config.vision;
  const name = "visual.patch_embed.proj";
  const size = [width, inChannels, temporalPatchSize, patchSize, patchSize];
  const kernel = reshape(g, weights.tensor(`${name}.weight`, size), [width, patchWidth(config)]);
  return gemm(g, patches, kernel, bias ? weights.tensor(`${name}.bias`, [width]) : undefined);
}

/** LayerNorm over the last axis, with weight and bias. */
export function layerNorm(g: Graph, weights: Weights, name: string, x: Value, epsilon = 1e-6): Value {
  const shape = [x.shape.at(-1) as number];
  return g.op(
    "LayerNormalization",
    [x, weights.tensor(`${name}.weight`, shape), weights.tensor(`${name}.bias`, shape)],
    {
      epsilon,
    },
  );
}

/** RMSNorm over the last axis. */
export const rmsNorm = (g: Graph, weights: Weights, name: string, x: Value, epsilon: number): Value =>
  g.op("RMSNormalization", [x, weights.tensor(`${name}.weight`, [x.shape.at(-1) as number])], { epsilon });
