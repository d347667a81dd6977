import type { Architecture } from "../../models/parts/architecture";
import {
  type Attention,
  attentionAfterPrefixes,
  attentionInRows,
  type RotaryTables,
} from "../../models/parts/attention";
import type { Weights } from "../../models/parts/layers";
import { embedInputs, type ImageInput, languageHead, languageModel } from "../../models/parts/network";
import { type VisionShape, visionFeatures } from "../../models/parts/vision-inputs";
import { checkpointedGradients } from "../../onnx/autodiff/checkpointing";
import { gradients, orZeros } from "../../onnx/autodiff/grad";
import { add, concat, createGraph, type Graph, mul, neg, reshape, sumLast } from "../../onnx/graph/graph";
import type { Value } from "../../onnx/graph/value";
import { roundUp } from "../batch";
import type { BatchPlan } from "../shared-prefixes";

/** The properties of a training batch that a graph is built for. */
export interface TrainingShape {
  readonly batch: number;
  readonly time: number;
  /** Common beginnings of rows, computed once: their number, and the tokens they are padded to. Rows continue them. */
  readonly prefixes?: { readonly count: number; readonly time: number } | undefined;
  /** Tokens with a log-probability, over the whole batch, padding included. */
  readonly targets: number;
  /** Groups of images that go through the vision tower; empty when it is frozen and features are fed. */
  readonly pictures: readonly VisionShape[];
  /** Image tokens with a feature, over all images. */
  readonly featureRows: number;
  /** Whether the language model's layers are recomputed on the way back. */
  readonly recompute: boolean;
  /** Divides the logits. */
  readonly temperature: number;
  /** Whether the graph also outputs each scored token's entropy. */
  readonly entropies?: boolean | undefined;
}

/** The shape of a micro-batch's tokens. The scored ones' number is rounded up, so that few graphs serve all batches. */
export function planShape(
  { config: { text } }: Architecture,
  { prefixes, prefixTime, rows, time }: BatchPlan,
): Pick<TrainingShape, "batch" | "time" | "prefixes" | "targets"> {
  const targets = rows.reduce((n, { row }) => n + row.tokens.length - row.promptLength, 0);
  return {
    batch: rows.length,
    time,
    ...(prefixes.length > 0 && { prefixes: { count: prefixes.length, time: prefixTime } }),
    targets: roundUp(Math.max(targets, 1), text.vocabSize > largeVocabulary ? smallTargetStep : targetStep),
  };
}

/** Prefix of the gradients' names among the outputs. */
export const gradientPrefix = "gradient:";

/** Scored tokens are rounded up to a multiple of this. */
const targetStep = 256;
/** The same when each one costs a row as wide as a large vocabulary. */
const smallTargetStep = 32;
const largeVocabulary = 2 ** 15;

/** Additive mask [time, past + time] that hides the future. */
export function causalBias(g: Graph, time: number, past = 0): Value {
  const span = past + time;
  const data = new Float32Array(time * span);
  for (let i = 0; i < time; i++) data.fill(maskedScore, i * span + past + i + 1, (i + 1) * span);
  return g.constant(data, [time, span]);
}

/** Added to the score of a masked position: far below any score, yet finite, so that a row of padding has no NaN. */
export const maskedScore = -1e9;

/**
 * Log-probabilities of chosen tokens, [targets], and the gradient of ⟨cotangent, logProbs⟩ by every bound weight. With
 * `shape.entropies` also the entropies H = −Σ p log p of the distributions that they were chosen from, [targets]; the
 * gradient then includes ⟨entropyCotangent, H⟩.
 * Inputs: tokenIds and source of all positions, cos and sin of the rows (from `layOut`), scoredAt [targets] (positions
 * whose next token is scored), chosen [targets, 1], cotangent and entropyCotangent [targets], and per group k of images
 * `vision.k.patches` and its tables, or `features`. With prefixes, whose positions come first: prefixCos, prefixSin,
 * prefixOf [batch], and padding [batch, 1, 1, 1, their time + time] (0, or very negative at padding of the prefix).
 */
export function trainingGraph(
  architecture: Architecture,
  shape: TrainingShape,
  bind: (g: Graph) => Weights & { readonly inputs: ReadonlyMap<string, Value> },
): { graph: Graph; outputs: Record<string, Value> } {
  const { batch, time, prefixes, targets } = shape;
  const g = createGraph();
  const weights = bind(g);
  const positions = (prefixes ? prefixes.count * prefixes.time : 0) + batch * time;
  const features = imageFeatures(g, weights, architecture, shape);
  const source = g.input("source", "int64", [positions]);
  const tokenIds = g.input("tokenIds", "int64", [positions]);
  const image: ImageInput | undefined = features && { features, source };
  const x = embedInputs(g, weights, architecture, tokenIds, image);
  const scoredAt = g.input("scoredAt", "int64", [targets]);
  const { hidden, layers } = languageModel(g, weights, architecture, x, attentionOf(g, architecture, shape), {
    read: scoredAt,
    image,
  });
  const logProbs = g.op("LogSoftmax", [languageHead(g, weights, architecture, hidden, shape.temperature)], {});
  const chosen = g.op("GatherElements", [logProbs, g.input("chosen", "int64", [targets, 1])], {});
  const output = reshape(g, chosen, [targets]);
  const entropy = shape.entropies ? entropyOf(g, logProbs) : undefined;

  const trained = [...weights.inputs];
  const wrt = trained.map(([, value]) => value);
  const from = [{ output, cotangent: g.input("cotangent", "float32", [targets]) }, ...(entropy ? [entropy.slope] : [])];
  const grads = shape.recompute
    ? orZeros(g, checkpointedGradients(g, layers, from, wrt), wrt)
    : gradients(g, from, wrt);
  const outputs: Record<string, Value> = { logProbs: output, ...(entropy && { entropies: entropy.value }) };
  trained.forEach(([name], i) => {
    outputs[`${gradientPrefix}${name}`] = grads[i]!;
  });
  return { graph: g, outputs };
}

/** Every position attends to earlier ones in its row, and to the prefix that its row continues. */
function attentionOf(g: Graph, { config }: Architecture, { batch, time, prefixes }: TrainingShape): Attention {
  const half = config.text.headDim / 2;
  const tables = (cos: string, sin: string, count: number, length: number): RotaryTables => ({
    cos: g.input(cos, "float32", [count, length, half]),
    sin: g.input(sin, "float32", [count, length, half]),
  });
  const rows = tables("cos", "sin", batch, time);
  if (!prefixes) return attentionInRows(g, config, { ...rows, bias: causalBias(g, time) });
  const before = tables("prefixCos", "prefixSin", prefixes.count, prefixes.time);
  const padding = g.input("padding", "float32", [batch, 1, 1, 1, prefixes.time + time]);
  return attentionAfterPrefixes(
    g,
    config,
    { ...before, bias: causalBias(g, prefixes.time) },
    { ...rows, bias: add(g, causalBias(g, time, prefixes.time), padding) },
    g.input("prefixOf", "int64", [batch]),
  );
}

/**
 * H = −Σ p log p of each row of log p, [targets], and its slope times `entropyCotangent`, as a cotangent of log p.
 *
 * With l = log p, ∂H/∂l is −p (l + 1), but Σ p ∂l is 0 whatever the logits do, so −p l serves as well. It exists
 * already, as a part of H: one array of a vocabulary's width for each token, while differentiating −Σ exp(l) l would
 * make four.
 */
function entropyOf(g: Graph, logProbs: Value) {
  const targets = logProbs.shape[0] as number;
  const weighted = mul(g, g.op("Exp", [logProbs], {}), logProbs);
  const cotangent = reshape(g, g.input("entropyCotangent", "float32", [targets]), [targets, 1]);
  return {
    value: neg(g, reshape(g, sumLast(g, weighted), [targets])),
    slope: { output: logProbs, cotangent: mul(g, weighted, neg(g, cotangent)) },
  };
}

function imageFeatures(
  g: Graph,
  weights: Weights,
  architecture: Architecture,
  shape: TrainingShape,
): readonly Value[] | undefined {
  if (shape.featureRows === 0) return undefined;
  if (shape.pictures.length === 0) return fedFeatures(g, architecture, shape.featureRows);
  const groups = shape.pictures.map((group, k) => visionFeatures(g, weights, architecture, group, `vision.${k}.`));
  return groups[0]!.map((first, i) =>
    groups.length === 1
      ? first
      : concat(
          g,
          groups.map((each) => each[i]!),
          0,
        ),
  );
}

/** Splits the input `features`, [rows, featureCount · hiddenSize] as `visionGraph` makes it. */
export function fedFeatures(g: Graph, { config, featureCount }: Architecture, rows: number): readonly Value[] {
  const width = config.text.hiddenSize;
  const all = g.input("features", "float32", [rows, featureCount * width]);
  if (featureCount === 1) return [all];
  return Array.from({ length: featureCount }, (_, i) =>
    g.op("Slice", [all], { axis: 1, start: i * width, end: (i + 1) * width }),
  );
}
