import { existsSync } from "node:fs";
import { readdir, readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packDemo } from "../../examples/package/demo";
import { demoFiles } from "../../src/testing";
import { temporaryFolder } from "../datasets/temporary";
import { rise } from "./rise";

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  await packDemo(resolve("dist", "demo"));
});
afterAll(() => rm(folder, { recursive: true }));

const short = ["cot.groupSize=2", "cot.examplesPerStep=66", "cot.sampling.cotMaxTokens=8", "cot.threshold=0"];
const shorter = ["cot.sampling.reconstructionMaxTokens=8", "r1.threshold=0", "r1.rft.sampling.maxTokens=8"];
const shortest = ["r1.rft.groupSize=2", "r1.sft.batchSize=2", "evaluate.maxTokens=8", "device=cpu"];
const quick = [...short, ...shorter, ...shortest].map((option) => `--${option}`);

describe("the files of the demo", () => {
  it("are 198 images, with a notice of whose work they are", async () => {
    const { folder: files } = demoFiles();
    const names = await readdir(join(files, "images"));
    expect(names).toHaveLength(198);
    expect(await readFile(join(files, "NOTICE.md"), "utf8")).toMatch(
      /Fluent Emoji[\s\S]*CC BY 4\.0[\s\S]*CC BY-SA 4\.0/,
    );
  });
});

describe("rise-ts demo", () => {
  it("runs both stages, measures before and after, and writes the report", async () => {
    const { code, out, err } = await rise(["demo", "--steps", "1", "--seed", "3", ...quick, "--json"], { folder });
    expect(code, err).toBe(0);
    const dir = join(folder, "rise-demo");
    const metrics = { jsd: expect.any(Number), accuracy: expect.any(Number) };
    expect(JSON.parse(out)).toMatchObject({ dir, thoughts: 132, examples: 66, before: metrics, metrics });
    expect(await readFile(join(dir, "runs", "report.html"), "utf8")).toContain("before training");
    expect(existsSync(join(dir, "NOTICE.md"))).toBe(true);
  });

  it("leaves a folder that stands alone, whose config the other commands take", async () => {
    const dir = join(folder, "rise-demo");
    const text = await readFile(join(dir, "rise.config.yaml"), "utf8");
    expect(text).toMatch(/model: \.\/model/);
    expect(text).toMatch(/seed: 3/);
    expect(text).not.toContain(dir);
    const { code, out } = await rise(["data", "check", "--json"], { folder: dir });
    expect([code, JSON.parse(out).train.examples]).toEqual([0, 132]);
  });

  it("refuses to begin again in the same folder, and says how to resume", async () => {
    const { code, err } = await rise(["demo", "--steps", "1"], { folder });
    expect(code).toBe(4);
    expect(err).toMatch(/rise-demo: expected no such folder yet, got one; pass --dir .*, or --resume/);
  });

  it("leaves no folder if the model does not load", async () => {
    const { code, err } = await rise(["demo", "--dir", "broken", "--backend.model=nowhere"], { folder });
    expect([code, err]).not.toEqual([0, ""]);
    expect(err).toContain("nowhere");
    expect(existsSync(join(folder, "broken"))).toBe(false);
  });

  it("resumes", async () => {
    const { code, err } = await rise(["demo", "--steps", "1", "--seed", "3", ...quick, "--resume"], { folder });
    expect(code, err).toBe(0);
  });
});
