import type { GenerateOptions } from "../backend";
import { ShapeError } from "../errors";
import { createRng } from "../rng";
import type { TrainSequence } from "../scoring";
import type { Completion } from "../types";
import { endToken, type PhraseNode, type PhraseTree } from "./phrase-tree";

/** Writes completion `k` of prompt `i` with a prompt's table of logits. */
export function writeCompletion(
  tree: PhraseTree,
  logits: Float64Array,
  [i, k]: readonly [prompt: number, completion: number],
  { maxTokens = 256, temperature = 1, topK, topP = 1, seed, stop = [] }: Omit<GenerateOptions, "count">,
): Completion {
  const rng = createRng(seed, i, k);
  const tokenIds: number[] = [];
  const logProbs: number[] = [];
  const samplingLogProbs: number[] = [];
  const temperedLogProbs: number[] = [];
  const written = { tokenIds, logProbs, samplingLogProbs, temperedLogProbs };
  let text = "";
  let node: PhraseNode = tree.root;
  while (tokenIds.length < maxTokens) {
    const raw = logSoftmax(logits, node, 1);
    const tempered = logSoftmax(logits, node, temperature || 1);
    const shaped = temperature === 0 ? greedy(raw) : likeliest(tempered, topK, topP);
    const choice = draw(shaped, rng.uniform());
    const [token, next] = [...node.next][choice]!;
    tokenIds.push(token);
    logProbs.push(raw[choice]!);
    samplingLogProbs.push(shaped[choice]!);
    temperedLogProbs.push(tempered[choice]!);
    text += tree.words[token];
    const ends = stop.map((end) => text.indexOf(end)).filter((at) => at >= 0);
    if (ends.length > 0) text = text.slice(0, Math.min(...ends));
    if (token === endToken || ends.length > 0) return { text, ...written, finishReason: "stop" };
    node = next;
  }
  return { text, ...written, finishReason: "length" };
}

/** A position in a completion: its token, its node, the choice made there and the log-probs of all choices. */
interface Visit {
  readonly t: number;
  readonly node: PhraseNode;
  readonly choice: number;
  readonly logs: Float64Array;
}

/**
 * Visits every token of a sequence, scored by softmax(logits / temperature).
 * @throws ShapeError for a token that continues none of the texts
 */
function walk(
  tree: PhraseTree,
  { completion }: TrainSequence,
  { logits, temperature }: { readonly logits: Float64Array; readonly temperature: number },
  visit: (at: Visit) => void,
): void {
  let node: PhraseNode | undefined = tree.root;
  for (const [t, token] of completion.entries()) {
    const choice: number = node ? [...node.next.keys()].indexOf(token) : -1;
    if (!node || choice < 0)
      throw new ShapeError(`token ${t} of a sequence is ${token}, which continues none of the texts`);
    visit({ t, node, choice, logs: logSoftmax(logits, node, temperature) });
    node = node.next.get(token);
  }
}

export function scoreTokens(
  tree: PhraseTree,
  sequence: TrainSequence,
  table: { readonly logits: Float64Array; readonly temperature: number },
  score: (logs: Float64Array, choice: number) => number,
): Float64Array {
  const row = new Float64Array(sequence.completion.length);
  walk(tree, sequence, table, ({ t, choice, logs }) => {
    row[t] = score(logs, choice);
  });
  return row;
}

/**
 * Adds the gradient of the cotangents' weighted sum by a table's logits:
 * ∂ log pₖ / ∂zⱼ = ([j = k] − pⱼ) / T and ∂H/∂zⱼ = −pⱼ (log pⱼ + H) / T, with p = softmax(z / T).
 */
export function addGradient(
  tree: PhraseTree,
  sequence: TrainSequence,
  { logits, gradient, temperature }: Record<"logits" | "gradient", Float64Array> & { readonly temperature: number },
  byLogProb: ArrayLike<number>,
  byEntropy?: ArrayLike<number>,
): void {
  walk(tree, sequence, { logits, temperature }, ({ t, node, choice, logs }) => {
    const entropy = entropyOf(logs);
    for (const [j, log] of logs.entries()) {
      const p = Math.exp(log);
      const slope = byLogProb[t]! * (Number(j === choice) - p) - (byEntropy?.[t] ?? 0) * p * (log + entropy);
      gradient[node.offset + j]! += slope / temperature;
    }
  });
}

export const logProbOf = (logs: Float64Array, choice: number): number => logs[choice]!;

/** H = −Σ p log p, from the log-probs of all choices. */
export const entropyOf = (logs: Float64Array): number => -logs.reduce((sum, log) => sum + Math.exp(log) * log, 0);

/** log softmax(z / T) over a node's choices. */
function logSoftmax(logits: Float64Array, { offset, next }: PhraseNode, temperature: number): Float64Array {
  const scaled = logits.slice(offset, offset + next.size).map((logit) => logit / temperature);
  const top = Math.max(...scaled);
  const logSum = top + Math.log(scaled.reduce((sum, value) => sum + Math.exp(value - top), 0));
  // Rounding may lift the only choice slightly above probability 1.
  return scaled.map((value) => Math.min(0, value - logSum));
}

function greedy(logs: Float64Array): Float64Array {
  const best = logs.indexOf(Math.max(...logs));
  return logs.map((_, j) => (j === best ? 0 : Number.NEGATIVE_INFINITY));
}

/** Keeps the `topK` likeliest choices up to `topP` of their mass, renormalised. */
function likeliest(logs: Float64Array, topK: number | undefined, topP: number): Float64Array {
  const order = [...logs.keys()].sort((a, b) => logs[b]! - logs[a]!).slice(0, topK);
  const nucleus = topP * order.reduce((sum, j) => sum + Math.exp(logs[j]!), 0);
  let mass = 0;
  const kept = new Set(
    order.filter((j) => {
      const isNeeded = mass < nucleus;
      if (isNeeded) mass += Math.exp(logs[j]!);
      return isNeeded;
    }),
  );
  return logs.map((log, j) => (kept.has(j) ? log - Math.log(mass) : Number.NEGATIVE_INFINITY));
}

/** The first choice at which the cumulative probability exceeds `uniform`. */
function draw(logs: Float64Array, uniform: number): number {
  let mass = 0;
  const found = logs.findIndex((log) => (mass += Math.exp(log)) > uniform);
  return found >= 0 ? found : logs.findLastIndex((log) => log > Number.NEGATIVE_INFINITY);
}
