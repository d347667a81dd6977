import { access, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { DataError } from "../../errors";
import { readJson } from "../../files/open";
import { listed, shown } from "../../options/display";

export { readJson } from "../../files/open";

const singleFile = "model.safetensors";
export const indexFile = "model.safetensors.index.json";

/** Every file besides the weights that is read from a model's directory. */
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

/** The files of a tokenizer; Python's libraries read the last four, some of them in old versions. */
export const tokenizerFiles: readonly string[] = [
  "tokenizer.json",
  "tokenizer_config.json",
  "chat_template.jinja",
  "chat_template.json",
  "vocab.json",
  "merges.txt",
  "added_tokens.json",
  "special_tokens_map.json",
];

/** Whether a file is copied along with a model's weights; others beside them, such as a run's state, are not. */
export const isCopiedAlong = (file: string): boolean =>
  file !== indexFile && [...settingsFiles, ...tokenizerFiles, "video_preprocessor_config.json"].includes(file);

/** Files that every model needs; of several names one is enough. */
const neededFiles = [
  ["config.json"],
  ["tokenizer.json"],
  ["tokenizer_config.json"],
  ["preprocessor_config.json", "processor_config.json"],
];

/** The files that a directory lacks to be a model; empty if complete. */
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
 * The safetensors files of a Hugging Face directory: a single one, or those in its index.
 * @param present names of the model's files; those in `dir` by default
 * @throws DataError naming what is missing
 */
export async function weightFiles(dir: string, present?: ReadonlySet<string>): Promise<string[]> {
  const names = present ?? (await filesIn(dir));
  if (names.has(singleFile)) return [singleFile];
  if (!names.has(indexFile)) {
    const others = [...names].filter((name) => /\.(safetensors|bin|pth?|ckpt|gguf|h5|msgpack|onnx)$/.test(name));
    const howTo = others.some((name) => /\.(bin|pth?|ckpt)$/.test(name))
      ? "; save_pretrained of transformers writes it"
      : "";
    throw new DataError(`${dir}: expected ${singleFile} or ${indexFile}, got ${listed(others) || "none"}${howTo}`);
  }
  const index = join(dir, indexFile);
  const { weight_map: map } = Object(await readJson(index)) as { weight_map?: unknown };
  const places = typeof map === "object" && map !== null ? Object.entries(map) : [["weight_map", map] as const];
  const wrong = places.find(([, file]) => typeof file !== "string");
  if (wrong)
    throw new DataError(`${index}: expected { "weight_map": { name: file } }, got ${wrong[0]} ${shown(wrong[1])}`);
  const files = [...new Set(places.map(([, file]) => file as string))];
  const missing = files.filter((file) => basename(file) !== file || !names.has(file));
  if (missing.length > 0) throw new DataError(`${index} names ${listed(missing)}, which are not in ${dir}`);
  if (files.length === 0) throw new DataError(`${index}: expected the names of weights, got none`);
  return files;
}

/** Names of the files in `dir`; links into a cache count unless they are dangling. */
async function filesIn(dir: string): Promise<ReadonlySet<string>> {
  const names = await readdir(dir).catch(() => []);
  const there = await Promise.all(names.map((name) => exists(join(dir, name))));
  return new Set(names.filter((_, i) => there[i]));
}

/** @throws DataError unless `json` is an object */
export function objectIn(json: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new DataError(`${path}: expected an object, got ${shown(json)}`);
  return json as Readonly<Record<string, unknown>>;
}

export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
