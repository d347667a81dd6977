import { join } from "node:path";
import * as z from "zod";
import { CheckpointError } from "../errors";
import { checkArguments, textKind } from "../options/arguments";
import { shown } from "../options/display";
import { once } from "../options/once";
import { schemaWords } from "../options/schema-words";
import { claimDirectory } from "../runs/directory/claim";
import { jsonl, parseShallow, readJson, readWholeLines, writeAtomically } from "../runs/directory/files";
import type { RunLock } from "../runs/directory/lock";
import { openRowFile } from "../runs/directory/row-file";
import { type Answer, type Evaluation, type EvaluationRecord, hasFailed } from "./records";

/**
 * The files of an evaluation: `config.json`, `examples.jsonl`, `environment.json`, `prompts.json`, `records.jsonl`,
 * and finally `evaluation.json`. Those of an audit of cots: `config.json`, `records.jsonl`, and finally `audit.json`.
 *
 * Records are appended as they come, and put into the order of the dataset at the end, so that a killed evaluation
 * loses nothing, and ends with the same bytes once resumed. While it is open, a `run.lock` keeps other processes out.
 */
export interface EvaluationDirectory {
  /** Earlier answers and failures by the key of their record; the last one, if an example was asked again. */
  readonly answers: ReadonlyMap<string, Answer>;
  append(records: readonly object[]): Promise<void>;
  /** Writes the summary, and rewrites `records.jsonl` if it differs from these records in this order. */
  finish(records: readonly object[], summary: object): Promise<void>;
  close(): Promise<void>;
}

/** The key of a record: its example, and the cot that the answer was asked with, if any. */
export const keyOf = ({ exampleId, cot }: { readonly exampleId: string; readonly cot?: string | undefined }): string =>
  cot === undefined ? exampleId : JSON.stringify([exampleId, cot]);

/**
 * Opens a directory for a new evaluation, or resumes the one in it.
 *
 * @param path `undefined` keeps the evaluation in memory
 * @param config everything that decides what is written, as JSON; it must be the same when the evaluation is resumed
 * @param summaryFile the name of the file that `finish` writes
 * @throws CheckpointError for a directory that another process writes into, that is in use without `resume`, that
 * belongs to an evaluation with another config, or is damaged
 */
export async function openEvaluationDirectory(
  path: string | undefined,
  config: object,
  resume: boolean,
  summaryFile = "evaluation.json",
): Promise<EvaluationDirectory> {
  if (path === undefined) return inMemory;
  return claimDirectory(path, config, resume, (lock) => openClaimed(path, lock, summaryFile));
}

async function openClaimed(path: string, lock: RunLock, summaryFile: string): Promise<EvaluationDirectory> {
  const file = join(path, "records.jsonl");
  const answers = new Map<string, Answer>();
  const rows = await openRowFile(file, lock, (line, where) => {
    const [key, answer] = readAnswerRow(line, where);
    answers.set(key, answer);
  });
  return {
    answers,
    async append(records) {
      await rows.append(records);
    },
    async finish(records, summary) {
      const lines = await readWholeLines(file);
      const isSame =
        lines.length === records.length && records.every((record, i) => JSON.stringify(record) === lines[i]);
      await rows.write(path, async () => {
        if (!isSame) await writeAtomically(file, rowByRow(records));
        await writeAtomically(join(path, summaryFile), `${JSON.stringify(summary, null, 2)}\n`);
      });
    },
    close: lock.release,
  };
}

function* rowByRow(records: readonly object[]): Generator<string> {
  for (const record of records) yield jsonl([record]);
}

const inMemory: EvaluationDirectory = {
  answers: new Map(),
  append: async () => {},
  finish: async () => {},
  close: async () => {},
};

/**
 * Reads a finished evaluation, as `evaluate` wrote it into its `runDir`.
 * @throws CheckpointError for a directory without an evaluation, or with a damaged one
 * @example
 * const { metrics, records } = await readEvaluation("runs/evaluation");
 */
export async function readEvaluation<A>(runDir: string): Promise<Evaluation<A, string>> {
  checkArguments("readEvaluation", { runDir }, { runDir: textKind });
  const summary = await readSummary<A>(join(runDir, "evaluation.json"));
  const file = join(runDir, "records.jsonl");
  const lines = await readWholeLines(file);
  if (lines.length === 0) throw new CheckpointError(`${file}: expected the records of an evaluation, got none`);
  const records = lines.map((line, i) =>
    readRow<EvaluationRecord<A>>(line, evaluationRow(), rowAt(`${file}: line ${i + 1}`)),
  );
  return {
    ...summary,
    metrics: numbers(summary.metrics),
    intervals: Object.fromEntries(Object.entries(summary.intervals).map(([name, own]) => [name, numbers(own)])),
    failures: records.filter(hasFailed).length,
    records: records.map((record) => ({ ...record, metrics: numbers(record.metrics) })),
  };
}

async function readSummary<A>(file: string): Promise<Omit<Evaluation<A, string>, "records">> {
  return fitting(await readJson(file), summaryFields(), `${file}: expected the summary of an evaluation`);
}

/** JSON has no NaN, and puts null for it. */
const numbersOrNull = once(() => z.record(z.string(), z.number().nullable()));
const summaryFields = once(() =>
  z.object({ metrics: numbersOrNull(), intervals: z.record(z.string(), numbersOrNull()) }),
);

const numbers = <Named extends object>(named: Named): Named =>
  Object.fromEntries(Object.entries(named).map(([name, value]) => [name, value ?? Number.NaN])) as Named;

const rowAt = (where: string) => `${where}: expected a record of an evaluation`;

/** The fields of a record that do not depend on the task. */
const answerRow = once(() =>
  z.object({
    exampleId: z.string(),
    cot: z.string().optional(),
    text: z.string(),
    finishReason: z.enum(["stop", "length", "content_filter", "other", "error"]),
    remark: z.string().optional(),
    failure: z.string().optional(),
    isTemporary: z.literal(true).optional(),
  }),
);
const evaluationRow = once(() => answerRow().extend({ metrics: numbersOrNull() }));

function readAnswerRow(line: string, where: string): readonly [string, Answer] {
  const row = readRow<EvaluationRecord<unknown> & { readonly cot?: string }>(line, answerRow(), rowAt(where));
  const { text, finishReason, remark, failure, isTemporary } = row;
  return [
    keyOf(row),
    {
      text,
      finishReason,
      ...(remark !== undefined && { remark }),
      ...(failure !== undefined && { failure }),
      ...(isTemporary && { isTemporary }),
    },
  ];
}

/**
 * Reads a row as it is written, other fields included.
 * @param expected the place, and the kind of row, for messages
 * @throws CheckpointError for a line that is not JSON, or whose fields do not fit
 */
export function readRow<T>(line: string, fields: z.ZodType, expected: string): T {
  let row: unknown;
  try {
    row = parseShallow(line);
  } catch (cause) {
    throw new CheckpointError(`${expected}, got ${shown(line)}`, { cause });
  }
  return fitting(row, fields, expected);
}

/** The value, once its fields are checked. @throws CheckpointError for a field that does not fit */
function fitting<T>(value: unknown, fields: z.ZodType, expected: string): T {
  const { error } = fields.safeParse(value, { error: schemaWords });
  if (!error) return value as T;
  const problems = error.issues.map(({ path, message }) => [path.join("."), message].filter(Boolean).join(": "));
  throw new CheckpointError(`${expected}: ${problems.join("; ")}`);
}
