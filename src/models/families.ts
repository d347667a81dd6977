import { shown } from "../options/display";
import { qwen25Vl } from "./families/qwen2-5-vl/family";
import { qwen2Vl } from "./families/qwen2-vl/family";
import { qwen3Vl } from "./families/qwen3-vl/family";
import { readConfigFiles } from "./files/config-files";
import { refuse } from "./files/fields";
import type { Architecture, Family } from "./parts/architecture";

/** Every model family that can be opened. */
const families: readonly Family[] = [qwen2Vl, qwen25Vl, qwen3Vl];

/**
 * The network that a checkpoint's config.json (and generation_config.json, if there) describes.
 * @throws DataError for a file that cannot be read; ConfigError for an unknown family, or keys that the family's
 * network cannot represent
 */
export async function loadArchitecture(dir: string): Promise<Architecture> {
  const files = await readConfigFiles(dir);
  const { model_type: modelType } = Object(files.json) as { readonly model_type?: unknown };
  const family = families.find((each) => each.modelType === modelType);
  if (family) return family.read(files);
  const known = families.map((each) => JSON.stringify(each.modelType)).join(" or ");
  return refuse(files.path, [`model_type: expected ${known}, got ${shown(modelType)}`]);
}
