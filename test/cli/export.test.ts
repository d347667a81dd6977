import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkpointDir } from "../models/reference";
import { rise } from "./rise";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "rise-cli-export-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("rise-ts export", () => {
  it("writes a model for transformers.js, and prints the size of every file and of all", async () => {
    const { code, out } = await rise(["export", checkpointDir, "model", "--precision", "int4"], { folder });
    expect(code).toBe(0);
    const rows = out.trim().split("\n").slice(1);
    expect(rows.find((row) => row.includes("decoder"))).toMatch(/^onnx\/decoder_model_merged_q4\.onnx +0\.\d\d$/);
    expect(rows.at(-1)).toMatch(/^all files /);
    const sizes = rows.map((row) => Number(row.split(/ +/).at(-1)));
    expect(sizes.at(-1)).toBeCloseTo(
      sizes.slice(0, -1).reduce((a, b) => a + b, 0),
      1,
    );
  });

  it("refuses a precision that does not exist, and says which do", async () => {
    const { code, err } = await rise(["export", checkpointDir, "model", "--precision", "int2"], { folder });
    expect(code).not.toBe(0);
    expect(err).toContain("int4");
  });
});
