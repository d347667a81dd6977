import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "../../errors";
import { listed } from "../../options/display";
import { exists, readJson } from "./directory";

/** The configuration of a checkpoint, parsed but not checked. */
export interface ConfigFiles {
  readonly path: string;
  readonly json: unknown;
  /** Path of generation_config.json, for errors. */
  readonly generationPath: string;
  /** An empty object if the file is missing. */
  readonly generation: unknown;
}

/** @throws DataError for an unreadable file, or an adapter's folder */
export async function readConfigFiles(dir: string): Promise<ConfigFiles> {
  const path = join(dir, "config.json");
  if (!(await exists(path)) && (await exists(join(dir, "adapter_config.json"))))
    throw new DataError(
      `${dir}: expected a model, got a LoRA adapter: mergeAdapter makes a model of it; or pass it to onnxBackend as adapter; or open the model that it was trained on, with lora, and load it`,
    );
  const others = (await exists(path))
    ? []
    : (await readdir(dir).catch(() => [])).filter((name) => /\.gguf$/i.test(name));
  if (others.length > 0)
    throw new DataError(
      `${dir}: expected a Hugging Face checkpoint, with config.json and safetensors, got ${listed(others)}; GGUF files are for llama.cpp: serve them and use openaiBackend, or download the original model`,
    );
  const json = await readJson(path);
  const generationPath = join(dir, "generation_config.json");
  const generation = (await exists(generationPath)) ? await readJson(generationPath) : {};
  return { path, json, generationPath, generation };
}
