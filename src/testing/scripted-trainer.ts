import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { GenerateOptions, VlmBackend } from "../backend";
import { CheckpointError, ShapeError, TrainingError } from "../errors";
import { checkArguments, fieldsKind, listKind, textKind } from "../options/arguments";
import { createRng } from "../rng";
import type { ScoringOptions, Trainer, TrainSequence } from "../trainer";
import { checkRows, checkSequences, forwardBackwardOver } from "../trainers/forward-backward";
import type { Completion, Prompt } from "../types";
import { endToken, type PhraseNode, phraseTree } from "./phrase-tree";
import { promptKey } from "./scripted-backend";

export interface ScriptedTrainerOptions {
  /** Everything the policy can write. */
  readonly texts: readonly string[];
  /** Prompts with the same context share what is learned about them (every prompt has its own). */
  readonly context?: (prompt: Prompt) => string;
}

/**
 * A small policy that can really be trained, for tests and dry runs: for each prompt a table of logits that says which word follows
 * which beginning of the texts, π(word | prompt, words before) = softmax. It starts out uniform and learns by plain gradient descent.
 */
export function scriptedTrainer(options: ScriptedTrainerOptions): Trainer {
  checkArguments("scriptedTrainer", { options }, { options: fieldsKind({ texts: listKind(textKind) }) });
  const { texts, context = promptKey } = options;
  const tree = phraseTree(texts);
  const tables = new Map<string, { readonly logits: Float64Array; readonly gradient: Float64Array }>();
  let touched = false;
  const tableOf = (prompt: Prompt) => {
    const key = context(prompt);
    const known = tables.get(key);
    if (known) return known;
    const table = { logits: new Float64Array(tree.size), gradient: new Float64Array(tree.size) };
    tables.set(key, table);
    return table;
  };
  const sampler: VlmBackend = {
    name: "scripted policy",
    capabilities: { logProbs: true, reproducible: true },
    async generate(prompts, { count = 1, ...options }) {
      options.signal?.throwIfAborted();
      return prompts.map((prompt, i) =>
        Array.from({ length: count }, (_, k) => write(tableOf(prompt).logits, i, k, options)),
      );
    },
    dispose: async () => {},
  };

  function write(logits: Float64Array, i: number, k: number, options: Omit<GenerateOptions, "count">): Completion {
    const { maxTokens = 256, temperature = 1, topK, topP = 1, seed, stop = [] } = options;
    const rng = createRng(seed, i, k);
    const tokenIds: number[] = [];
    const logProbs: number[] = [];
    const samplingLogProbs: number[] = [];
    const temperedLogProbs: number[] = [];
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
      if (token === endToken || ends.length > 0)
        return { text, tokenIds, logProbs, samplingLogProbs, temperedLogProbs, finishReason: "stop" };
      node = next;
    }
    return { text, tokenIds, logProbs, samplingLogProbs, temperedLogProbs, finishReason: "length" };
  }

  /** Calls `visit` with every token's place in the tree, the index of the choice made there, and the log-probs of all choices. */
  function walk(
    { completion }: TrainSequence,
    { logits, temperature }: { readonly logits: Float64Array; readonly temperature: number },
    visit: (t: number, node: PhraseNode, choice: number, logs: Float64Array) => void,
  ) {
    let node: PhraseNode | undefined = tree.root;
    for (const [t, token] of completion.entries()) {
      const choice: number = node ? [...node.next.keys()].indexOf(token) : -1;
      if (!node || choice < 0)
        throw new ShapeError(`token ${t} of a sequence is ${token}, which continues none of the texts`);
      visit(t, node, choice, logSoftmax(logits, node, temperature));
      node = node.next.get(token);
    }
  }

  /** `score` of every token of every sequence. */
  const scored = (
    sequences: readonly TrainSequence[],
    { temperature = 1, signal }: ScoringOptions,
    score: (logs: Float64Array, choice: number) => number,
    logitsOf = (prompt: Prompt) => tableOf(prompt).logits,
  ) => {
    signal?.throwIfAborted();
    checkSequences(sequences);
    return sequences.map((sequence) => {
      const row = new Float64Array(sequence.completion.length);
      walk(sequence, { logits: logitsOf(sequence.prompt), temperature }, (t, _, choice, logs) => {
        row[t] = score(logs, choice);
      });
      return row;
    });
  };

  const forget = () => {
    for (const { gradient } of tables.values()) gradient.fill(0);
    touched = false;
  };

  const primitives: Pick<Trainer, "logProbs" | "entropies" | "backward"> = {
    async logProbs(sequences, { policy = "current", ...scoring } = {}) {
      // In the beginning every logit is 0.
      const logitsOf = policy === "current" ? undefined : () => new Float64Array(tree.size);
      return scored(sequences, scoring, logProbOf, logitsOf);
    },
    entropies: async (sequences, scoring = {}) => scored(sequences, scoring, entropyOf),

    async backward(sequences, cotangents, { entropyCotangents, ...scoring } = {}) {
      try {
        checkRows("cotangents", cotangents, sequences);
        if (entropyCotangents) checkRows("entropyCotangents", entropyCotangents, sequences);
        const { temperature = 1 } = scoring;
        const logProbs = scored(sequences, scoring, logProbOf);
        for (const [i, sequence] of sequences.entries()) {
          const { logits, gradient } = tableOf(sequence.prompt);
          // ∂ log pₖ / ∂zⱼ = ([j = k] − pⱼ) / T and ∂H/∂zⱼ = −pⱼ (log pⱼ + H) / T, with p = softmax(z / T)
          walk(sequence, { logits, temperature }, (t, { offset }, choice, logs) => {
            const [byLogProb, byEntropy] = [cotangents[i]![t]!, entropyCotangents?.[i]?.[t] ?? 0];
            const entropy = entropyOf(logs);
            for (const [j, log] of logs.entries()) {
              const p = Math.exp(log);
              const slope = byLogProb * (Number(j === choice) - p) - byEntropy * p * (log + entropy);
              gradient[offset + j]! += slope / temperature;
            }
          });
        }
        touched = true;
        return { logProbs, ...(entropyCotangents && { entropies: scored(sequences, scoring, entropyOf) }) };
      } catch (error) {
        forget();
        throw error;
      }
    },
  };

  return {
    sampler: () => sampler,
    encode: tree.encode,
    ...primitives,
    forwardBackward: forwardBackwardOver(primitives, forget),

    async optimStep({ learningRate }) {
      if (!touched) throw new TrainingError("optimStep: there is no gradient; call forwardBackward first");
      let squares = 0;
      for (const { logits, gradient } of tables.values()) {
        for (const [j, derivative] of gradient.entries()) {
          squares += derivative ** 2;
          logits[j]! -= learningRate * derivative;
        }
      }
      forget();
      return { gradNorm: Math.sqrt(squares) };
    },

    async save(dir) {
      await mkdir(dir, { recursive: true });
      const stored = Object.fromEntries([...tables].map(([key, { logits }]) => [key, [...logits]]));
      await writeFile(join(dir, fileName), `${JSON.stringify(stored)}\n`);
    },

    async load(dir) {
      const stored = await readTables(join(dir, fileName), tree.size);
      tables.clear();
      for (const [key, logits] of Object.entries(stored))
        tables.set(key, { logits: Float64Array.from(logits), gradient: new Float64Array(tree.size) });
      touched = false;
    },

    dispose: async () => {},
  };
}

const fileName = "policy.json";

async function readTables(file: string, size: number): Promise<Record<string, number[]>> {
  const schema = z.record(z.string(), z.array(z.number()).length(size));
  try {
    return schema.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (cause) {
    throw new CheckpointError(`${file}: expected tables of ${size} logits: ${String(cause)}`, { cause });
  }
}

const logProbOf = (logs: Float64Array, choice: number): number => logs[choice]!;

/** H = −Σ p log p */
const entropyOf = (logs: Float64Array): number => -logs.reduce((sum, log) => sum + Math.exp(log) * log, 0);

/** log softmax(z / T) over a node's choices. */
function logSoftmax(logits: Float64Array, { offset, next }: PhraseNode, temperature: number): Float64Array {
  const scaled = logits.slice(offset, offset + next.size).map((logit) => logit / temperature);
  const top = Math.max(...scaled);
  const logSum = top + Math.log(scaled.reduce((sum, value) => sum + Math.exp(value - top), 0));
  // Rounding may leave the only choice a hair above probability 1.
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
