import {
  add,
  cast,
  concat,
  createGraph,
  type Graph,
  gather,
  mul,
  reduceSum,
  reshape,
  scalar,
  sub,
} from "../../onnx/graph";
import type { Value } from "../../onnx/value";
import type { Qwen2VlConfig } from "./config";
import { embedInputs, type KeyValues, languageHead, languageModel, type Weights } from "./network";
import { causalBias, hidden as hiddenScore } from "./training-graph";

/** How the next token is chosen: the most likely, from the whole distribution, or from the likeliest tokens. */
export type Sampling = "greedy" | "full" | "likeliest";

export interface GenerationShape {
  /** Distinct prompts, each computed once … */
  readonly prompts: number;
  /** … padded on the left to this many tokens … */
  readonly time: number;
  /** … and continued in this many rows. */
  readonly rows: number;
  readonly featureRows: number;
  readonly sampling: Sampling;
  /** Whether tokens that a row has already are made less likely. */
  readonly penalised: boolean;
}

/** Prompt lengths are rounded up to this, so that few graphs serve all of them. */
export const promptStep = 32;

/**
 * Prompt and continuation in one graph: the prompts' keys and values, then a Loop that samples, runs the new token and appends to the cache
 * until every row has ended. Nothing but the chosen tokens leaves the graph.
 *
 * Inputs: tokenIds, source, cos, sin of the prompts (as `layOut` makes them, left-padded), features; padding [prompts, 1, 1, 1, time] (0, or very
 * negative where a place is padding); promptOf [rows]; maxTokens []; uniforms [steps, rows] in [0, 1); stepCos, stepSin [steps, rows, headDim / 2];
 * temperature, topK, topP []; where repetition is penalised repetitionPenalty [] and seen [rows, vocabulary], true for the prompt's tokens.
 * Outputs: tokens, logProbs (raw distribution), samplingLogProbs (the one sampled from), each [steps taken, rows].
 */
export function generationGraph(
  config: Qwen2VlConfig,
  shape: GenerationShape,
  bind: (g: Graph) => Weights,
): { graph: Graph; outputs: Record<string, Value> } {
  const { text, tokens: special } = config;
  const { prompts, time, rows } = shape;
  const half = text.headDim / 2;
  const g = createGraph();
  const weights = bind(g);

  const tables = {
    cos: g.input("cos", "float32", [prompts, time, half]),
    sin: g.input("sin", "float32", [prompts, time, half]),
  };
  const tokenIds = g.input("tokenIds", "int64", [prompts * time]);
  const source = g.input("source", "int64", [prompts * time]);
  const image =
    shape.featureRows > 0
      ? { features: g.input("features", "float32", [shape.featureRows, text.hiddenSize]), source }
      : undefined;
  const padding = g.input("padding", "float32", [prompts, 1, 1, 1, time]);
  const prefill = languageModel(
    g,
    weights,
    config,
    embedInputs(g, weights, tokenIds, image),
    tables,
    add(g, causalBias(g, time), padding),
  );

  const promptOf = g.input("promptOf", "int64", [rows]);
  const spread = (value: Value) => gather(g, value, promptOf);
  const lastPlaces = g.integers(Array.from({ length: prompts }, (_, p) => (p + 1) * time - 1));
  const firstLogits = languageHead(g, weights, config, gather(g, prefill.hidden, lastPlaces));
  const never = g.op("Expand", [cast(g, g.integers([0], [1]), "bool")], { shape: [rows] });
  const carried = [
    { initial: spread(firstLogits) },
    { initial: never },
    { initial: spread(reshape(g, padding, [prompts, 1, 1, time])), shape: [rows, 1, 1, "past"] },
    ...prefill.cache.flatMap(({ keys, values }) =>
      [keys, values].map((part) => ({ initial: spread(part), shape: [rows, text.kvHeads, "past", text.headDim] })),
    ),
    ...(shape.penalised ? [{ initial: g.input("seen", "bool", [rows, text.vocabSize]) }] : []),
  ];

  const uniforms = g.input("uniforms", "float32", ["steps", rows]);
  const stepTables = [
    g.input("stepCos", "float32", ["steps", rows, half]),
    g.input("stepSin", "float32", ["steps", rows, half]),
  ];
  const forbidden = g.constant(neverSampled(config), [text.vocabSize]);
  const temperature = g.input("temperature", "float32", []);
  const topK = g.input("topK", "float32", []);
  const topP = g.input("topP", "float32", []);
  const penalty = g.input("repetitionPenalty", "float32", []);
  const loop = g.loop(
    g.input("maxTokens", "int64", []),
    carried,
    (body, iteration, [logits, finished, bias, ...flat]) => {
      const seen = flat[2 * text.layers];
      const penalised = seen ? penalise(body, logits!, seen, penalty) : logits!;
      const pick = choose(body, shape.sampling, {
        logits: add(body, penalised, forbidden),
        temperature,
        topK,
        topP,
        uniform: reshape(body, gather(body, uniforms, iteration), [rows, 1]),
      });
      const token = body.op("Where", [finished!, body.integers([special.pad], [1]), pick.token], {});
      const ends = special.eos
        .map((id) => body.op("Equal", [token, body.integers([id], [1])], {}))
        .reduce((a, b) => body.op("Or", [a, b], {}));
      const done = body.op("Or", [finished!, ends], {});
      const running = reduceSum(body, cast(body, body.op("Not", [done], {}), "int64"), [0]);

      const [cos, sin] = stepTables.map((table) => reshape(body, gather(body, table, iteration), [rows, 1, half]));
      const grown = concat(body, [bias!, body.constant(new Float32Array(rows), [rows, 1, 1, 1])], 3);
      const past = Array.from(
        { length: text.layers },
        (_, i): KeyValues => ({ keys: flat[2 * i]!, values: flat[2 * i + 1]! }),
      );
      const next = languageModel(
        body,
        weights,
        config,
        embedInputs(body, weights, token),
        { cos: cos!, sin: sin! },
        grown,
        past,
      );
      return {
        condition: body.op("Less", [body.integers([0], []), running], {}),
        carried: [
          languageHead(body, weights, config, next.hidden),
          done,
          grown,
          ...next.cache.flatMap(({ keys, values }) => [keys, values]),
          ...(seen ? [body.op("Or", [seen, oneHot(body, token, text.vocabSize)], {})] : []),
        ],
        collected: [token, logProbOf(body, logits!, token), pick.logProb],
      };
    },
  );
  const [tokens, logProbs, samplingLogProbs] = loop.collected;
  return { graph: g, outputs: { tokens: tokens!, logProbs: logProbs!, samplingLogProbs: samplingLogProbs! } };
}

/** A model must not write images. */
function neverSampled({ text, tokens }: Qwen2VlConfig): Float32Array {
  const bias = new Float32Array(text.vocabSize);
  for (const id of [tokens.image, tokens.video, tokens.visionStart, tokens.visionEnd]) bias[id] = hiddenScore;
  return bias;
}

/**
 * Of the tokens that a row has seen, logits l > 0 become l / penalty and l < 0 become l · penalty.
 * Source: Keskar et al., arXiv 1909.05858, as transformers has it for logits below 0.
 */
function penalise(g: Graph, logits: Value, seen: Value, penalty: Value): Value {
  const less = g.op(
    "Where",
    [g.op("Less", [logits, scalar(g, 0)], {}), mul(g, logits, penalty), g.op("Div", [logits, penalty], {})],
    {},
  );
  return g.op("Where", [seen, less, logits], {});
}

/** bool [rows, width], true at each row's index. */
function oneHot(g: Graph, index: Value, width: number): Value {
  const places = g.integers(Array.from({ length: width }, (_, i) => i));
  return g.op("Equal", [reshape(g, index, [index.shape[0] as number, 1]), places], {});
}

interface Choice {
  /** [rows, vocabulary] */
  readonly logits: Value;
  readonly temperature: Value;
  readonly topK: Value;
  readonly topP: Value;
  /** [rows, 1], one number in [0, 1) for each row: inverse-CDF sampling needs no more. */
  readonly uniform: Value;
}

/** The next token of each row, [rows], and its log-probability under the distribution that it was drawn from. */
function choose(
  g: Graph,
  sampling: Sampling,
  { logits, temperature, topK, topP, uniform }: Choice,
): { token: Value; logProb: Value } {
  if (sampling === "greedy") {
    const token = g.op("ArgMax", [logits], {});
    return { token, logProb: logProbOf(g, logits, token) };
  }
  const scaled = g.op("Div", [logits, temperature], {});
  const p = g.op("Softmax", [scaled], {});
  if (sampling === "full") {
    const token = firstAbove(g, g.op("CumSum", [p], {}), uniform);
    return { token, logProb: logProbOf(g, scaled, token) };
  }
  // Tokens in falling order of probability: the first topK, while those before them sum to less than topP of these.
  const order = g.op("TopK", [p], {});
  const sorted = g.op("GatherElements", [p, order], {});
  const where = (values: Value, condition: Value) => mul(g, values, cast(g, condition, "float32"));
  const width = p.shape[1] as number;
  const ranks = g.constant(
    Float32Array.from({ length: width }, (_, rank) => rank),
    [width],
  );
  const first = where(sorted, g.op("Less", [ranks, topK], {}));
  const before = sub(g, g.op("CumSum", [first], {}), first);
  const nucleus = mul(g, topP, g.op("ReduceSum", [first], { axes: [1], keepDims: true }));
  const kept = where(first, g.op("Less", [before, nucleus], {}));
  const place = firstAbove(g, g.op("CumSum", [kept], {}), uniform);
  const at = (values: Value) => pickLast(g, values, place);
  const logMass = g.op("Log", [reduceSum(g, kept, [1])], {});
  return { token: at(order), logProb: sub(g, g.op("Log", [at(sorted)], {}), logMass) };
}

/** The first place of each row whose cumulative mass exceeds `uniform` times the row's total: places without mass are never chosen. */
function firstAbove(g: Graph, cumulative: Value, uniform: Value): Value {
  const width = cumulative.shape[1] as number;
  const total = g.op("Slice", [cumulative], { axis: 1, start: width - 1, end: width });
  const below = g.op("LessOrEqual", [cumulative, mul(g, uniform, total)], {});
  return reduceSum(g, cast(g, below, "int64"), [1]);
}

const logProbOf = (g: Graph, logits: Value, token: Value) => pickLast(g, g.op("LogSoftmax", [logits], {}), token);

/** values [rows, n] at index [rows] → [rows]. */
function pickLast(g: Graph, values: Value, index: Value): Value {
  const rows = values.shape[0] as number;
  return reshape(g, g.op("GatherElements", [values, reshape(g, index, [rows, 1])], {}), [rows]);
}
