import { dirname, resolve } from "node:path";
import * as z from "zod";
import type { ExampleStream } from "../dataset";
import { readArgument, readOptions, type Settings, specOf } from "../options/spec";
import type { Task } from "../task";
import { readJsonLines } from "./formats/json-lines";
import { checkAnnotation, checked } from "./reading/checked";
import { exampleStream, type Located } from "./reading/example-stream";
import { openFolder } from "./reading/folder";
import { checkPath, type ImagePlace, imagePlaceSpec, taskOption } from "./reading/options";

/** Options of `jsonlDataset`. */
export interface JsonlOptions extends ImagePlace {}

export const jsonlDatasetSpec = specOf<JsonlOptions>()(() => ({ ...imagePlaceSpec() }));

/**
 * Reads a data set with one JSON object on each line:
 *
 * `{"id": "1", "image": "images/1.jpg", "annotation": {"joy": 0.9, "sadness": 0.1}, "subject": "…", "metadata": {…}}`
 *
 * Images are paths relative to the file's folder, or to `root`, and lie in it unless `allowOutside` says otherwise. An
 * id may be a whole number, which is read as its text. Subject and metadata are optional; blank lines are skipped.
 *
 * @param path the `.jsonl` file
 * @param task the task, which validates each annotation
 * @param options.root folder from which the images' paths start (the file's own)
 * @param options.allowOutside whether images may lie outside it, by absolute paths, `..` or links (false)
 * @throws ConfigError at once for a path that is not text, for a missing task, and for an unknown option
 * @throws DataError naming file:line, what was expected and what came
 * @example
 * const dataset = await jsonlDataset("train.jsonl", classification({ labels: ["joy", "sadness"] }));
 */
export function jsonlDataset<A>(path: string, task: Task<A>, options: JsonlOptions = {}): ExampleStream<A> {
  checkPath("jsonlDataset", "path", path);
  readArgument("jsonlDataset", "task", task, taskOption());
  const settings = readOptions("jsonlDataset", options, jsonlDatasetSpec);
  return exampleStream(() => readExamples(path, task, settings));
}

async function* readExamples<A>(
  path: string,
  task: Task<A>,
  { root = dirname(resolve(path)), allowOutside }: Settings<JsonlOptions, typeof jsonlDatasetSpec>,
): AsyncGenerator<Located<A>> {
  const folder = openFolder(root, { allowOutside });
  for await (const { value, where } of readJsonLines(path)) {
    const { id, image, annotation, ...others } = checked(rowSchema, value, where);
    const rest = Object.fromEntries(Object.entries(others).filter(([, field]) => field !== null));
    // The task checks next whether it is an A.
    const typed = annotation as A;
    checkAnnotation(task, typed, where);
    yield { example: { ...rest, id: String(id), image: await folder.image(image, where), annotation: typed }, where };
  }
}

const rowSchema = z.strictObject({
  id: z.union([z.string().min(1), z.int()], {
    error: 'expected an id of its own for each row, which is text or a whole number, such as "1"',
  }),
  image: z.string().min(1),
  annotation: z
    .unknown()
    .refine(
      (value) => value !== undefined,
      'expected an annotation in the form of the task, such as {"joy": 1, "sadness": 0} for the label joy',
    ),
  // Writers of tables put null where a row has none.
  subject: z.string().nullable().exactOptional(),
  metadata: z.record(z.string(), z.unknown()).nullable().exactOptional(),
});
