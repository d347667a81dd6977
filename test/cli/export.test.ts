import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { exportModel } from "../../src/cli/export";
import { checkpointDir } from "../models/reference";

describe("rise export", () => {
  it("writes a model for transformers.js, and prints the size of every file and of all", async () => {
    const folder = await mkdtemp(join(tmpdir(), "rise-cli-export-"));
    const printed: string[] = [];
    try {
      const write = (text: string) => printed.push(text);
      expect(await exportModel(write, checkpointDir, join(folder, "model"), { precision: "int4" })).toBe(0);
    } finally {
      await rm(folder, { recursive: true });
    }
    const sizes = printed.map((line) => Number(/ ([\d.]+) MB\n$/.exec(line)![1]));
    expect(printed[2]).toMatch(/^onnx\/decoder_model_merged_q4\.onnx +0\.\d\d MB\n$/);
    expect(printed.at(-1)).toMatch(/^all files /);
    expect(sizes.at(-1)).toBeCloseTo(
      sizes.slice(0, -1).reduce((a, b) => a + b, 0),
      1,
    );
  });
});
