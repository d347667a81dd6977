import { appendFile, cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { mergeShards } from "../../src/annotation";
import { BackendError, CheckpointError, ConfigError } from "../../src/errors";
import { classificationMetrics } from "../../src/metrics/task-metrics";
import type { RiseCotRow } from "../../src/rise/rise-cot";
import { riseCot } from "../../src/rise/rise-cot";
import type { LabelDistribution } from "../../src/types";
import {
  annotationRun,
  contents,
  cotTrainer,
  counting,
  evaluationBackend,
  evaluationRun,
  failingFor,
  manyExamples,
  moods,
  readRows,
  withFolders,
} from "../rise/world";

const ids = manyExamples.map(({ id }) => id);
const folderOf = (parts: string, number: number) => join(parts, "shards", String(number));
const rowsIn = (folder: string) => readRows(join(folder, "annotations.jsonl"));

/** Annotates in shards, each of which sees the images in another order. */
async function annotateShards(parts: string, count: number): Promise<void> {
  for (let number = 1; number <= count; number++) {
    const images = [...manyExamples.slice(number), ...manyExamples.slice(0, number)];
    await annotationRun({ images, runDir: folderOf(parts, number), shard: `${number}/${count}` });
  }
}

describe("mergeShards", () => {
  it.each([1, 2, 12])("joins %i shards to the rows of one run, each exactly once, in the order of ids", (count) =>
    withFolders(2, async (whole, parts) => {
      await annotationRun({ runDir: whole!, images: manyExamples.toSorted((a, b) => (a.id < b.id ? -1 : 1)) });
      await annotateShards(parts!, count);
      const runDir = join(parts!, "merged");
      const merged = await mergeShards({ shards: join(parts!, "shards"), runDir });
      expect(merged).toEqual({ file: join(runDir, "annotations.jsonl"), rows: 9, without: [] });
      const { "annotations.html": page, ...files } = await contents(whole!);
      expect(await contents(runDir)).toEqual(files);
      // The merged directory is an annotated one: nothing is left to ask, and it gets its page.
      let asked = 0;
      const backend = counting(evaluationBackend(), () => asked++);
      await annotationRun({ runDir, resume: true, backend });
      expect(asked).toBe(0);
      expect((await rowsIn(runDir)).map(({ id }) => id)).toEqual(ids);
    }),
  );

  it("makes of an evaluation's shards what one evaluation is", () =>
    withFolders(2, async (whole, parts) => {
      const expected = await evaluationRun({ runDir: whole! });
      const shards = [3, 1, 2].map((number) => folderOf(parts!, number));
      for (const [i, shard] of ["3/3", "1/3", "2/3"].entries()) await evaluationRun({ runDir: shards[i]!, shard });
      const runDir = join(parts!, "merged");
      await mergeShards({ shards, runDir });
      let asked = 0;
      const backend = counting(evaluationBackend(), () => asked++);
      expect(await evaluationRun({ runDir, resume: true, backend })).toEqual(expected);
      expect(asked).toBe(0);
      expect(await contents(runDir)).toEqual(await contents(whole!));
    }));

  it("joins the cots of best-of-G, and names the examples that have none", () =>
    withFolders(1, async (parts) => {
      const failing = failingFor(cotTrainer().sampler(), "street-2", () => new BackendError("refused"));
      const run = (options: object) =>
        riseCot({ task: moods, dataset: manyExamples, backend: failing, groupSize: 2, examplesPerStep: 1, ...options });
      const rows: RiseCotRow<LabelDistribution>[] = [];
      for (const number of [1, 2, 3, 4, 5]) {
        const { dataset } = await run({ runDir: folderOf(parts!, number), shard: `${number}/5`, preflight: false });
        rows.push(...dataset);
      }
      const merged = await mergeShards({ shards: join(parts!, "shards"), runDir: join(parts!, "merged") });
      expect(merged).toMatchObject({ rows: 8, without: ["street-2"] });
      const byId = (a: { exampleId?: unknown }, b: { exampleId?: unknown }) =>
        String(a.exampleId) < String(b.exampleId) ? -1 : 1;
      expect(await readRows(merged.file)).toEqual(rows.sort(byId));
      const trainer = cotTrainer();
      await expect(run({ backend: undefined, trainer, shard: "1/5", runDir: "x" })).rejects.toThrow(
        "expected no shard beside a trainer, which learns from the whole dataset",
      );
    }));

  const broken: readonly [string, (parts: string) => Promise<void>, RegExp][] = [
    [
      "a shard is missing",
      (parts) => rm(folderOf(parts, 2), { recursive: true }),
      /expected 3 shards, got 2 without 2\/3/,
    ],
    [
      "a shard is not finished",
      (parts) => rm(join(folderOf(parts, 2), "shard.json")),
      /shards.2: expected a finished shard, got 2\/3 under way; resume it first/,
    ],
    [
      "a shard is there twice",
      (parts) => cp(folderOf(parts, 2), join(parts, "shards", "copy"), { recursive: true }),
      /expected a shard of its own, got 2\/3 as/,
    ],
    [
      "a shard has another configuration",
      async (parts) => {
        const file = join(folderOf(parts, 3), "config.json");
        await writeFile(file, (await readFile(file, "utf8")).replace("512", "64"));
      },
      /shards.3: expected the settings of .*shards.1, got other ones: maxTokens \(512 there, 64 here\)/,
    ],
    [
      "a shard saw other images",
      async (parts) => {
        const images = [...manyExamples, { id: "new", image: "new.png" }];
        await annotationRun({ images, runDir: folderOf(parts, 3), shard: "3/3", resume: true });
      },
      /shards.3: expected the 9 ids that .*shards.1 saw, got 10 that are not the same/,
    ],
    [
      "a row is lost",
      async (parts) => {
        const file = join(folderOf(parts, 1), "annotations.jsonl");
        await writeFile(file, (await readFile(file, "utf8")).replace(/^.*\n/, ""));
      },
      /shards.1.annotations\.jsonl: expected \d rows, got \d; resume shard 1\/3/,
    ],
    [
      "a row is there twice",
      async (parts) => {
        const file = join(folderOf(parts, 1), "annotations.jsonl");
        await appendFile(file, /^.*\n/.exec(await readFile(file, "utf8"))![0]);
      },
      /expected every id once, got "\S+" twice; resume shard 1\/3/,
    ],
    [
      "a shard's settings cannot be read",
      (parts) => writeFile(join(folderOf(parts, 2), "config.json"), "{"),
      /shards.2.config\.json: expected readable JSON/,
    ],
    [
      "a row is another shard's",
      async (parts) => {
        const [here, there] = [1, 2].map((number) => join(folderOf(parts, number), "annotations.jsonl"));
        const [stolen] = /^.*\n/.exec(await readFile(there!, "utf8"))!;
        await writeFile(
          here!,
          (await readFile(here!, "utf8")).replace(/^.*\n/, () => stolen!),
        );
      },
      /expected ids of shard 1\/3, got "/,
    ],
    [
      "an id is another",
      async (parts) => {
        const file = join(folderOf(parts, 1), "shard.json");
        const proof = JSON.parse(await readFile(file, "utf8"));
        await writeFile(file, JSON.stringify({ ...proof, own: proof.own + 1, without: ["street-9"] }));
      },
      /expected the 9 ids that the shards were given, got 10/,
    ],
    [
      "the proof is another shard's",
      (parts) => cp(join(folderOf(parts, 1), "shard.json"), join(folderOf(parts, 2), "shard.json")),
      /shards.2: expected the shard of its config\.json, 2\/3, got 1\/3/,
    ],
    [
      "a shard is one of another number",
      async (parts) => {
        for (const name of ["config.json", "shard.json"]) {
          const file = join(folderOf(parts, 3), name);
          await writeFile(file, (await readFile(file, "utf8")).replace('"3/3"', '"3/4"'));
        }
      },
      /shards.3: expected one of 3 shards, got 3\/4/,
    ],
    [
      "a run is of a kind without shards",
      async (parts) => {
        for (const number of [1, 2, 3]) {
          const file = join(folderOf(parts, number), "config.json");
          await writeFile(file, (await readFile(file, "utf8")).replace('"annotate"', '"rise-r1"'));
        }
      },
      /shards.1: expected a run of annotate, evaluate, rise-cot, got one of rise-r1/,
    ],
    [
      "a folder is no shard",
      (parts) => mkdir(join(parts, "shards", "other")).then(() => {}),
      /other: expected a shard's runDir, got a folder without config\.json/,
    ],
    [
      "a run has no shard",
      async (parts) => void (await annotationRun({ runDir: join(parts, "shards", "whole") })),
      /whole.config\.json: shard: /,
    ],
  ];

  it.each(broken)("refuses when %s, and writes nothing", (_, spoil, message) =>
    withFolders(1, async (parts) => {
      await annotateShards(parts!, 3);
      await spoil(parts!);
      const runDir = join(parts!, "merged");
      const merging = mergeShards({ shards: join(parts!, "shards"), runDir });
      await expect(merging).rejects.toThrow(message);
      await expect(merging).rejects.toThrow(CheckpointError);
      await expect(readFile(join(runDir, "config.json"))).rejects.toThrow("ENOENT");
    }),
  );

  it("refuses a runDir that has rows, and may be called again after it was interrupted", () =>
    withFolders(1, async (parts) => {
      await annotateShards(parts!, 2);
      const options = { shards: join(parts!, "shards"), runDir: join(parts!, "shards", "merged") };
      await mergeShards(options);
      await expect(mergeShards(options)).rejects.toThrow("expected a runDir without rows, got some");
      await rm(join(options.runDir, "annotations.jsonl"));
      expect((await mergeShards(options)).rows).toBe(9);
      await expect(mergeShards({ ...options, shards: [] })).rejects.toThrow(ConfigError);
      await expect(mergeShards({ ...options, shards: "none" })).rejects.toThrow("none: expected a folder of shards");
      const one = { ...options, shards: folderOf(parts!, 1) };
      await expect(mergeShards(one)).rejects.toThrow("1: expected the folders of shards, got none");
    }));
});

describe("a shard of an evaluation", () => {
  it("may be empty, and says what it would need", () =>
    withFolders(1, async (runDir) => {
      const empty = await evaluationRun({ dataset: manyExamples.slice(0, 1), runDir: runDir!, shard: "1/1000" });
      expect(empty).toMatchObject({ metrics: {}, records: [] });
      await expect(evaluationRun({ shard: "1/2" })).rejects.toThrow(
        'expected no shard without a runDir, got "1/2"; leave it out',
      );
      const metrics = classificationMetrics;
      await expect(evaluationRun({ shard: "0/2", runDir: runDir!, metrics })).rejects.toThrow("counts from 0 needs 1");
    }));
});
