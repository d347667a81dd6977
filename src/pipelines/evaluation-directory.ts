import { appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { CheckpointError } from "../errors";
import type { Completion } from "../types";
import { claimDirectory } from "./claim-directory";
import type { Evaluation, EvaluationRecord } from "./evaluation-records";
import { cutOff, jsonl, readJson, writeAtomically, writing } from "./run-files";

/** What a record is made of; the rest of it follows from the example. */
export type Answer = Pick<Completion, "text" | "finishReason">;

/**
 * What an evaluation leaves behind: `config.json`, `records.jsonl`, and when it is done `evaluation.json`.
 *
 * Records are appended as they come, and put into the order of the dataset at the end, so that a killed evaluation loses nothing and ends
 * with the same bytes. While it is open, a `run.lock` keeps other processes out.
 */
export interface EvaluationDirectory {
  /** Of examples that were done before. */
  readonly answers: ReadonlyMap<string, Answer>;
  append(records: readonly object[]): Promise<void>;
  /** Writes `evaluation.json`, and `records.jsonl` anew where it is not these records in this order. */
  finish(records: readonly object[], summary: object): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a directory for a new evaluation, or for going on with the one in it.
 *
 * @param path `undefined` keeps the evaluation in memory
 * @param config everything that decides what is written, as JSON; it must be the same when the evaluation is resumed
 * @throws CheckpointError for a directory that another process writes into, that is in use without `resume`, that belongs to an evaluation
 * with another config, or is damaged
 */
export async function openEvaluationDirectory(
  path: string | undefined,
  config: object,
  resume: boolean,
): Promise<EvaluationDirectory> {
  if (path === undefined) return inMemory;
  const close = await claimDirectory(path, config, resume);
  try {
    const file = join(path, "records.jsonl");
    const rows = await readRows(file);
    const answers = new Map(rows.map((row, i) => readAnswerRow(row, `${file}: line ${i + 1}`)));
    let count = rows.length;
    let last: Promise<void> = Promise.resolve();
    const intact = () => `${count} records are intact`;
    return {
      answers,
      append(records) {
        // One after another, so that no row ends up within another.
        last = last.then(async () => {
          await writing(file, intact, () => appendFile(file, jsonl(records)));
          count += records.length;
        });
        return last;
      },
      async finish(records, summary) {
        const text = jsonl(records);
        await writing(path, intact, async () => {
          if ((await readFile(file, "utf8")) !== text) await writeAtomically(file, text);
          await writeAtomically(join(path, "evaluation.json"), `${JSON.stringify(summary, null, 2)}\n`);
        });
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const inMemory: EvaluationDirectory = {
  answers: new Map(),
  append: async () => {},
  finish: async () => {},
  close: async () => {},
};

/**
 * A finished evaluation, as `evaluate` wrote it into its `runDir`.
 * @throws CheckpointError for a directory without one
 */
export async function readEvaluation<A>(runDir: string): Promise<Evaluation<A, string>> {
  const summary = (await readJson(join(runDir, "evaluation.json"))) as Omit<Evaluation<A, string>, "records">;
  const text = await readFile(join(runDir, "records.jsonl"), "utf8");
  return { ...summary, records: linesOf(text).map((line) => JSON.parse(line) as EvaluationRecord<A>) };
}

/** Whole rows; what a killed process left half written is cut off. */
async function readRows(file: string): Promise<readonly string[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  await cutOff(file, Buffer.byteLength(whole));
  return linesOf(whole);
}

const linesOf = (text: string) => text.split("\n").slice(0, -1);

const answerRow = z.object({ exampleId: z.string(), text: z.string(), finishReason: z.enum(["stop", "length"]) });

function readAnswerRow(line: string, where: string): readonly [string, Answer] {
  try {
    const { exampleId, text, finishReason } = answerRow.parse(JSON.parse(line));
    return [exampleId, { text, finishReason }];
  } catch (cause) {
    throw new CheckpointError(`${where}: expected a record of an evaluation: ${String(cause)}`, { cause });
  }
}
