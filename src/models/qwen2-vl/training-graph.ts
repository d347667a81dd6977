import { checkpointedGradients } from "../../onnx/checkpointed";
import { gradients, orZeros } from "../../onnx/grad";
import { concat, createGraph, type Graph, gather, reshape } from "../../onnx/graph";
import type { Value } from "../../onnx/value";
import type { Qwen2VlConfig } from "./config";
import { embedInputs, languageHead, languageModel, visionTower, type Weights } from "./network";

/** Everything about a training batch that a graph is built for. */
export interface TrainingShape {
  readonly batch: number;
  readonly time: number;
  /** Tokens with a log-probability, over the whole batch, padding included. */
  readonly targets: number;
  /** Pictures that go through the vision tower; empty when it is frozen and `featureRows` are fed. */
  readonly pictures: readonly { readonly count: number; readonly patches: number }[];
  readonly featureRows: number;
  /** The language model's layers are computed again on the way back. */
  readonly recompute: boolean;
  /** Logits are divided by it. */
  readonly temperature: number;
}

/** About what the language model's layers keep for the way back, bytes, where nothing is computed again. */
export function activationBytes(
  { text }: Qwen2VlConfig,
  { batch, time }: Pick<TrainingShape, "batch" | "time">,
): number {
  // Of each token: ten vectors in and around attention, six in the MLP, three rows of attention scores for each head.
  const each = 10 * text.hiddenSize + 6 * text.intermediateSize + 3 * text.heads * time;
  return 4 * batch * time * each * text.layers;
}

/** Additive mask [time, time] that hides the future. */
export function causalBias(g: Graph, time: number): Value {
  const data = new Float32Array(time * time);
  for (let i = 0; i < time; i++) data.fill(hidden, i * time + i + 1, (i + 1) * time);
  return g.constant(data, [time, time]);
}

/** Added to the score of a place that must not be seen: far below any score, yet finite, so that a row of padding stays a number. */
export const hidden = -1e9;

/**
 * Log-probabilities of chosen tokens, [targets], and the gradient of ⟨cotangent, logProbs⟩ by every bound weight.
 * Inputs: tokenIds, source, cos, sin (as `layOut` makes them), rows [targets] (places whose next token is scored), chosen [targets, 1],
 * cotangent [targets], and per group k of pictures patches.k, visionCos.k, visionSin.k, or `features`.
 */
export function trainingGraph(
  config: Qwen2VlConfig,
  shape: TrainingShape,
  bind: (g: Graph) => Weights & { readonly inputs: ReadonlyMap<string, Value> },
): { graph: Graph; outputs: Record<string, Value> } {
  const { batch, time, targets } = shape;
  const g = createGraph();
  const weights = bind(g);
  const half = config.text.headDim / 2;
  const tables = {
    cos: g.input("cos", "float32", [batch, time, half]),
    sin: g.input("sin", "float32", [batch, time, half]),
  };
  const features = imageFeatures(g, weights, config, shape);
  const source = g.input("source", "int64", [batch * time]);
  const tokenIds = g.input("tokenIds", "int64", [batch * time]);
  const x = embedInputs(g, weights, tokenIds, features && { features, source });
  const { hidden, layers } = languageModel(g, weights, config, x, tables, causalBias(g, time));
  const scored = gather(g, hidden, g.input("rows", "int64", [targets]));
  const logProbs = g.op("LogSoftmax", [languageHead(g, weights, config, scored, shape.temperature)], {});
  const chosen = g.op("GatherElements", [logProbs, g.input("chosen", "int64", [targets, 1])], {});
  const output = reshape(g, chosen, [targets]);

  const trained = [...weights.inputs];
  const wrt = trained.map(([, value]) => value);
  const from = [{ output, cotangent: g.input("cotangent", "float32", [targets]) }];
  const grads = shape.recompute
    ? orZeros(g, checkpointedGradients(g, layers, from, wrt), wrt)
    : gradients(g, from, wrt);
  const outputs: Record<string, Value> = { logProbs: output };
  trained.forEach(([name], i) => {
    outputs[`gradient:${name}`] = grads[i]!;
  });
  return { graph: g, outputs };
}

function imageFeatures(g: Graph, weights: Weights, config: Qwen2VlConfig, shape: TrainingShape): Value | undefined {
  const { vision, text } = config;
  if (shape.featureRows === 0) return undefined;
  if (shape.pictures.length === 0) return g.input("features", "float32", [shape.featureRows, text.hiddenSize]);
  const half = vision.embedDim / vision.heads / 2;
  const width = vision.inChannels * vision.temporalPatchSize * vision.patchSize ** 2;
  const parts = shape.pictures.map(({ count, patches }, k) =>
    visionTower(g, weights, config, g.input(`patches.${k}`, "float32", [count * patches, width]), {
      cos: g.input(`visionCos.${k}`, "float32", [count, patches, half]),
      sin: g.input(`visionSin.${k}`, "float32", [count, patches, half]),
    }),
  );
  return parts.length === 1 ? parts[0] : concat(g, parts, 0);
}
