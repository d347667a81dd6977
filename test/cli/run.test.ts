import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { conversationDataset } from "../../src/datasets/conversations";
import { jsonlDataset } from "../../src/datasets/jsonl";
import { classification } from "../../src/tasks/classification";
import { jpeg, temporaryFolder, writeFiles } from "../datasets/temporary";
import { rise } from "./rise";

/** Two steps of each stage on the tiny checkpoint, from what init writes: the commands in the order of a user. */
let folder: string;
const model = resolve("examples", "tiny-vlm", "checkpoint");
const steps = { "cot.steps": 2, "cot.groupSize": 2, "r1.sft.steps": 2, "r1.rft.steps": 2, "r1.rft.groupSize": 2 };
const short = {
  "cot.sampling.cotMaxTokens": 8,
  "cot.sampling.reconstructionMaxTokens": 8,
  "evaluate.maxTokens": 8,
  "evaluate.level": 0.9,
};
const more = { "r1.rft.sampling.maxTokens": 8, "cot.threshold": 0, "r1.threshold": 0, "trainer.device": "cpu" };
const options = { model, ...steps, ...short, ...more };

beforeAll(async () => {
  folder = await temporaryFolder();
  const names = ["cat", "dog"].flatMap((label) => [0, 1, 2].map((i) => `photos/${label}/${i}.jpg`));
  for (const name of names) await writeFiles(folder, { [name]: await jpeg(56, 56) });
});
afterAll(() => rm(folder, { recursive: true }));

const succeed = async (...argv: readonly string[]) => {
  const { code, out, err } = await rise([...argv, "--json"], { folder });
  expect(code, err).toBe(0);
  return JSON.parse(out);
};

describe("a config that init wrote", () => {
  it("runs unchanged: both stages, the evaluation and the report", async () => {
    const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    await succeed("init", "photos", "--test", "0.34", ...flags);
    const before = await readFile(join(folder, "rise.config.yaml"), "utf8");
    const result = await succeed("run");
    expect(result).toMatchObject({ thoughts: 4, kept: 4, examples: 2, metrics: { accuracy: expect.any(Number) } });
    expect(result.weights).toBe(join(folder, "runs", "r1", "checkpoints", "step-4"));
    const page = await readFile(result.report, "utf8");
    expect(page).toContain("Stage 2: think, then annotate");
    expect(page).toContain("<th>90 % interval</th>");
    expect(await readFile(join(folder, "rise.config.yaml"), "utf8")).toBe(before);
  });

  it("refuses the same run again with 4, and resumes it with --resume", async () => {
    const again = await rise(["cot"], { folder });
    expect([again.code, again.err]).toEqual([4, expect.stringContaining("--resume for rise-ts")]);
    expect(await succeed("cot", "--resume")).toMatchObject({ thoughts: 4, kept: 4 });
  });

  it.each([["cot"], ["run"], ["eval"]])("refuses a used folder in %s before it loads a model", async (name) => {
    const { code, err } = await rise([name, "--model", "nowhere"], { folder });
    expect([code, err]).toEqual([4, expect.stringMatching(/(?:cot|r1|evaluation) is not empty: pass resume/)]);
  });

  it.each([
    ["report", "--out", "x".repeat(250)],
    ["init", "photos", "--file", "x".repeat(300)],
    ["data", "convert", "x".repeat(250)],
  ])("says that %s cannot write to a place", async (...argv) => {
    const { code, err } = await rise(argv, { folder });
    expect(code).toBe(2);
    expect(err).toMatch(/x{250}: expected a place that can be written to, got a name that is too long; name another$/m);
  });

  it("evaluates the model before training, which compares with the trained one", async () => {
    const base = await succeed("eval", "--policy", "base");
    expect(base.policy).toBe("base");
    const compared = await succeed("compare", "runs/evaluation", "runs/evaluation-base");
    expect(Object.keys(compared)).toEqual(expect.arrayContaining(["similarity", "jsd", "accuracy"]));
  });

  it("keeps the evaluations of other splits apart from the test's", async () => {
    const before = await readFile(join(folder, "runs", "evaluation", "records.jsonl"), "utf8");
    const trained = await succeed("eval", "--split", "train", "--resume");
    expect(trained).toMatchObject({ runDir: join(folder, "runs", "evaluation-train"), examples: 4 });
    const base = await succeed("eval", "--policy", "base", "--split", "train");
    expect(base.runDir).toBe(join(folder, "runs", "evaluation-base-train"));
    expect(await readFile(join(folder, "runs", "evaluation", "records.jsonl"), "utf8")).toBe(before);
  });

  it("writes no report over a folder", async () => {
    const { code, err } = await rise(["report", "--out", "photos"], { folder });
    expect([code, err]).toEqual([2, expect.stringMatching(/photos: expected a file to write, got a folder; name an/)]);
  });

  it("writes the report again and again with --watch, until it is interrupted", async () => {
    const page = join(folder, "watched.html");
    const watching = rise(["report", "--out", "watched.html", "--watch", "1"], { folder });
    const changedAfter = (time: number) =>
      vi.waitFor(
        async () => {
          const { mtimeMs } = await stat(page);
          expect(mtimeMs).toBeGreaterThan(time);
          return mtimeMs;
        },
        { timeout: 120_000 },
      );
    await changedAfter(await changedAfter(0));
    process.emit("SIGINT");
    expect(await watching).toMatchObject({ code: 0, err: expect.stringContaining("every 1 s; Ctrl-C ends it") });
    expect(await readFile(page, "utf8")).toContain('http-equiv="refresh" content="1"');
  });

  it("writes a report on folders alone, without a config", async () => {
    const runs = join(folder, "runs");
    const { code, out, err } = await rise(["report", "cot", "r1", "evaluation"], { folder: runs });
    expect([code, out], err).toEqual([0, `Report: ${join(runs, "cot", "report.html")}\n`]);
    const page = await readFile(join(runs, "cot", "report.html"), "utf8");
    for (const name of ["cot", "r1", "evaluation"]) expect(page).toContain(`<h2>runs/${name}</h2>`);
    for (const kind of ["a cot", "a reconstruction", "an answer"])
      expect(page).toContain(`The first prompt of ${kind}:`);
  });

  it("annotates a folder with the trained model, and asks for no image twice when it resumes", async () => {
    const done = await succeed("annotate", "photos", "--maxTokens", "8");
    expect(done).toMatchObject({ images: 6, runDir: join(folder, "runs", "annotations") });
    const files = ["annotations.csv", "annotations.html", "annotations.jsonl"];
    expect(await readdir(done.runDir)).toEqual(expect.arrayContaining(files));
    const before = await readFile(join(done.runDir, "annotations.jsonl"), "utf8");
    expect((await rise(["annotate", "photos", "--maxTokens", "8"], { folder })).code).toBe(4);
    await succeed("annotate", "photos", "--maxTokens", "8", "--resume");
    expect(await readFile(join(done.runDir, "annotations.jsonl"), "utf8")).toBe(before);
  });

  it("annotates from flags alone, without data to learn from", async () => {
    const flags = ["--task.kind", "classification", "--task.labels", "cat,dog", "--model", model, "--policy", "base"];
    const elsewhere = await temporaryFolder();
    const photos = join(folder, "photos");
    const { code, out, err } = await rise(["annotate", photos, ...flags, "--maxTokens", "8", "--json"], {
      folder: elsewhere,
    });
    expect(code, err).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ images: 6, policy: "base" });
    await rm(elsewhere, { recursive: true });
  });

  it("chooses the best of a backend's thoughts, where data for validation have no effect, and annotates one image", async () => {
    const elsewhere = await temporaryFolder();
    const photos = join(folder, "photos");
    const task = ["--task.kind", "classification", "--task.labels", "cat,dog", "--model", model, "--json"];
    const data = ["--data.format", "folder", "--data.path", photos, "--data.validation", "0.34"];
    const few = ["--groupSize", "1", "--sampling.cotMaxTokens", "8", "--sampling.reconstructionMaxTokens", "8"];
    const stage = await rise(["cot", "--backend.kind", "onnx", ...task, ...data, ...few], { folder: elsewhere });
    expect(stage.code, stage.err).toBe(0);
    expect(JSON.parse(stage.out).thoughts).toBe(4);
    const one = ["annotate", join(photos, "cat", "1.jpg"), "--policy", "base", "--maxTokens", "8"];
    const { code, out, err } = await rise([...one, ...task], { folder: elsewhere });
    expect(code, err).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ images: 1 });
    await rm(elsewhere, { recursive: true });
  });

  it("audits annotations and thoughts", async () => {
    const { annotations, thoughts } = await succeed("audit", "--thoughts", "--maxTokens", "8");
    expect(annotations).toHaveLength(4);
    expect(thoughts.cots).toHaveLength(4);
  });

  it("exports its thoughts, and converts its data, into files that the library reads", async () => {
    const task = classification({ labels: ["cat", "dog"] });
    const { file } = await succeed("data", "export", "exported", "--to", "sharegpt", "--threshold", "0");
    expect(await conversationDataset(file, { task })).toHaveLength(4);
    await succeed("data", "convert", "converted");
    expect(await jsonlDataset(join(folder, "converted", "train.jsonl"), task)).toHaveLength(4);
    expect(await jsonlDataset(join(folder, "converted", "test.jsonl"), task)).toHaveLength(2);
  });

  it("merges the trained adapter into a checkpoint", async () => {
    await succeed("merge", "merged");
    expect(await readdir(join(folder, "merged"))).toContain("config.json");
    expect((await rise(["merge", "merged"], { folder })).code).toBe(2);
    const { err } = await rise(["merge", "other", "--policy", "nowhere"], { folder });
    expect(err).toMatch(/nowhere: expected a run with a checkpoint, or a checkpoint, got none; train first$/m);
  });

  it("exits with 4 when nothing was trained", async () => {
    const { code, err } = await rise(["eval", "--runDir", "elsewhere"], { folder });
    expect([code, err]).toEqual([
      4,
      expect.stringMatching(/elsewhere\/r1: expected a run with a checkpoint.*--policy base/),
    ]);
  });
});
