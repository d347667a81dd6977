import { appendFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { VlmBackend } from "../../src/backend";
import { BackendError, CheckpointError } from "../../src/errors";
import { readEvaluation } from "../../src/evaluation/directory";
import { meanMetric } from "../../src/metrics";
import { htmlReport } from "../../src/report";
import { classification } from "../../src/tasks/classification";
import {
  contents,
  counting,
  evaluationBackend,
  evaluationRun,
  manyExamples,
  moods,
  readRows,
  slow,
  withFolders,
} from "../rise/world";

/** A backend whose call number n, from 0, is something else. */
function exceptCall(n: number, instead: VlmBackend["generate"], backend = evaluationBackend()): VlmBackend {
  let calls = 0;
  return {
    ...backend,
    generate: (prompts, options) => (calls++ === n ? instead : backend.generate)(prompts, options),
  };
}
const refusing = async () => {
  throw new BackendError("out of order", { scope: "backend" });
};
const rowsOf = (folder: string) => readRows(join(folder, "records.jsonl"));
const idsOf = async (folder: string) => (await rowsOf(folder)).map(({ exampleId }) => exampleId);
const ids = manyExamples.map(({ id }) => id);

describe("an evaluation's directory", () => {
  it("gives back a metric that is NaN as NaN, which a report shows", () =>
    withFolders(1, async (runDir) => {
      const metrics = { own: () => Number.NaN, each: meanMetric("each", () => Number.NaN) };
      await evaluationRun({ runDir: runDir!, metrics, level: 0.8 });
      const read = await readEvaluation(runDir!);
      expect(read.metrics).toMatchObject({ own: Number.NaN, each: Number.NaN });
      expect(read.intervals.own).toEqual({ low: Number.NaN, high: Number.NaN, level: 0.8 });
      expect(read.records[0]!.metrics.each).toBeNaN();
      const page = await htmlReport({ runDir: runDir! });
      expect(page).toContain("<td>own</td><td>NaN</td><td>NaN … NaN</td>");
      expect(page).toContain("<th>80 % interval</th>");
    }));

  it("names the versions and the device that the backend computes with", () =>
    withFolders(1, async (runDir) => {
      await evaluationRun({ runDir: runDir!, backend: { ...evaluationBackend(), versions: { torch: "2.14.1" } } });
      const environment = JSON.parse((await contents(runDir!))["environment.json"]!);
      expect(environment).toMatchObject({ node: process.versions.node, torch: "2.14.1" });
    }));

  it("holds the settings, a record of each example, and metrics with their intervals; all of it can be read again", () =>
    withFolders(1, async (runDir) => {
      const evaluation = await evaluationRun({ runDir: runDir! });
      const files = await contents(runDir!);
      expect(Object.keys(files)).toEqual([
        "config.json",
        "environment.json",
        "evaluation.json",
        "examples.jsonl",
        "prompts.json",
        "records.jsonl",
      ]);
      expect(await rowsOf(runDir!)).toEqual(evaluation.records);
      const { metrics, intervals, repairs } = evaluation;
      expect(JSON.parse(files["evaluation.json"]!)).toEqual({ metrics, intervals, repairs, failures: 0 });
      expect(JSON.parse(files["config.json"]!)).toMatchObject({ pipeline: "evaluate", task: "moods", maxTokens: 512 });
      expect(await readEvaluation(runDir!)).toEqual(evaluation);
    }));

  it("has the same bytes for batches of any size, calls under way, and order in which they come back", () =>
    withFolders(2, async (one, other) => {
      await evaluationRun({ runDir: one! });
      const backend = slow(evaluationBackend(), (call) => 10 * (5 - call));
      await evaluationRun({ runDir: other!, backend, batchSize: 3, concurrency: 4 });
      expect(await contents(other!)).toEqual(await contents(one!));
    }));

  it("loses nothing that was done when a call fails, those under way included, and continues where it stopped", () =>
    withFolders(2, async (whole, runDir) => {
      const expected = await evaluationRun({ runDir: whole! });
      // One call fails at once while the other takes its time; no third is begun.
      const lagging = slow(evaluationBackend(), () => 20);
      for (const [failing, done] of [
        [1, [0, 1]],
        [0, [0, 1, 4, 5]],
      ] as const) {
        const backend = exceptCall(failing, refusing, lagging);
        const options = { runDir: runDir!, resume: true, backend, concurrency: 2 };
        await expect(evaluationRun(options)).rejects.toThrow("out of order");
        expect(await idsOf(runDir!)).toEqual(done.map((i) => ids[i]));
      }
      const asked: number[] = [];
      const rest = counting(evaluationBackend(), (prompts) => asked.push(prompts));
      expect(await evaluationRun({ runDir: runDir!, resume: true, backend: rest })).toEqual(expected);
      expect(asked).toEqual([2, 2, 1]);
      expect(await contents(runDir!)).toEqual(await contents(whole!));
    }));

  it("ends with the same bytes after an abort in the middle, wherever that is", () =>
    withFolders(1, async (whole) => {
      await evaluationRun({ runDir: whole! });
      for (const call of [0, 1, 3])
        await withFolders(1, async (runDir) => {
          const stop = new AbortController();
          const backend = exceptCall(call, async (prompts, options) => {
            stop.abort(new Error("enough"));
            return evaluationBackend().generate(prompts, options);
          });
          const options = { runDir: runDir!, backend, concurrency: 2 };
          await expect(evaluationRun({ ...options, signal: stop.signal })).rejects.toThrow("enough");
          expect(Object.keys(await contents(runDir!))).not.toContain("evaluation.json");
          await evaluationRun({ runDir: runDir!, resume: true });
          expect(await contents(runDir!)).toEqual(await contents(whole!));
        });
    }));

  it("takes other metrics for the answers that it has, and asks for none", () =>
    withFolders(1, async (runDir) => {
      const first = await evaluationRun({ runDir: runDir! });
      const backend = exceptCall(0, refusing);
      const again = await evaluationRun({ runDir: runDir!, resume: true, backend, metrics: {} });
      expect(Object.keys(again.metrics)).toEqual(["formatRate", "similarity"]);
      expect(again.metrics.similarity).toBe(first.metrics.similarity);
      expect(await rowsOf(runDir!)).toEqual(again.records);
    }));

  it("is not taken for another evaluation: of another task, dataset, backend, of other prompts or settings", () =>
    withFolders(1, async (runDir) => {
      await evaluationRun({ runDir: runDir! });
      await expect(evaluationRun({ runDir: runDir! })).rejects.toThrow(/not empty: pass resume: true/);
      const labels = ["joy", "sadness"];
      const [first, ...others] = manyExamples;
      for (const [options, named] of [
        [{ task: { ...moods, name: "weather" } }, /task \("moods" there, "weather" here\)/],
        [{ task: classification({ labels, name: "moods", question: "What is it?" }) }, /prompts\.sha256/],
        [{ dataset: others }, /dataset\.examples \(9 there, 8 here\).*dataset\.sha256/],
        [{ dataset: [{ ...first!, annotation: { joy: 0.5, sadness: 0.5 } }, ...others] }, /dataset\.sha256/],
        [{ backend: { ...evaluationBackend(), name: "other" } }, /policy \("scripted" there, "other" here\)/],
        [{ backend: { ...evaluationBackend(), weightsDigest: () => "trained" } }, /weights\.sha256 \(absent there/],
        [{ maxTokens: 64 }, /maxTokens \(512 there, 64 here\)/],
        [{ seed: 1 }, /seed \(0 there, 1 here\)/],
      ] as const) {
        const resumed = evaluationRun({ runDir: runDir!, resume: true, ...options });
        await expect(resumed).rejects.toThrow(CheckpointError);
        await expect(evaluationRun({ runDir: runDir!, resume: true, ...options })).rejects.toThrow(named);
      }
    }));

  it("drops a row that was half written, and refuses a line that is no row", () =>
    withFolders(1, async (runDir) => {
      await evaluationRun({ runDir: runDir! });
      const whole = await contents(runDir!);
      const file = join(runDir!, "records.jsonl");
      await appendFile(file, '{"exampleId":"stre');
      await evaluationRun({ runDir: runDir!, resume: true });
      expect(await contents(runDir!)).toEqual(whole);
      const [first] = (await readFile(file, "utf8")).split("\n");
      await writeFile(file, `${first}\n{"exampleId": 1}\n`);
      await expect(evaluationRun({ runDir: runDir!, resume: true })).rejects.toThrow(
        /records\.jsonl: line 2: expected a record of an evaluation: exampleId: expected text; text: [^\n]*$/,
      );
    }));

  it("has an evaluation to read only when it is finished", () =>
    withFolders(1, async (runDir) => {
      const backend = exceptCall(2, refusing);
      await expect(evaluationRun({ runDir: runDir!, backend })).rejects.toThrow(BackendError);
      await expect(readEvaluation(runDir!)).rejects.toThrow(CheckpointError);
    }));

  it("says which file of a finished evaluation is damaged, and where", () =>
    withFolders(1, async (runDir) => {
      await evaluationRun({ runDir: runDir! });
      const file = join(runDir!, "records.jsonl");
      await appendFile(file, "\n");
      await expect(readEvaluation(runDir!)).rejects.toThrow(/records\.jsonl: line 10: expected a record/);
      await rm(file);
      await expect(readEvaluation(runDir!)).rejects.toThrow(CheckpointError);
      await expect(readEvaluation(runDir!)).rejects.toThrow(/records\.jsonl: expected the records .*, got none/);
    }));

  it("takes records that are there and cannot be read for no empty file", () =>
    withFolders(1, async (runDir) => {
      await evaluationRun({ runDir: runDir! });
      await rm(join(runDir!, "records.jsonl"));
      await mkdir(join(runDir!, "records.jsonl"));
      const resumed = evaluationRun({ runDir: runDir!, resume: true });
      await expect(resumed).rejects.toThrow(/records\.jsonl: expected readable rows of an earlier run: .*EISDIR/);
    }));
});
