import { access, readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { DataError } from "../errors";

const singleFile = "model.safetensors";
export const indexFile = "model.safetensors.index.json";
const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/** Every file beside the weights that is read from a model's directory. */
export const settingsFiles: readonly string[] = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "chat_template.jinja",
  "chat_template.json",
  "preprocessor_config.json",
  "processor_config.json",
  indexFile,
];

/** What Python's libraries read besides, some of them in old versions. */
const othersFiles = [
  "vocab.json",
  "merges.txt",
  "added_tokens.json",
  "special_tokens_map.json",
  "video_preprocessor_config.json",
];

/** Files that go with a model's weights wherever they are copied to; what else lies beside them, such as a run's state, does not. */
export const isCopiedAlong = (file: string): boolean =>
  file !== indexFile && [...settingsFiles, ...othersFiles].includes(file);

/** Those of them that no model can do without; of several names one is enough. */
const neededFiles = [
  ["config.json"],
  ["tokenizer.json"],
  ["tokenizer_config.json"],
  ["preprocessor_config.json", "processor_config.json"],
];

/** What a directory lacks to be a model; empty for one that has everything. */
export async function missingFiles(dir: string): Promise<string[]> {
  const present = await filesIn(dir);
  const missing = neededFiles.filter((names) => !names.some((name) => present.has(name)));
  const weights = await weightFiles(dir, present).then(
    () => [],
    () => ["weights"],
  );
  return [...missing.map((names) => names.join(" or ")), ...weights];
}

/**
 * The safetensors files of a Hugging Face directory: one, or those that its index names.
 * @param present names of the files that the model has; those in `dir` by default
 * @throws DataError naming what is missing
 */
export async function weightFiles(dir: string, present?: ReadonlySet<string>): Promise<string[]> {
  const names = present ?? (await filesIn(dir));
  if (names.has(singleFile)) return [singleFile];
  if (!names.has(indexFile)) {
    const others = [...names].filter((name) => /\.(safetensors|bin|pth?|ckpt|gguf|h5|msgpack|onnx)$/.test(name));
    throw new DataError(`${dir}: expected ${singleFile} or ${indexFile}, found ${others.join(", ") || "none"}`);
  }
  const index = join(dir, indexFile);
  const parsed = indexSchema.safeParse(await readJson(index));
  if (!parsed.success) throw new DataError(`${index}: ${z.prettifyError(parsed.error)}`);
  const files = [...new Set(Object.values(parsed.data.weight_map))];
  const missing = files.filter((file) => basename(file) !== file || !names.has(file));
  if (missing.length > 0) throw new DataError(`${index} names ${missing.join(", ")}, which are not in ${dir}`);
  if (files.length === 0) throw new DataError(`${index}: expected the names of weights, found none`);
  return files;
}

/** Links into a cache count where they lead to something. */
async function filesIn(dir: string): Promise<ReadonlySet<string>> {
  const names = await readdir(dir).catch(() => []);
  const there = await Promise.all(names.map((name) => exists(join(dir, name))));
  return new Set(names.filter((_, i) => there[i]));
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
