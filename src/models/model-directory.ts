import { access, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { DataError } from "../errors";

const singleFile = "model.safetensors";
const indexFile = "model.safetensors.index.json";
const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/**
 * The safetensors files of a Hugging Face directory: one, or those that its index names.
 * @param has whether the model has a file of that name; in `dir` by default
 * @throws DataError naming what is missing
 */
export async function weightFiles(
  dir: string,
  has: (file: string) => boolean | Promise<boolean> = (file) => exists(join(dir, file)),
): Promise<string[]> {
  if (await has(singleFile)) return [singleFile];
  if (!(await has(indexFile))) throw new DataError(`${dir}: expected ${singleFile} or ${indexFile}, found neither`);
  const index = join(dir, indexFile);
  const parsed = indexSchema.safeParse(await readJson(index));
  if (!parsed.success) throw new DataError(`${index}: ${z.prettifyError(parsed.error)}`);
  const files = [...new Set(Object.values(parsed.data.weight_map))];
  const missing: string[] = [];
  for (const file of files) if (basename(file) !== file || !(await has(file))) missing.push(file);
  if (missing.length > 0) throw new DataError(`${index} names ${missing.join(", ")}, which are not in ${dir}`);
  return files;
}

export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** @throws DataError naming the path when it is missing or no JSON */
export async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new DataError(`${path}: expected a JSON file, ${cause.code === "ENOENT" ? "found none" : cause.message}`, {
      cause,
    });
  });
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DataError(`${path}: expected JSON: ${(cause as Error).message}`, { cause });
  }
}
