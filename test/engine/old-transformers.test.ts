import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { LossFn } from "../../src/trainer";
import { onnxTrainer } from "../../src/trainers/onnx";
import type { Prompt } from "../../src/types";
import { imagePath, largestError } from "../models/reference";

// Recorded by test/reference/qwen2-vl/old.py: transformers 4.46.3, 4.48.3 and 4.49.0, torch 2.14.1 (CPU, float32, eager attention).
const data = (path: string) => fileURLToPath(new URL(`../reference/data/old-transformers/${path}`, import.meta.url));
const prompt: Prompt = [
  {
    role: "user",
    content: [
      { type: "image", image: imagePath("fits.png") },
      { type: "text", text: "What mood does this picture show?" },
    ],
  },
];
const still: LossFn = (logProbs) => ({ loss: 0, gradient: logProbs.map((row) => new Float64Array(row.length)) });

describe("a checkpoint that left out what is the default", () => {
  it.each([
    ["4.46.3", ["depth", "patch_size", "spatial_merge_size", "temporal_patch_size"]],
    ["4.48.3", ["num_heads", "mlp_ratio"]],
    ["4.49.0", ["mlp_ratio", "patch_size"]],
  ])("has the log-probs of transformers %s, which saved it, to 1e-5", async (version, left) => {
    const { vision_config: vision } = JSON.parse(await readFile(data(`${version}/checkpoint/config.json`), "utf8"));
    for (const key of left) expect(vision).not.toHaveProperty(key);
    const { completionIds, logProbs } = JSON.parse(await readFile(data(`${version}/case.json`), "utf8"));
    const trainer = await onnxTrainer({ model: data(`${version}/checkpoint`), device: "cpu" });
    const { logProbs: ours } = await trainer.forwardBackward([{ prompt, completion: completionIds }], still);
    await trainer.dispose();
    expect(largestError(ours[0]!, logProbs)).toBeLessThan(1e-5);
  });
});
