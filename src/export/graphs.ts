import type { Architecture } from "../models/parts/architecture";
import { type Attention, fromHeads, type KeyValues, type RotaryTables, toHeads } from "../models/parts/attention";
import type { Weights } from "../models/parts/layers";
import { languageHead, languageModel } from "../models/parts/network";
import { ones, patchPlaces } from "../models/parts/patch-places";
import {
  add,
  cast,
  concat,
  createGraph,
  type Graph,
  gather,
  matMul,
  mul,
  reduceSum,
  reshape,
  scalar,
  sub,
  swapLast,
  transpose,
} from "../onnx/graph/graph";
import type { Value } from "../onnx/graph/value";

export interface BuiltGraph {
  readonly graph: Graph;
  readonly outputs: Readonly<Record<string, Value>>;
}

type Bind = (g: Graph) => Weights;

// transformers.js sizes its first cache by these names: every name other than "batch_size" stands for 0.
const [tokens, past, patches, images] = ["sequence_length", "past_sequence_length", "num_patches", "num_images"];
const all = `${past}+${tokens}`;

// Qwen3-VL has several features for an image token, which later layers add. transformers.js puts an image's features in
// place of its embeddings, so both are wide enough for all features side by side; those of a text token are zeros.

/** input_ids [1, tokens] → inputs_embeds [1, tokens, featureCount · hiddenSize]. */
export function embeddingGraph({ config: { text }, embeddings, featureCount }: Architecture, bind: Bind): BuiltGraph {
  const g = createGraph();
  const ids = g.input("input_ids", "int64", [1, tokens!]);
  const rows = bind(g).rows(g, `${embeddings}.weight`, [text.vocabSize, text.hiddenSize], ids);
  const none = Array.from({ length: featureCount - 1 }, () => mul(g, rows, scalar(g, 0)));
  return { graph: g, outputs: { inputs_embeds: none.length > 0 ? concat(g, [rows, ...none], 2) : rows } };
}

/**
 * Images of any grids, one after the other: pixel_values [patches, patch width] and their grids [images, 3] →
 * image_features [patches / 4, featureCount · hiddenSize].
 * @param gridsName the input's name in transformers.js, which differs between families
 */
export function visionGraph(architecture: Architecture, gridsName: string, bind: Bind): BuiltGraph {
  const { patchSize, temporalPatchSize, inChannels, spatialMergeSize } = architecture.config.vision;
  const g = createGraph();
  const width = inChannels * temporalPatchSize * patchSize ** 2;
  const pixels = g.input("pixel_values", "float32", [patches!, width]);
  const grids = g.input(gridsName, "int64", [images!, 3]);
  const tables = architecture.visionTablesOf(g, patchPlaces(g, pixels, grids, spatialMergeSize));
  const features = architecture.vision(g, bind(g), pixels, tables);
  return { graph: g, outputs: { image_features: features.length > 1 ? concat(g, [...features], 1) : features[0]! } };
}

/**
 * One row of embeddings, and the keys and values before it → the logits of the token after its last, [1, 1,
 * vocabulary], and all keys and values. Inputs: inputs_embeds [1, tokens, featureCount · hiddenSize], attention_mask
 * [1, past + tokens], position_ids [3, 1, tokens], past_key_values.i.key and .value [1, kvHeads, past, headDim].
 */
export function decoderGraph(architecture: Architecture, bind: Bind): BuiltGraph {
  const { text } = architecture.config;
  const g = createGraph();
  const width = architecture.featureCount * text.hiddenSize;
  const embeds = reshape(g, g.input("inputs_embeds", "float32", [1, tokens!, width]), [tokens!, width]);
  const [x, ...added] = Array.from({ length: architecture.featureCount }, (_, k) =>
    width === text.hiddenSize
      ? embeds
      : g.op("Slice", [embeds], { axis: 1, start: k * text.hiddenSize, end: (k + 1) * text.hiddenSize }),
  );
  const mask = g.input("attention_mask", "int64", [1, all]);
  const positions = reshape(g, g.input("position_ids", "int64", [3, 1, tokens!]), [3, tokens!]);
  const cached = (i: number, part: string) =>
    g.input(`past_key_values.${i}.${part}`, "float32", [1, text.kvHeads, past!, text.headDim]);
  const before = Array.from({ length: text.layers }, (_, i) => ({
    keys: cached(i, "key"),
    values: cached(i, "value"),
  }));
  const places = ones(g, reshape(g, g.op("Slice", [positions], { axis: 0, start: 0, end: 1 }), [tokens!]));
  const count = reduceSum(g, places, [0], true);
  const attention = attentionAfterPast(g, architecture, positions, causalBias(g, mask, places, count), before);
  const weights = bind(g);
  const read = sub(g, count, g.integers([1]));
  const { hidden, cache } = languageModel(g, weights, architecture, x!, attention, { read, added });
  const logits = reshape(g, languageHead(g, weights, architecture, hidden), [1, 1, text.vocabSize]);
  const present = cache.flatMap(({ keys, values }, i) => [
    [`present.${i}.key`, keys] as const,
    [`present.${i}.value`, values] as const,
  ]);
  return { graph: g, outputs: { logits, ...Object.fromEntries(present) } };
}

/** Scores [tokens, past + tokens]: 0 where a token may look, else very negative. */
function causalBias(g: Graph, mask: Value, places: Value, count: Value): Value {
  const keys = reshape(g, g.op("CumSum", [mask], {}), [all]);
  const offset = sub(g, reduceSum(g, mask, [1]), count);
  const queries = reshape(g, add(g, g.op("CumSum", [places], {}), offset), [tokens!, 1]);
  const isSeen = g.op("LessOrEqual", [keys, queries], {});
  const isToken = cast(g, reshape(g, mask, [all]), "bool");
  return g.op("Where", [g.op("And", [isSeen, isToken], {}), scalar(g, 0), scalar(g, -1e9)], {});
}

/** The tables of `Architecture.rotary` for position_ids [3, tokens], as nodes: [1, tokens, headDim / 2]. */
function rotaryTables(g: Graph, { rotaryAngles }: Architecture, positions: Value): RotaryTables {
  const along = gather(g, cast(g, positions, "float32"), g.integers(rotaryAngles.map(({ axis }) => axis)));
  const angles = mul(g, transpose(g, along, [1, 0]), g.constant(rotaryAngles.map(({ frequency }) => frequency)));
  const tables = reshape(g, angles, [1, tokens!, rotaryAngles.length]);
  return { cos: g.op("Cos", [tables], {}), sin: g.op("Sin", [tables], {}) };
}

/**
 * Attention of one row to itself and its past. `attentionInRows` stacks the query heads that share a key head; here
 * they keep an axis of their own, because a reshape can leave only one size open.
 */
function attentionAfterPast(
  g: Graph,
  architecture: Architecture,
  positions: Value,
  bias: Value,
  before: readonly KeyValues[],
): Attention {
  const { heads, kvHeads, headDim } = architecture.config.text;
  const { cos, sin } = rotaryTables(g, architecture, positions);
  const split = (x: Value, count: number) => toHeads(g, x, 1, x.shape[0]!, count);
  const rotate = (x: Value) => g.op("RotaryEmbedding", [x, cos, sin], {});
  const grouped = (x: Value, group: number) => reshape(g, x, [1, kvHeads, group, x.shape[2]!, headDim]);
  return (layer, { q, k, v }) => {
    const keys = concat(g, [before[layer]!.keys, rotate(split(k, kvHeads))], 2);
    const values = concat(g, [before[layer]!.values, split(v, kvHeads)], 2);
    const queries = grouped(mul(g, rotate(split(q, heads)), scalar(g, headDim ** -0.5)), heads / kvHeads);
    const scores = add(g, matMul(g, queries, swapLast(g, grouped(keys, 1))), bias);
    const attended = matMul(g, g.op("Softmax", [scores], {}), grouped(values, 1));
    return { keys, values, attended: fromHeads(g, reshape(g, attended, [1, heads, q.shape[0]!, headDim])) };
  };
}
