import { basename, dirname, resolve } from "node:path";
import type { ExampleStream, Omission } from "../dataset";
import { ConfigError, DataError } from "../errors";
import { checkArguments, listKind, objectKind } from "../options/arguments";
import { excerpt, shown } from "../options/display";
import { callback, readOptions, type Settings, specOf } from "../options/spec";
import type { RatedCot } from "../rollouts";
import type { Task } from "../task";
import type { Example } from "../types";
import { readConversation } from "./formats/conversation";
import { imageReader } from "./formats/image-cell";
import { readJsonRows } from "./formats/json-rows";
import { checkAnnotation } from "./reading/checked";
import { exampleStream, type Located, refuseOmission } from "./reading/example-stream";
import { openFolder } from "./reading/folder";
import { checkPath, type ImagePlace, imagePlaceSpec, omissionOption, taskOption } from "./reading/options";

/** Options of `conversationRow`. */
export interface ConversationRowOptions<A> {
  /** The kind of annotation; it reads the annotation in the answer. */
  readonly task: Task<A>;
  /** Reads the annotation in an answer, or gives `null` (`task.parse`). */
  readonly parse?: (answer: string) => A | null;
  /** Makes the subject of a row without one from its question (the whole question). */
  readonly subject?: (question: string) => string | undefined;
}

/** Options of `conversationDataset`. */
export interface ConversationOptions<A> extends ConversationRowOptions<A>, ImagePlace {
  /**
   * Receives rows that are not an example: without an image or with several, with several answers, or with an answer
   * without an annotation. Without it, such a row is an error.
   */
  readonly onOmission?: (omission: Omission) => void;
}

export const conversationRowSpec = specOf<ConversationRowOptions<never>>()(() => ({
  task: taskOption().describe("The task, which decides what an annotation is"),
  parse: callback().optional().describe("The annotation in an answer, or null; the task's own `parse` without it"),
  subject: callback()
    .default(() => wholeQuestion)
    .describe("Makes the subject of a row that has none from its question"),
}));

export const conversationDatasetSpec = specOf<ConversationOptions<never>>()(() => ({
  ...conversationRowSpec(),
  ...imagePlaceSpec(),
  onOmission: omissionOption(),
}));

function wholeQuestion(question: string): string {
  return question;
}

type RowSettings<A> = Settings<ConversationRowOptions<A>, typeof conversationRowSpec>;
type ConversationSettings<A> = Settings<ConversationOptions<A>, typeof conversationDatasetSpec>;

/**
 * Reads conversations about images as examples of a task, in the forms that trainers share: ShareGPT
 * (`conversations` of `from` and `value`), OpenAI's `messages` (LLaMA-Factory, ms-swift, TRL), and `prompt` and
 * `completion` (TRL), `query` and `response`, `problem` and `solution`, `instruction` and `output`. The keys of a row
 * say which it is. The file has one object a line, or is an array of objects.
 *
 * The task reads the annotation in the assistant's answer: in `<answer>A</answer>`, or in all of it. A thought before
 * it, `<think>R</think>`, becomes `metadata.cot`, from which `cotsOf` makes cots for `riseR1`. The user's question
 * becomes the subject, unless the row has one (`null`: no subject). System turns are skipped. An id may be a whole
 * number, which is read as its text; a row without an id gets `<file>#<row>`, from 0. Other fields become metadata, and
 * so do the faults that the task overlooked in the answer, as `repairs`.
 *
 * @param path a `.jsonl` or `.json` file
 * @throws ConfigError at once for a path that is not text, a missing task, an unknown option
 * @throws DataError naming the file and the line, or the row of an array, what was expected and what came
 * @example
 * const task = detection({ single: true });
 * const dataset = await conversationDataset("train.jsonl", { task, root: "images" });
 * await riseR1({ task, dataset, cots: cotsOf(dataset) });
 */
export function conversationDataset<A>(path: string, options: ConversationOptions<A>): ExampleStream<A> {
  checkPath("conversationDataset", "path", path);
  const settings = readOptions("conversationDataset", options, conversationDatasetSpec);
  return exampleStream(() => readExamples(path, settings));
}

async function* readExamples<A>(path: string, options: ConversationSettings<A>): AsyncGenerator<Located<A>> {
  const { root = dirname(resolve(path)), allowOutside, onOmission = refuseOmission } = options;
  const imageOf = imageReader(openFolder(root, { allowOutside }));
  let at = 0;
  for await (const { value, where } of readJsonRows(path)) {
    const fallback = `${basename(path)}#${at++}`;
    const row = readRow(value, options, where);
    if ("reason" in row) onOmission({ where, reason: row.reason });
    else if (row.images.length !== 1) onOmission({ where, reason: `${row.images.length} images; an example has one` });
    else yield { example: { id: fallback, ...row.example, image: await imageOf(row.images[0], where) }, where };
  }
  if (at === 0) throw new DataError(`${path}: expected at least one row, got none`);
}

/**
 * Makes the `example` option of `parquetDataset` for rows that hold conversations; `image` names the column of the
 * images.
 *
 * @throws ConfigError for a missing task
 * @throws DataError from the function for a row that is not an example
 * @example
 * const dataset = await parquetDataset("train.parquet", { task, image: "images", example: conversationRow({ task }) });
 */
export function conversationRow<A>(options: ConversationRowOptions<A>) {
  const settings = readOptions("conversationRow", options, conversationRowSpec);
  return (row: Readonly<Record<string, unknown>>, where = "the row"): PartOfExample<A> => {
    const read = readRow(row, settings, where);
    if ("reason" in read) throw new DataError(`${where}: ${read.reason}`);
    return read.example;
  };
}

/** An example without its image, which the row's own column holds. */
export type PartOfExample<A> = Omit<Example<A>, "id" | "image"> & { readonly id?: string };

function readRow<A>(
  value: unknown,
  { task, parse = task.parse, subject: subjectOf }: RowSettings<A>,
  where: string,
): { readonly example: PartOfExample<A>; readonly images: readonly unknown[] } | { readonly reason: string } {
  const row = readConversation(value, where);
  if ("reason" in row) return row;
  const { id, subject, question, cot, answer, images, rest } = row;
  const annotation = parse(answer);
  if (annotation === null) {
    const why = parse === task.parse ? task.problem?.(answer) : undefined;
    return {
      reason: `an answer in which task ${task.name} reads no annotation: ${excerpt(answer)}${why === undefined ? "" : ` (${why})`}`,
    };
  }
  checkAnnotation(task, annotation, where);
  const repairs = task.repairs?.(answer) ?? [];
  const about = subject === undefined ? subjectOf(question) || undefined : (subject ?? undefined);
  const metadata = { ...rest, ...(cot !== undefined && { cot }), ...(repairs.length > 0 && { repairs }) };
  const example = {
    ...(id !== undefined && { id: String(id) }),
    annotation,
    ...(about !== undefined && { subject: about }),
    ...(Object.keys(metadata).length > 0 && { metadata }),
  };
  return { example, images };
}

/**
 * Collects the cots in the examples' `metadata.cot`, for `riseR1`. The reward of each is `metadata.reward`, or 1 if
 * that is missing, since its author meant it to be right.
 *
 * @throws ConfigError for anything but an array
 * @example
 * await riseR1({ task, dataset, cots: cotsOf(dataset) });
 */
export function cotsOf<A>(dataset: readonly Example<A>[]): readonly RatedCot<A>[] {
  if (!Array.isArray(dataset))
    throw new ConfigError(
      `expected cotsOf()'s dataset to be an array, got ${shown(dataset)}; a stream has to be awaited`,
    );
  checkArguments("cotsOf", { dataset }, { dataset: listKind(objectKind) });
  return (dataset as readonly Example<A>[]).flatMap(({ id, annotation, metadata: { cot, reward = 1 } = {} }) =>
    typeof cot === "string" ? [{ exampleId: id, cot, annotation, reward: reward as number }] : [],
  );
}
