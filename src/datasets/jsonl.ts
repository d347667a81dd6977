import { dirname, resolve } from "node:path";
import * as z from "zod";
import type { ExampleStream } from "../dataset";
import { readArgument } from "../options/spec";
import type { Task } from "../task";
import { readJsonLines } from "./formats/json-lines";
import { checkAnnotation, checked } from "./reading/checked";
import { exampleStream, type Located } from "./reading/example-stream";
import { openFolder } from "./reading/folder";
import { checkPath, taskOption } from "./reading/options";

/**
 * Reads a data set with one JSON object on each line:
 *
 * `{"id": "1", "image": "images/1.jpg", "annotation": {"joy": 0.9, "sadness": 0.1}, "subject": "…", "metadata": {…}}`
 *
 * Images are paths relative to the file's folder, and lie in it. An id may be a whole number, which is read as its
 * text. Subject and metadata are optional; blank lines are skipped.
 *
 * @param path the `.jsonl` file
 * @param task the task, which validates each annotation
 * @throws ConfigError at once for a path that is not text, and for a missing task
 * @throws DataError naming file:line, what was expected and what came
 * @example
 * const dataset = await jsonlDataset("train.jsonl", classification({ labels: ["joy", "sadness"] }));
 */
export function jsonlDataset<A>(path: string, task: Task<A>): ExampleStream<A> {
  checkPath("jsonlDataset", "path", path);
  readArgument("jsonlDataset", "task", task, taskOption());
  return exampleStream(() => readExamples(path, task));
}

async function* readExamples<A>(path: string, task: Task<A>): AsyncGenerator<Located<A>> {
  const folder = openFolder(dirname(resolve(path)));
  for await (const { value, where } of readJsonLines(path)) {
    const { id, image, annotation, ...rest } = checked(rowSchema, value, where);
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
  annotation: z.unknown().refine((value) => value !== undefined, "expected an annotation, found none"),
  subject: z.string().exactOptional(),
  metadata: z.record(z.string(), z.unknown()).exactOptional(),
});
