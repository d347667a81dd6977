import type { Segment } from "../../onnx/autodiff/checkpointing";
import { add, concat, type Graph, gather, scalar, zeros } from "../../onnx/graph/graph";
import type { Value } from "../../onnx/graph/value";
import type { Architecture } from "./architecture";
import type { Attention, KeyValues } from "./attention";
import { linear, type Weights } from "./layers";

/** The features of all images of a batch, and their positions. */
export interface ImageInput {
  /** The features from `Architecture.vision`, each [feature rows, hiddenSize]. */
  readonly features: readonly Value[];
  /** [n] int64: row i of the input is row source[i] of (embeddings ++ features). */
  readonly source: Value;
}

/** Input of the language model, [n, hiddenSize]: token embeddings, with image features at the image tokens. */
export function embedInputs(
  g: Graph,
  weights: Weights,
  { config: { text }, embeddings }: Architecture,
  tokenIds: Value,
  image?: ImageInput,
): Value {
  const embedded = weights.rows(g, `${embeddings}.weight`, [text.vocabSize, text.hiddenSize], tokenIds);
  return image ? gather(g, concat(g, [embedded, image.features[0]!], 0), image.source) : embedded;
}

/**
 * The language model's layers: x [n, hiddenSize] → the same, before the final norm.
 * @param read [m] int64: positions to return, then [m, hiddenSize]; the last layer computes only these after attention
 * @param added value k is added to the output of layer k, [n, hiddenSize], in place of `image`'s further features
 * @returns also each layer's keys and values, and the layers one by one, as parts that can be recomputed
 */
export function languageModel(
  g: Graph,
  weights: Weights,
  architecture: Architecture,
  x: Value,
  attention: Attention,
  {
    read,
    image,
    added = [],
  }: {
    readonly read?: Value | undefined;
    readonly image?: ImageInput | undefined;
    readonly added?: readonly Value[];
  } = {},
): { hidden: Value; cache: KeyValues[]; layers: Segment[] } {
  const depth = architecture.config.text.layers;
  const cache: KeyValues[] = [];
  const layers: Segment[] = [];
  let hidden = x;
  for (let i = 0; i < depth; i++) {
    const wanted = i === depth - 1 ? read : undefined;
    const feature = image?.features[i + 1];
    const given = added[i];
    const own = given && (wanted ? gather(g, given, wanted) : given);
    const injected = own ?? (feature && image && injectedAt(g, feature, image.source, x.shape[0] as number, wanted));
    const compute = (input: Value) => {
      const { output, ...keyValues } = architecture.layer(g, weights, i, input, attention, wanted);
      return { output: injected ? add(g, output, injected) : output, keyValues };
    };
    const { output, keyValues } = compute(hidden);
    cache.push(keyValues);
    layers.push({ input: hidden, output, again: (input) => compute(input).output, given: injected });
    hidden = output;
  }
  return { hidden, cache, layers };
}

/** A feature at image tokens and zeros elsewhere, [n, hiddenSize], or the wanted rows of it. */
function injectedAt(g: Graph, feature: Value, source: Value, places: number, wanted?: Value): Value {
  const all = concat(g, [zeros(g, [places, feature.shape[1] as number]), feature], 0);
  return gather(g, all, wanted ? gather(g, source, wanted) : source);
}

/**
 * Logits [n, vocabulary], divided by a temperature, of hidden states [n, hiddenSize]. Computing them is costly, so pass
 * only the rows that need them.
 */
export function languageHead(
  g: Graph,
  weights: Weights,
  architecture: Architecture,
  hidden: Value,
  temperature = 1,
): Value {
  const normed = architecture.finalNorm(g, weights, hidden);
  // Dividing before the product with the vocabulary is cheaper.
  const x = temperature === 1 ? normed : g.op("Div", [normed, scalar(g, temperature)], {});
  return linear(g, weights, architecture.head, x, architecture.config.text.vocabSize);
}
