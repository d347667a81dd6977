import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { CheckpointError } from "../../src/errors";
import { htmlReport, linePlot } from "../../src/report";
import { classification } from "../../src/tasks/classification";
import { detection } from "../../src/tasks/detection";
import { segmentation } from "../../src/tasks/segmentation";
import type { Box, BoxSpace, Example, LabelDistribution, Polygon } from "../../src/types";
import { cotRun, cotTrainer, dataset as pictures } from "../rise/world";

const scratch = await mkdtemp(join(tmpdir(), "report-"));
afterAll(() => rm(scratch, { recursive: true }));

const image = { width: 8, height: 4, data: new Uint8Array(96).fill(200) };
const moods = classification({ labels: ["calm", "wild"] });
const examples: Example<LabelDistribution>[] = ["a", "b"].map((id) => ({
  id,
  image,
  annotation: { calm: 0.75, wild: 0.25 },
}));

const rollout = (step: number, exampleId: string, index: number, text: string, reward: number) => ({
  stage: "train",
  step,
  exampleId,
  index,
  cot: { text, finishReason: "stop" },
  reconstruction: { text: "{'calm': 0.50, 'wild': 0.50}", finishReason: "stop" },
  prediction: { calm: 0.5, wild: 0.5 },
  reward: {
    reward,
    similarity: reward,
    leaks: text.includes("75 %") ? [{ kind: "percent", text: "75 %", start: 6, end: 10 }] : [],
    format: { ok: true },
  },
  advantage: reward - 0.5,
});

async function runDirectory(name: string, rollouts: readonly object[], steps = 5): Promise<string> {
  const dir = await mkdtemp(join(scratch, name));
  const metrics = Array.from({ length: steps }, (_, i) => ({
    stage: "train",
    step: i + 1,
    reward: (i + 1) / 10,
    "rise/leak_rate": null,
    learning_rate: 1e-4,
  }));
  await writeFile(join(dir, "metrics.jsonl"), metrics.map((row) => `${JSON.stringify(row)}\n`).join(""));
  await writeFile(join(dir, "rollouts.jsonl"), rollouts.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return dir;
}

/** A report as it reads without scripts: all but the data and the script at its end. */
const withoutScript = async (options: Parameters<typeof htmlReport>[0]) =>
  (await htmlReport(options)).split('<script type="application/json"')[0]!;

const count = (html: string, part: string) => html.split(part).length - 1;

describe("a report", () => {
  it("shows one group of the first, the middle and the last step, the best rollout first", async () => {
    const rollouts = [1, 2, 3, 4, 5].flatMap((step) => [
      rollout(step, "a", 0, `poor thought of step ${step}`, 0.1),
      rollout(step, "a", 1, `good thought of step ${step}`, 0.9),
      rollout(step, "b", 0, `another example in step ${step}`, 0.5),
    ]);
    const runs = [{ title: "RISE-CoT", runDir: await runDirectory("steps", rollouts) }];
    const html = await withoutScript({ title: "t", task: moods, dataset: examples, runs });
    for (const step of [1, 3, 5]) {
      const [good, poor] = [html.indexOf(`good thought of step ${step}`), html.indexOf(`poor thought of step ${step}`)];
      expect(good).toBeGreaterThan(0);
      expect(poor).toBeGreaterThan(good);
    }
    for (const step of [2, 4]) expect(html).not.toContain(`thought of step ${step}`);
    expect(html).not.toContain("another example");
  });

  it("draws a curve for every metric that has numbers, and none for one that has not", async () => {
    const runs = [{ title: "run", runDir: await runDirectory("curves", []) }];
    const html = await withoutScript({ title: "t", task: moods, dataset: examples, runs });
    expect(html).toContain('aria-label="reward"');
    expect(html).not.toContain('aria-label="leak rate"');
    // From 0.1 to 0.5 of an axis from 0 to 1.
    expect(html).toMatch(/<polyline points="44,91 106,82 168,73 230,64 292,55"\/>/);
  });

  it("shows the stages of a run one by one, those that only look as well", async () => {
    const dataset = pictures.map((example) => ({ ...example, image }));
    const reportOf = async (name: string, options: object) => {
      const runDir = join(scratch, name);
      await cotRun({ ...options, dataset, runDir });
      const html = await withoutScript({ title: "t", task: moods, dataset, runs: [{ title: "run", runDir }] });
      return html.split(/(?=<h3>)/).slice(1);
    };
    const [train, final, ...others] = await reportOf("trained", { trainer: cotTrainer() });
    expect([train!.slice(0, 14), final!.slice(0, 14), others]).toEqual(["<h3>train</h3>", "<h3>final</h3>", []]);
    for (const step of [1, 4, 6]) expect(train).toContain(`<h4>Step ${step}</h4>`);
    for (const step of [7, 8]) expect(final).toContain(`<h4>Step ${step}</h4>`);
    expect(final).toContain('aria-label="similarity without a cot"');
    // A rollout that was not learned from has no advantage.
    expect([train, final].map((part) => part!.includes("<th>Advantage</th>"))).toEqual([true, false]);

    const bestOfG = await reportOf("best-of-g", { backend: cotTrainer().sampler() });
    expect(bestOfG).toHaveLength(1);
    expect(bestOfG[0]).toMatch(/^<h3>final<\/h3>.*aria-label="reward".*<use href="#i/);
    expect(count(bestOfG[0]!, "<h4>Step ")).toBe(2);
  });

  it("says how often examples could not be sampled, and when", async () => {
    const dir = await runDirectory("failed", [rollout(1, "a", 0, "a whole thought", 0.5)], 1);
    const report = () =>
      withoutScript({ title: "t", task: moods, dataset: examples, runs: [{ title: "run", runDir: dir }] });
    expect(await report()).not.toContain("could not be sampled");
    const row = { stage: "train", step: 2, "rise/failed_examples": 1 };
    await appendFile(join(dir, "metrics.jsonl"), `${JSON.stringify(row)}\n`);
    expect(await report()).toContain("1 time an example could not be sampled, or not in full, in step 2");
    await appendFile(join(dir, "metrics.jsonl"), `${JSON.stringify({ ...row, step: 5, "rise/failed_examples": 2 })}\n`);
    expect(await report()).toContain("3 times examples could not be sampled, or not in full, from step 2 to step 5");
  });

  it("shows a run that is under way as far as it is, and still refuses damage in the middle", async () => {
    const dir = await runDirectory("live", [rollout(1, "a", 0, "a whole thought", 0.5)], 1);
    await appendFile(join(dir, "metrics.jsonl"), '{"stage":"train","st');
    await appendFile(join(dir, "rollouts.jsonl"), '{"stage":"train","step":2,"exam');
    const report = () =>
      withoutScript({ title: "t", task: moods, dataset: examples, runs: [{ title: "run", runDir: dir }] });
    expect(await report()).toContain("a whole thought");
    await appendFile(join(dir, "rollouts.jsonl"), "\n");
    await expect(report()).rejects.toThrow(/rollouts\.jsonl:2: expected a line of JSON, got \{"stage"/);
    await writeFile(join(dir, "rollouts.jsonl"), "");
    await appendFile(join(dir, "metrics.jsonl"), "\n");
    await expect(report()).rejects.toThrow(/metrics\.jsonl:2: expected a line of JSON, got \{"stage"/);
  });

  it("says of a picture that is gone that it is, and shows the rest", async () => {
    const dataset = [{ ...examples[0]!, image: "gone.png" }, examples[1]!];
    const records = dataset.map(({ id }) => ({ exampleId: id, text: "", think: null, prediction: null }));
    const html = await withoutScript({ title: "t", task: moods, dataset, runs: [], records });
    expect(html).toMatch(/<p class="problem">The image could not be read: .*gone\.png<\/p><p class="id">a<\/p>/);
    expect(count(html, "<use href=")).toBe(1);
  });

  it("marks what leaked, and nothing else", async () => {
    const runs = [
      { title: "run", runDir: await runDirectory("leaks", [rollout(1, "a", 0, "About 75 % is calm.", 0)]) },
    ];
    const html = await withoutScript({ title: "t", task: moods, dataset: examples, runs });
    expect(html).toContain('About <mark title="leak: percent">75 %</mark> is calm.');
    expect(count(html, "<mark")).toBe(1);
  });

  it("never lets text become markup, whoever wrote it", async () => {
    const evil = "<script>alert('x')</script>";
    const dir = await runDirectory("evil", [rollout(1, "a", 0, evil, 0.4)]);
    const html = await withoutScript({
      title: evil,
      task: moods,
      dataset: examples,
      runs: [{ title: evil, runDir: dir }],
      tables: [{ title: evil, header: [evil], rows: [[evil]] }],
      records: [{ exampleId: "a", text: evil, think: evil, prediction: null, failure: evil }],
    });
    expect(html).not.toContain("<script");
    expect(count(html, "&lt;script&gt;")).toBeGreaterThan(10);
    expect(await htmlReport({ runs: [{ title: evil, runDir: dir }] })).not.toContain("<script>alert");
  });

  it("draws true and predicted boxes where they are, in whatever space they are given", async () => {
    const box = (space: Box["space"], x: number, y: number, width: number, height: number): Box => ({
      space,
      x,
      y,
      width,
      height,
    });
    const html = await withoutScript({
      title: "boxes",
      task: detection({ single: true }),
      dataset: [{ id: "a", image, annotation: [box("pixel", 2, 1, 4, 2)] }],
      runs: [],
      records: [{ exampleId: "a", text: "", think: "left", prediction: [box("thousand", 500, 0, 250, 1000)] }],
    });
    expect(html).toContain('<rect class="truth" x="2" y="1" width="4" height="2"/>');
    expect(html).toContain('<rect class="prediction" x="4" y="0" width="2" height="4"/>');
  });

  it("draws true and predicted outlines where they are", async () => {
    const corner = (space: BoxSpace, side: number): Polygon => ({
      space,
      points: [
        [0, 0],
        [side, 0],
        [0, side],
      ],
    });
    const html = await withoutScript({
      title: "outlines",
      task: segmentation({ target: "leaf" }),
      dataset: [{ id: "a", image, annotation: [corner("thousand", 500)] }],
      runs: [],
      records: [{ exampleId: "a", text: "", think: "left", prediction: [corner("unit", 0.25)] }],
    });
    expect(html).toContain('<polygon class="truth" points="0,0 4,0 0,2"/>');
    expect(html).toContain('<polygon class="prediction" points="0,0 2,0 0,1"/>');
  });

  it("shows a distribution as bars", async () => {
    const records = [{ exampleId: "a", text: "", think: "still", prediction: { calm: 0.6, wild: 0.4 } }];
    const html = await withoutScript({ title: "t", task: moods, dataset: examples, runs: [], records });
    for (const share of ["75.0", "25.0", "60.0", "40.0"]) expect(html).toContain(`width="${share}"`);
  });

  it("embeds each image once, however many records show it, and refers to nothing outside", async () => {
    const records = Array.from({ length: 20_000 }, (_, i) => ({
      exampleId: examples[i % 2]!.id,
      text: "",
      think: null,
      prediction: null,
    }));
    const html = await withoutScript({ title: "t", task: moods, dataset: examples, runs: [], records });
    expect(count(html, "<use href=")).toBe(100);
    expect(html).toContain("These are the first 100 of 20,000 records");
    expect(count(html, "data:image/webp;base64,")).toBe(1);
    expect(html).not.toMatch(/(?:src|href)="(?!data:|#)/);
  });

  it("draws a curve of any length, thinned to what a screen can show, with its peaks", async () => {
    const points = Array.from({ length: 400_000 }, (_, x) => ({ x, y: x === 123_456 ? 9 : x % 2 }));
    const plot = linePlot("reward", points);
    expect(plot.length).toBeLessThan(30_000);
    // The one high point reaches the top of the plot, and every column keeps both of its extremes.
    expect(count(plot, ",10 ")).toBe(1);
    expect(count(plot, ",100 ")).toBeGreaterThan(240);
    const last = points.at(-1)!;
    expect(plot).toContain(`;${last.x} ${Number(last.y.toPrecision(3))}">`);
    expect(linePlot("reward", points.slice(0, 900)).match(/[\d.]+,[\d.]+/g)).toHaveLength(900);
  });

  it("says which file and line is not a run's", async () => {
    const missing = htmlReport({ title: "t", task: moods, dataset: [], runs: [{ title: "r", runDir: scratch }] });
    await expect(missing).rejects.toThrow(new RegExp(`${scratch}/metrics.jsonl: expected the metrics of a run`));
    const dir = await runDirectory("broken", [{ stage: "train", step: 1 }]);
    const broken = htmlReport({ title: "t", task: moods, dataset: [], runs: [{ title: "r", runDir: dir }] });
    await expect(broken).rejects.toThrow(CheckpointError);
    await expect(broken).rejects.toThrow(/rollouts\.jsonl:1: .*exampleId/);
  });
});
