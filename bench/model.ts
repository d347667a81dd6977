import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { tinyConfig } from "../examples/tiny-vlm/shape";
import type { Qwen2VlConfig } from "../src/models/families/qwen2-vl/config";
import { exists } from "../src/models/files/directory";
import { openModel, type VisionLanguageModel } from "../src/models/open-model";
import { initialiseCheckpoint } from "../src/models/qwen2-vl";
import { createRng } from "../src/rng";
import type { Prompt, RawImage } from "../src/types";

const shipped = fileURLToPath(new URL("../examples/tiny-vlm/checkpoint", import.meta.url));

/**
 * A copy of the tiny model, fresh weights where it is not trained yet. Its turn ends with a token that is never sampled, so that every
 * completion has the length that is asked for.
 * @param reshaped another shape around the same tokens, with fresh weights
 */
export async function withTinyModel(
  use: (model: VisionLanguageModel) => Promise<void>,
  reshaped?: (config: Qwen2VlConfig) => Qwen2VlConfig,
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "rise-bench-model-"));
  try {
    await cp(shipped, dir, { recursive: true });
    const config = await tinyConfig(dir);
    if (reshaped) await initialiseCheckpoint(dir, reshaped(config), { seed: 0 });
    else if (!(await exists(join(dir, "model.safetensors")))) await initialiseCheckpoint(dir, config, { seed: 0 });
    const { vision_start_token_id } = JSON.parse(await readFile(join(dir, "config.json"), "utf8"));
    await writeFile(join(dir, "generation_config.json"), JSON.stringify({ eos_token_id: vision_start_token_id }));
    await use(await openModel(dir));
  } finally {
    await rm(dir, { recursive: true });
  }
}

/** Prompts of equal length, each with a picture of its own, of the size that the examples use: 64 patches, 16 tokens. */
export const picturePrompts = (count: number): Prompt[] =>
  Array.from({ length: count }, (_, i) => [
    {
      role: "user" as const,
      content: [
        { type: "image" as const, image: noise(112, i) },
        { type: "text" as const, text: "What do you see in the picture? Describe the mood and say why." },
      ],
    },
  ]);

function noise(side: number, seed: number): RawImage {
  const rng = createRng(seed, "bench picture");
  const data = Uint8Array.from({ length: side * side * 3 }, () => rng.integer(256));
  return { width: side, height: side, data };
}
