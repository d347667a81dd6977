import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { VlmBackend } from "../backend";
import { CheckpointError, TrainingError } from "../errors";
import { checkArguments, fieldsKind, listKind, textKind } from "../options/arguments";
import type { ScoringOptions, TrainSequence } from "../scoring";
import type { Trainer } from "../trainer";
import { checkRows, checkSequences, checkShare, forwardBackwardOver } from "../trainers/forward-backward";
import type { Prompt } from "../types";
import { type PhraseTree, phraseTree } from "./phrase-tree";
import { promptKey } from "./scripted-backend";
import { addGradient, entropyOf, logProbOf, scoreTokens, writeCompletion } from "./scripted-policy";

/** Options of `scriptedTrainer`. */
export interface ScriptedTrainerOptions {
  /** Everything the policy can write. */
  readonly texts: readonly string[];
  /** Maps prompts to contexts; those with the same one share what is learned (every prompt has its own). */
  readonly context?: (prompt: Prompt) => string;
}

/**
 * Makes a small policy that can really be trained, for tests and dry runs. Each prompt has a table of logits for the
 * word that follows each beginning of the texts, π(word | prompt, words before) = softmax. It starts out uniform and
 * learns by plain gradient descent.
 * @throws ConfigError when there are no texts
 * @example
 * const trainer = scriptedTrainer({ texts: ["a small grey cat", "nobody knows"] });
 * const [[completion]] = await trainer.sampler().generate([prompt], { seed: 0 });
 */
export function scriptedTrainer(options: ScriptedTrainerOptions): Trainer {
  checkArguments("scriptedTrainer", { options }, { options: fieldsKind({ texts: listKind(textKind) }) });
  const { texts, context = promptKey } = options;
  const tree = phraseTree(texts);
  const tables = policyTables(tree, context);
  const sampler = samplerOf(tree, tables);
  const primitives = primitivesOf(tree, tables);
  return {
    sampler: () => sampler,
    encode: tree.encode,
    ...primitives,
    forwardBackward: forwardBackwardOver(primitives, () => tables.forget()),

    async optimStep({ learningRate }) {
      if (!tables.due) throw new TrainingError("optimStep: expected a gradient, got none; call backward first");
      let squares = 0;
      for (const { logits, gradient } of tables.all.values()) {
        for (const [j, derivative] of gradient.entries()) {
          squares += derivative ** 2;
          logits[j]! -= learningRate * derivative;
        }
      }
      tables.forget();
      return { gradNorm: Math.sqrt(squares) };
    },

    async interpolate(share) {
      checkShare(share);
      // Every logit began as 0.
      for (const { logits } of tables.all.values()) for (const j of logits.keys()) logits[j]! *= share;
      tables.forget();
    },

    async save(dir) {
      await mkdir(dir, { recursive: true });
      const stored = Object.fromEntries([...tables.all].map(([key, { logits }]) => [key, [...logits]]));
      await writeFile(join(dir, fileName), `${JSON.stringify(stored)}\n`);
    },

    async load(dir) {
      const stored = await readTables(join(dir, fileName), tree.size);
      tables.all.clear();
      for (const [key, logits] of Object.entries(stored))
        tables.all.set(key, { logits: Float64Array.from(logits), gradient: new Float64Array(tree.size) });
      tables.due = false;
    },

    dispose: async () => {},
  };
}

type Tables = ReturnType<typeof policyTables>;

/** The logits of each context, and their gradient. */
function policyTables(tree: PhraseTree, context: (prompt: Prompt) => string) {
  const all = new Map<string, Record<"logits" | "gradient", Float64Array>>();
  return {
    all,
    /** The table of a prompt's context, made when it is first asked for. */
    of(prompt: Prompt) {
      const key = context(prompt);
      const known = all.get(key) ?? { logits: new Float64Array(tree.size), gradient: new Float64Array(tree.size) };
      all.set(key, known);
      return known;
    },
    /** Whether a backward pass succeeded since the last step. */
    due: false,
    /** Sets the gradient to zero. */
    forget() {
      for (const { gradient } of all.values()) gradient.fill(0);
      this.due = false;
    },
  };
}

function samplerOf(tree: PhraseTree, tables: Tables): VlmBackend {
  return {
    name: "scripted policy",
    capabilities: { logProbs: true, reproducible: true },
    async generate(prompts, { count = 1, ...options }) {
      options.signal?.throwIfAborted();
      return prompts.map((prompt, i) =>
        Array.from({ length: count }, (_, k) => writeCompletion(tree, tables.of(prompt).logits, [i, k], options)),
      );
    },
    dispose: async () => {},
  };
}

function primitivesOf(tree: PhraseTree, tables: Tables): Pick<Trainer, "logProbs" | "entropies" | "backward"> {
  const scored = (
    sequences: readonly TrainSequence[],
    { temperature = 1, signal }: ScoringOptions,
    score: (logs: Float64Array, choice: number) => number,
    logitsOf = (prompt: Prompt) => tables.of(prompt).logits,
  ) => {
    signal?.throwIfAborted();
    checkSequences(sequences);
    return sequences.map((sequence) =>
      scoreTokens(tree, sequence, { logits: logitsOf(sequence.prompt), temperature }, score),
    );
  };
  return {
    async logProbs(sequences, { policy = "current", ...scoring } = {}) {
      // Initially every logit is 0.
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
        for (const [i, sequence] of sequences.entries())
          addGradient(
            tree,
            sequence,
            { ...tables.of(sequence.prompt), temperature },
            cotangents[i]!,
            entropyCotangents?.[i],
          );
        tables.due = true;
        return { logProbs, ...(entropyCotangents && { entropies: scored(sequences, scoring, entropyOf) }) };
      } catch (error) {
        tables.forget();
        throw error;
      }
    },
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
