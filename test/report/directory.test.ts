import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { compareEvaluations } from "../../src/evaluation/compare";
import { readEvaluation } from "../../src/evaluation/directory";
import { evaluate } from "../../src/evaluation/evaluate";
import { htmlReport } from "../../src/report";
import { riseCot } from "../../src/rise/rise-cot";
import { createRng } from "../../src/rng";
import { detection } from "../../src/tasks/detection";
import { scriptedBackend, scriptedTrainer } from "../../src/testing";
import type { Box, Example } from "../../src/types";
import { temporaryFolder } from "../datasets/temporary";
import { examples, moods, rollouts, writeRun } from "./rows";

const scratch = await temporaryFolder();
const boxes = detection({ single: true, space: "pixel" });
const box = (x: number): readonly Box[] => [{ space: "pixel", x, y: 5, width: 20, height: 10 }];
const answer = (x: number) => `<think>It is there.</think><answer>${boxes.format(box(x))}</answer>`;
let dataset: readonly Example<readonly Box[]>[];

const staticPart = (html: string) => html.split('<script type="application/json"')[0]!;
const dataOf = (html: string) => JSON.parse(html.split('id="data">')[1]!.split("</script>")[0]!);

beforeAll(async () => {
  dataset = await Promise.all(
    [0, 10].map(async (x, i) => {
      const image = join(scratch, `image-${i}.png`);
      await sharp({ create: { width: 60, height: 40, channels: 3, background: `rgb(${i}, 99, 99)` } }).toFile(image);
      return { id: `image-${i}`, image, annotation: box(x), subject: "a <mug>" };
    }),
  );
  const trainer = scriptedTrainer({ texts: ["A mug stands there.", boxes.format(box(0)), boxes.format(box(10))] });
  const options = { task: boxes, dataset, trainer, groupSize: 4, examplesPerStep: 2, steps: 3 };
  await riseCot({ ...options, runDir: join(scratch, "cot") });
  for (const [name, x] of [
    ["good", 10],
    ["poor", 5],
  ] as const)
    await evaluate({
      ...{ task: boxes, dataset, backend: scriptedBackend(() => answer(x)), resamples: 50 },
      runDir: join(scratch, name),
    });
});

describe("a report from a run's directory alone", () => {
  it("shows the images, subjects and boxes that a report with task and dataset shows", async () => {
    const runDir = join(scratch, "cot");
    const alone = await htmlReport({ runDir });
    const told = await htmlReport({ runs: [{ runDir }], task: boxes, dataset });
    for (const html of [alone, told]) {
      expect(html).toContain('<rect class="truth" x="10" y="5" width="20" height="10"/>');
      expect(html.match(/data:image\/webp/g)).toHaveLength(2);
      expect(staticPart(html)).toContain("<p>a &lt;mug&gt;</p>");
    }
    const shapes = (html: string) =>
      dataOf(html).rollouts.map((row: { prediction?: { shapes: unknown } }) => row.prediction?.shapes);
    expect(shapes(alone)).toEqual(shapes(told));
    expect(shapes(alone).filter(Boolean).length).toBeGreaterThan(0);
    expect(alone).toContain("<dt>rise-ts</dt>");
    expect(alone).toContain("<dt>peak memory</dt>");
    expect(alone).toContain("The first prompt of a cot:");
    expect(alone).toContain("The first prompt of a reconstruction:");
  });

  it("shows an evaluation with its metrics and intervals", async () => {
    const html = await htmlReport({ runDir: join(scratch, "good") });
    const { metrics, intervals } = await readEvaluation(join(scratch, "good"));
    const { low, high } = intervals.similarity!;
    expect(staticPart(html)).toContain(
      `<td>similarity</td><td>${Number(metrics.similarity!.toPrecision(3))}</td><td>${Number(low.toPrecision(3))} … ${high}</td>`,
    );
    expect(html).toContain('<rect class="truth" x="0" y="5" width="20" height="10"/>');
    expect(dataOf(html).rollouts).toHaveLength(2);
    expect(html).toContain("The first prompt of an answer:");
    expect(html).toContain("<dt>pipeline</dt><dd>evaluate</dd>");
  });

  it("compares evaluations as compareEvaluations does", async () => {
    const runs = ["poor", "good"].map((name) => ({ title: name, runDir: join(scratch, name) }));
    const html = staticPart(await htmlReport({ runs }));
    const [poor, good] = await Promise.all(runs.map(({ runDir }) => readEvaluation(runDir)));
    const { similarity } = compareEvaluations(good!, poor!);
    const { a, b, difference, interval, examples: counts } = similarity;
    const cells = [a, b, difference].map((value) => `<td>${Number(value.toFixed(3))}</td>`).join("");
    expect(html).toContain(
      `<td>similarity</td>${cells}<td>${Number(interval.low.toFixed(3))} … ${Number(interval.high.toFixed(3))}</td>`,
    );
    expect(html).toContain(`<td>${counts!.aIsBetter}</td><td>${counts!.equal}</td><td>${counts!.bIsBetter}</td>`);
  });

  it("shows the images of each folder where two have other examples of the same ids", async () => {
    const held = await Promise.all(
      dataset.map(async (example, i) => {
        const image = join(scratch, `held-${example.id}.png`);
        await sharp({ create: { width: 80, height: 30, channels: 3, background: `rgb(99, 99, ${i})` } }).toFile(image);
        return { ...example, image };
      }),
    );
    const runDir = join(scratch, "held");
    const { records } = await evaluate({
      task: boxes,
      dataset: held,
      backend: scriptedBackend(() => answer(5)),
      runDir,
    });
    const shapesOf = async (options: Parameters<typeof htmlReport>[0]) => {
      const { examples, groups } = dataOf(await htmlReport(options));
      return groups.map(({ run, example }: { run: number; example: number }) => [run, examples[example].image.width]);
    };
    const folders = [{ runDir: join(scratch, "cot") }, { runDir }];
    const sizes = await shapesOf({ runs: folders });
    expect(new Set(sizes.map(String))).toEqual(new Set(["0,60", "1,80"]));
    expect(await shapesOf({ runs: folders, task: boxes, dataset: [...dataset, ...held] } as never)).toEqual(sizes);
    const mixed = { runs: folders.slice(0, 1), records, task: boxes, dataset: [...dataset, ...held] };
    expect(await shapesOf(mixed as never)).toEqual(sizes);
  });

  it("says that images were in memory, and shows the rest", async () => {
    const runDir = join(scratch, "memory");
    const image = { width: 2, height: 2, data: new Uint8Array(12) };
    const inMemory = dataset.map((example) => ({ ...example, image }));
    const trainer = scriptedTrainer({ texts: ["A mug.", boxes.format(box(0))] });
    await riseCot({ task: boxes, dataset: inMemory, trainer, groupSize: 2, examplesPerStep: 1, steps: 1, runDir });
    const html = staticPart(await htmlReport({ runDir }));
    expect(html).toContain("The image could not be read: the page was made without it; pass the dataset");
    expect(html).toContain("A mug.");
  });
});

describe("the images of a report", () => {
  it("share half a megabyte, however many and however noisy", async () => {
    const rng = createRng(1);
    const noisy = examples(40).map((example) => {
      const data = Uint8Array.from({ length: 320 * 240 * 3 }, () => rng.integer(256));
      return { ...example, image: { width: 320, height: 240, data } };
    });
    const rows = rollouts(
      320,
      noisy.map(({ id }) => id),
    );
    const runDir = await writeRun(join(scratch, "noisy"), { rollouts: rows });
    const html = await htmlReport({ task: moods, dataset: noisy, runs: [{ runDir }] });
    const images = html.match(/data:image\/webp;base64,[^"]*/g)!;
    expect(images).toHaveLength(40);
    expect(images.reduce((sum, image) => sum + image.length, 0)).toBeLessThan((4 / 3) * 500_000 + 40 * 30);
  });
});

describe("a page of a run under way", () => {
  it("is read again by a browser after as many seconds as asked for", async () => {
    await mkdir(join(scratch, "live"), { recursive: true });
    const runDir = await writeRun(join(scratch, "live"), {});
    expect(await htmlReport({ runDir, refreshSeconds: 5 })).toContain('<meta http-equiv="refresh" content="5">');
    expect(await htmlReport({ runDir })).not.toContain('http-equiv="refresh"');
  });
});
