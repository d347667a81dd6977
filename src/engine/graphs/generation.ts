import type { Architecture } from "../../models/parts/architecture";
import { attentionInRows, type KeyValues, type RotaryTables } from "../../models/parts/attention";
import type { VlmConfig } from "../../models/parts/config";
import type { Weights } from "../../models/parts/layers";
import { embedInputs, languageHead, languageModel } from "../../models/parts/network";
import { add, cast, concat, createGraph, type Graph, gather, reduceSum, reshape } from "../../onnx/graph/graph";
import type { Shape, Value } from "../../onnx/graph/value";
import { choose, logProbOf, oneHot, penalise, type Sampling } from "./next-token";
import { causalBias, fedFeatures, maskedScore } from "./training";

/** The rows that a graph continues. */
export interface RowsShape {
  readonly rows: number;
  readonly sampling: Sampling;
  /** Whether tokens that a row already has become less likely. */
  readonly penalised: boolean;
}

export interface GenerationShape extends RowsShape {
  /** Number of distinct prompts, each computed once. */
  readonly prompts: number;
  /** Tokens that each prompt is padded to, on the left. */
  readonly time: number;
  readonly featureRows: number;
  /** Whether the graph outputs the rows' state, so that `continuationGraph` can resume from it. */
  readonly resumable: boolean;
}

/** Whether sampling changes the model's distribution by more than the temperature. */
const reshapes = ({ sampling, penalised }: RowsShape): boolean => sampling === "likeliest" || penalised;

/** Prompt lengths are rounded up to this, so that few graphs serve all of them. */
export const promptStep = 32;

type Outputs = Readonly<Record<string, Value>>;

/**
 * Prompt and continuation in one graph: the prompts' keys and values, then a Loop that samples, runs the new token and
 * appends to the cache until every row has ended. Only results for the chosen tokens leave the graph, unless it is
 * resumable.
 *
 * Inputs: tokenIds, source, cos, sin of the prompts (from `layOut`, left-padded), features; padding [prompts, 1, 1,
 * 1, time] (0, or very negative at padding); promptOf [rows]; with a repetition penalty seen [rows, vocabulary], true
 * for the prompt's tokens; and the inputs of every step, below.
 * Outputs: tokens, logProbs (raw distribution), samplingLogProbs (the distribution sampled from), each [steps taken,
 * rows]; if `reshapes` says so also temperedLogProbs (the raw distribution at the temperature); the state, if
 * resumable.
 */
export function generationGraph(
  architecture: Architecture,
  shape: GenerationShape,
  bind: (g: Graph) => Weights,
): { graph: Graph; outputs: Outputs } {
  const { config } = architecture;
  const { text } = config;
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
    shape.featureRows > 0 ? { features: fedFeatures(g, architecture, shape.featureRows), source } : undefined;
  const padding = g.input("padding", "float32", [prompts, 1, 1, 1, time]);
  const lastPlaces = g.integers(Array.from({ length: prompts }, (_, p) => (p + 1) * time - 1));
  const prefill = languageModel(
    g,
    weights,
    architecture,
    embedInputs(g, weights, architecture, tokenIds, image),
    attentionInRows(g, config, { ...tables, bias: add(g, causalBias(g, time), padding) }),
    { read: lastPlaces, image },
  );

  const promptOf = g.input("promptOf", "int64", [rows]);
  const spread = (value: Value) => gather(g, value, promptOf);
  const never = g.op("Expand", [cast(g, g.integers([0], [1]), "bool")], { shape: [rows] });
  const state: State = {
    logits: spread(languageHead(g, weights, architecture, prefill.hidden)),
    finished: never,
    bias: spread(reshape(g, padding, [prompts, 1, 1, time])),
    cache: prefill.cache.map(({ keys, values }) => ({ keys: spread(keys), values: spread(values) })),
    ...(shape.penalised && { seen: g.input("seen", "bool", [rows, text.vocabSize]) }),
  };
  const { chosen, after } = sampleOn(g, weights, architecture, shape, state);
  return { graph: g, outputs: shape.resumable ? { ...chosen, ...after } : chosen };
}

/**
 * Resumes from the state of a resumable graph, whose outputs `next.x` are the inputs `x` here, and outputs the state
 * again. Cutting a continuation in two changes no bit of it.
 */
export function continuationGraph(
  architecture: Architecture,
  shape: RowsShape,
  bind: (g: Graph) => Weights,
): { graph: Graph; outputs: Outputs } {
  const g = createGraph();
  const { text } = architecture.config;
  const types = stateTypes(architecture.config, shape.rows);
  const input = (name: string, type: keyof typeof types) =>
    g.input(name, type === "finished" || type === "seen" ? "bool" : "float32", types[type]);
  const state: State = {
    logits: input("logits", "logits"),
    finished: input("finished", "finished"),
    bias: input("bias", "bias"),
    cache: Array.from({ length: text.layers }, (_, i) => ({
      keys: input(`keys${i}`, "keys"),
      values: input(`values${i}`, "values"),
    })),
    ...(shape.penalised && { seen: input("seen", "seen") }),
  };
  const { chosen, after } = sampleOn(g, bind(g), architecture, shape, state);
  return { graph: g, outputs: { ...chosen, ...after } };
}

/** The rows' state between two tokens; the cache and its bias grow with each. */
interface State {
  /** Logits of the next token, [rows, vocabulary]. */
  readonly logits: Value;
  /** Whether a row has ended, [rows]. */
  readonly finished: Value;
  /** 0, or very negative at padding, [rows, 1, 1, past]. */
  readonly bias: Value;
  /** Each tensor is [rows, kvHeads, past, headDim]. */
  readonly cache: readonly KeyValues[];
  /** True for the tokens that a row has, [rows, vocabulary]; only with a repetition penalty. */
  readonly seen?: Value;
}

function stateTypes({ text }: VlmConfig, rows: number) {
  const cache: Shape = [rows, text.kvHeads, "past", text.headDim];
  const scores: Shape = [rows, text.vocabSize];
  return { logits: scores, finished: [rows], bias: [rows, 1, 1, "past"], keys: cache, values: cache, seen: scores };
}

/**
 * The Loop from token to token.
 * Inputs: maxTokens []; uniforms [steps, rows] in [0, 1); stepCos, stepSin [steps, rows, headDim / 2]; temperature,
 * topK, topP []; with a repetition penalty repetitionPenalty [].
 */
function sampleOn(g: Graph, weights: Weights, architecture: Architecture, shape: RowsShape, state: State) {
  const { config } = architecture;
  const { text, tokens: special } = config;
  const { rows } = shape;
  const uniforms = g.input("uniforms", "float32", ["steps", rows]);
  const stepTables = ["stepCos", "stepSin"].map((name) => g.input(name, "float32", ["steps", rows, text.headDim / 2]));
  const forbidden = g.constant(neverSampled(config), [text.vocabSize]);
  const [temperature, topK, topP, penalty] = ["temperature", "topK", "topP", "repetitionPenalty"].map((name) =>
    g.input(name, "float32", []),
  ) as [Value, Value, Value, Value];
  const carried = flatten(state);
  const types = stateTypes(config, rows);
  const loop = g.loop(
    g.input("maxTokens", "int64", []),
    carried.map(({ type, value }) => ({ initial: value, shape: types[type] })),
    (body, iteration, values) => {
      const before = unflatten(values, text.layers);
      const { logits, finished, seen } = before;
      const penalised = seen ? penalise(body, logits, seen, penalty) : logits;
      const pick = choose(body, shape.sampling, {
        logits: add(body, penalised, forbidden),
        temperature,
        topK,
        topP,
        uniform: reshape(body, gather(body, uniforms, iteration), [rows, 1]),
      });
      const token = body.op("Where", [finished, body.integers([special.pad], [1]), pick.token], {});
      const done = body.op("Or", [finished, isOneOf(body, token, special.eos)], {});
      const running = countTrue(body, body.op("Not", [done], {}));
      const [cos, sin] = stepTables.map((table) =>
        reshape(body, gather(body, table, iteration), [rows, 1, text.headDim / 2]),
      );
      const after = afterToken(body, weights, architecture, before, token, done, { cos: cos!, sin: sin! });
      const tempered = reshapes(shape) ? [logProbOf(body, body.op("Div", [logits, temperature], {}), token)] : [];
      return {
        condition: body.op("Less", [body.integers([0], []), running], {}),
        carried: flatten(after).map(({ value }) => value),
        collected: [token, logProbOf(body, logits, token), pick.logProb, ...tempered],
      };
    },
  );
  return {
    chosen: chosenOf(loop.collected),
    after: Object.fromEntries(carried.map(({ name }, i) => [`${nextState}${name}`, loop.carried[i]!])),
  };
}

function chosenOf([tokens, logProbs, samplingLogProbs, temperedLogProbs]: readonly Value[]): Outputs {
  const always = { tokens: tokens!, logProbs: logProbs!, samplingLogProbs: samplingLogProbs! };
  return temperedLogProbs ? { ...always, temperedLogProbs } : always;
}

/** Whether each row's token is one of these: bool [rows]. */
const isOneOf = (g: Graph, token: Value, ids: readonly number[]): Value =>
  ids.map((id) => g.op("Equal", [token, g.integers([id], [1])], {})).reduce((a, b) => g.op("Or", [a, b], {}));

const countTrue = (g: Graph, flags: Value): Value => reduceSum(g, cast(g, flags, "int64"), [0]);

/** Runs one more token through the model for each row. */
function afterToken(
  g: Graph,
  weights: Weights,
  architecture: Architecture,
  { bias, cache, seen }: State,
  token: Value,
  finished: Value,
  tables: RotaryTables,
): State {
  const rows = token.shape[0] as number;
  const grown = concat(g, [bias, g.constant(new Float32Array(rows), [rows, 1, 1, 1])], 3);
  const attention = attentionInRows(g, architecture.config, { ...tables, bias: grown }, cache);
  const embedded = embedInputs(g, weights, architecture, token);
  const next = languageModel(g, weights, architecture, embedded, attention);
  return {
    logits: languageHead(g, weights, architecture, next.hidden),
    finished,
    bias: grown,
    cache: next.cache,
    ...(seen && { seen: g.op("Or", [seen, oneHot(g, token, architecture.config.text.vocabSize)], {}) }),
  };
}

/** Prefix of the outputs that hold the state after the last token. */
const nextState = "next.";

/** The state after a run, under the names that `continuationGraph` takes. */
export const stateOf = <T>(outputs: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(
    Object.entries(outputs)
      .filter(([name]) => name.startsWith(nextState))
      .map(([name, value]) => [name.slice(nextState.length), value]),
  );

interface Named {
  readonly name: string;
  readonly type: "logits" | "finished" | "bias" | "keys" | "values" | "seen";
  readonly value: Value;
}

function flatten({ logits, finished, bias, cache, seen }: State): Named[] {
  const one = (type: Named["type"], value: Value): Named => ({ name: type, type, value });
  return [
    one("logits", logits),
    one("finished", finished),
    one("bias", bias),
    ...cache.flatMap(({ keys, values }, i): Named[] => [
      { name: `keys${i}`, type: "keys", value: keys },
      { name: `values${i}`, type: "values", value: values },
    ]),
    ...(seen ? [one("seen", seen)] : []),
  ];
}

function unflatten([logits, finished, bias, ...rest]: readonly Value[], layers: number): State {
  const cache = Array.from({ length: layers }, (_, i) => ({ keys: rest[2 * i]!, values: rest[2 * i + 1]! }));
  const seen = rest[2 * layers];
  return { logits: logits!, finished: finished!, bias: bias!, cache, ...(seen && { seen }) };
}

/** Adds −∞ to image tokens, because a model must not write images. */
function neverSampled({ text, tokens }: VlmConfig): Float32Array {
  const bias = new Float32Array(text.vocabSize);
  for (const id of [tokens.image, tokens.video, tokens.visionStart, tokens.visionEnd]) bias[id] = maskedScore;
  return bias;
}
