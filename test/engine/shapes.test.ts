import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { compareShape } from "../reference/shapes/compare";

// Recorded by test/reference/qwen2-vl/shapes.py: transformers 5.23.0, PEFT 0.21.2, torch 2.13.0 (CPU, float32, eager attention).
const recorded = fileURLToPath(new URL("../reference/data/shapes/untied", import.meta.url));
const comparisons = await compareShape(recorded, `${recorded}/images`);

describe("a bfloat16 checkpoint in four files, with a head of its own, four query heads to a key head and three vision blocks", () => {
  it("was compared by twenty prompts, all its parameters and all matrices of an adapter", () => {
    expect(comparisons.map(({ what }) => what)).toEqual([
      "prompts: token ids, image grids (20)",
      "positions (20)",
      "pixel values, to the bit (19)",
      "first token's log-probs, every token's (20)",
      "log-probs (20)",
      "64 greedy tokens (20)",
      "gradients of parameters (58)",
      "LoRA: log-probs (1)",
      "LoRA: gradients of matrices (42)",
    ]);
  });

  it.each(comparisons)("agrees with transformers and PEFT: $what", ({ difference, where, tolerance }) => {
    expect(difference, where).toBeLessThanOrEqual(tolerance!);
  });
});
