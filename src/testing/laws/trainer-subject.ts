import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LossFn, Trainer, TrainSequence } from "../../trainer";
import type { Prompt } from "../../types";

/** A trainer under test, with what its laws need. */
export interface TrainerSubject {
  readonly create: () => Promise<Trainer>;
  readonly prompts: readonly [Prompt, Prompt];
  readonly texts: readonly [string, string];
  readonly words: Prompt;
  readonly learningRate: number;
  readonly tolerance: number;
  /** Each text as a completion of its prompt. */
  sequencesOf(trainer: Trainer): [TrainSequence, TrainSequence];
  /** One update, along the log-probs of the sequences unless a loss is given. */
  step(trainer: Trainer, sequences: readonly TrainSequence[], lossFn?: LossFn): Promise<{ readonly gradNorm: number }>;
}

/** L = −weight · Σ log-probs. */
export const scaled =
  (weight: number): LossFn =>
  (logProbs) => ({ loss: -weight * sum(logProbs), gradient: logProbs.map((row) => row.map(() => -weight)) });

/** The loss that makes sequences likelier. */
export const raise = scaled(1);

export const total = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
export const sum = (rows: readonly Float64Array[]) => total(rows.flatMap((row) => [...row]));

/** Log-probs of the current weights; the pass adds a gradient of zero. */
export async function logProbsOf(trainer: Trainer, sequences: readonly TrainSequence[]) {
  const { logProbs } = await trainer.forwardBackward(sequences, scaled(0));
  return logProbs.map((row) => Float64Array.from(row));
}

export const expectLess = (a: number, b: number) => assert.ok(a < b, `expected ${a} < ${b}`);
export const expectAtMost = (a: number, b: number) => assert.ok(a <= b, `expected ${a} ≤ ${b}`);

/** Expects rows of the same lengths whose numbers are at most `tolerance` apart. */
export function expectClose(
  actual: readonly Float64Array[],
  expected: readonly Float64Array[],
  tolerance: number,
): void {
  for (const [i, row] of expected.entries()) {
    assert.equal(actual[i]?.length, row.length);
    for (const [t, value] of row.entries()) expectAtMost(Math.abs(actual[i]![t]! - value), tolerance);
  }
}

export async function digestsOf(folder: string): Promise<readonly (readonly [file: string, sha256: string])[]> {
  const files = (await readdir(folder)).sort();
  const digest = async (file: string) =>
    createHash("sha256")
      .update(await readFile(join(folder, file)))
      .digest("hex");
  return Promise.all(files.map(async (file) => [file, await digest(file)] as const));
}

export async function using(create: () => Promise<Trainer>, use: (trainer: Trainer) => Promise<void>): Promise<void> {
  const trainer = await create();
  await use(trainer).finally(() => trainer.dispose());
}

/** Makes a folder for `use`, and removes it. */
export async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "rise-trainer-"));
  await use(folder).finally(() => rm(folder, { recursive: true }));
}
