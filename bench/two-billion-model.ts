import { copyFile, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { tinyConfig } from "../examples/tiny-vlm/shape";
import type { Qwen2VlConfig } from "../src/models/families/qwen2-vl/config";
import { exists } from "../src/models/files/directory";
import { initialiseCheckpoint } from "../src/models/qwen2-vl";
import { createRng } from "../src/rng";
import type { Prompt } from "../src/types";

const tokenizer = fileURLToPath(new URL("../examples/tiny-vlm/checkpoint", import.meta.url));

/**
 * A checkpoint of Qwen2-VL-2B's shape with random weights in bfloat16, made where it is not there yet: 4.4 GB, which stay.
 * @param dir a temporary folder by default
 */
export async function twoBillionModel(
  dir = join(tmpdir(), "rise-two-billion"),
): Promise<{ dir: string; config: Qwen2VlConfig }> {
  const config = await twoBillion();
  if (!(await exists(join(dir, "model.safetensors")))) {
    await mkdir(dir, { recursive: true });
    for (const file of [
      "tokenizer.json",
      "tokenizer_config.json",
      "preprocessor_config.json",
      "generation_config.json",
    ])
      await copyFile(join(tokenizer, file), join(dir, file));
    await timed("make the checkpoint, once", () => initialiseCheckpoint(dir, config, { seed: 0, dtype: "BF16" }));
  }
  return { dir, config };
}

/** A picture of 401 408 pixels, 512 tokens, and a question. */
export function picturePrompt(): Prompt {
  const rng = createRng(0, "two billion");
  const data = Uint8Array.from({ length: 448 * 896 * 3 }, () => rng.integer(256));
  const text = "Which mood do people connect with this image?";
  return [
    {
      role: "user",
      content: [
        { type: "image", image: { width: 896, height: 448, data } },
        { type: "text", text },
      ],
    },
  ];
}

/** The output so far. */
export const lines: string[] = [];

export async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const [result, seconds] = await clocked(work);
  say(what, seconds);
  return result;
}

export async function clocked<T>(work: () => Promise<T>): Promise<[T, number]> {
  const start = performance.now();
  return [await work(), (performance.now() - start) / 1000];
}

export function say(what: string, seconds: number): void {
  const peak = process.resourceUsage().maxRSS / 2 ** 20;
  const line = `${what.padEnd(46)} ${seconds.toFixed(1).padStart(7)} s   peak so far ${peak.toFixed(2)} GiB resident`;
  lines.push(line);
  console.log(line);
}

/** Qwen2-VL-2B-Instruct's config.json, around the tiny model's tokens. */
export async function twoBillion(): Promise<Qwen2VlConfig> {
  const tiny = await tinyConfig(tokenizer);
  return {
    ...tiny,
    text: {
      vocabSize: 151_936,
      hiddenSize: 1536,
      intermediateSize: 8960,
      layers: 28,
      heads: 12,
      kvHeads: 2,
      headDim: 128,
      rmsNormEps: 1e-6,
      ropeTheta: 1_000_000,
      mropeSection: [16, 24, 24],
      contextLength: 32_768,
      tieWordEmbeddings: true,
    },
    vision: { ...tiny.vision, depth: 32, embedDim: 1280, heads: 16 },
  };
}
