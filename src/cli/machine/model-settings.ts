import { join } from "node:path";
import { RiseError } from "../../errors";
import { readJson, weightFiles } from "../../models/files/directory";
import { isStored, readHeader, type StoredDtype } from "../../models/files/safetensors";
import { resolveModel } from "../../models/hub/resolve";

/** The folder of a model's small files. */
export async function settingsFolder(model: string): Promise<string> {
  let folder: string | undefined;
  const enough = new RiseError("the settings are all that is needed");
  const beforeWeights = async (dir: string) => {
    folder = dir;
    throw enough;
  };
  return resolveModel(model, { beforeWeights }).catch((error: unknown) => {
    if (error === enough && folder !== undefined) return folder;
    throw error;
  });
}

/** The stored weights' type if they are present, else the configuration's. */
export async function storedDtype(dir: string): Promise<StoredDtype> {
  const [file] = await weightFiles(dir).catch(() => []);
  const tensors = file === undefined ? [] : [...(await readHeader(join(dir, file))).values()];
  const largest = tensors
    .filter(isStored)
    .sort((a, b) => b.shape.reduce((x, y) => x * y, 1) - a.shape.reduce((x, y) => x * y, 1))[0];
  if (largest) return largest.dtype;
  const json = (await readJson(join(dir, "config.json"))) as { readonly [key in "dtype" | "torch_dtype"]?: unknown };
  return ({ bfloat16: "BF16", float16: "F16" } as const)[String(json.dtype ?? json.torch_dtype) as "float16"] ?? "F32";
}
