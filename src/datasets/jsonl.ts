import { readFile, stat } from "node:fs/promises";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import { z } from "zod";
import { DataError } from "../errors";
import type { Task } from "../tasks/task";
import type { Example } from "../types";
import type { Dataset } from "./dataset";

/**
 * Reads a dataset with one JSON object on each line:
 *
 * `{"id": "1", "image": "images/1.jpg", "annotation": {"joy": 0.9, "sadness": 0.1}, "subject": "…", "metadata": {…}}`
 *
 * Images are paths relative to the file's folder, and lie in it. Subject and metadata are optional; blank lines are skipped.
 *
 * @param path the `.jsonl` file
 * @param task decides what an annotation is
 * @throws DataError naming file:line, what was expected and what was found
 */
export async function jsonlDataset<A>(path: string, task: Task<A>): Promise<Dataset<A>> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new DataError(`${path}: expected a readable file: ${String(cause)}`, { cause });
  });
  const lines = text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .map((line, i) => ({ line, where: `${path}:${i + 1}` }))
    .filter(({ line }) => line.trim() !== "");
  if (lines.length === 0) throw new DataError(`${path}: expected at least one line of JSON, found none`);

  const seen = new Map<string, string>();
  const examples: Example<A>[] = [];
  for (const { line, where } of lines) {
    const { id, image, annotation, ...rest } = readRow(line, where);
    const twin = seen.get(id);
    if (twin) throw new DataError(`${where}: expected an id of its own, found "${id}" as in ${twin}`);
    seen.set(id, where);
    // Whether it is an A is for the task to say.
    const typed = annotation as A;
    validate(task, typed, where);
    examples.push({ id, image: await imagePath(image, dirname(resolve(path)), where), annotation: typed, ...rest });
  }
  return examples;
}

const rowSchema = z.strictObject({
  id: z.string().min(1),
  image: z.string().min(1),
  annotation: z.unknown().refine((value) => value !== undefined, "expected an annotation, found none"),
  subject: z.string().exactOptional(),
  metadata: z.record(z.string(), z.unknown()).exactOptional(),
});

function readRow(line: string, where: string): z.infer<typeof rowSchema> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new DataError(`${where}: expected a JSON object, found ${excerpt(line)}`, { cause });
  }
  const row = rowSchema.safeParse(value);
  if (row.success) return row.data;
  const problems = row.error.issues.map(({ path, message }) => `${path.join(".") || "the line"}: ${message}`);
  throw new DataError(`${where}: ${problems.join("; ")}; found ${excerpt(line)}`);
}

function validate<A>(task: Task<A>, annotation: A, where: string): void {
  try {
    task.validate(annotation, `${where}: the annotation`);
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    // An annotation of another kind altogether, on which the task's own checks trip.
    throw new DataError(
      `${where}: expected an annotation of task ${task.name}, found ${excerpt(JSON.stringify(annotation))}`,
      {
        cause,
      },
    );
  }
}

async function imagePath(image: string, folder: string, where: string): Promise<string> {
  const file = resolve(folder, image);
  const inside = relative(folder, file);
  if (isAbsolute(image) || isAbsolute(inside) || inside.split(/[\\/]/)[0] === "..")
    throw new DataError(`${where}: expected an image path inside ${folder}, found ${JSON.stringify(image)}`);
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile()) throw new DataError(`${where}: expected an image file at ${file}, found none`);
  return file;
}

const excerpt = (text: string) => (text.length > 80 ? `${text.slice(0, 80)}…` : text);
