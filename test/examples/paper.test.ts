import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Arm, baseModel, gpt4o, rise, type Shots, tempted, visualRft } from "../../examples/paper/arms";
import { type ArmResult, createBench } from "../../examples/paper/bench";
import { type AnyDataSet, type DataSet, firstOfEach, openData } from "../../examples/paper/data";
import { paperFigures } from "../../examples/paper/figures";
import { atShots, tableMarkdown } from "../../examples/paper/print";
import { folderOf, needsTeacher, type Recipe, recipeOf } from "../../examples/paper/recipe";
import { paperSettings, type Settings, scaleSteps, tinySettings as tinyByTask } from "../../examples/paper/settings";
import type { Lab } from "../../examples/paper/stages";
import { tables } from "../../examples/paper/tables";
import { tempt } from "../../examples/paper/temptation";
import { type SeedFigure, seedsInterval } from "../../examples/statistics";
import { formatThinkAnswer } from "../../src/checks/think-answer";
import { imagenetSubClasses } from "../../src/datasets/imagenet-sub";
import { ConfigError } from "../../src/errors";
import { bootstrapInterval, weightedMean } from "../../src/metrics/bootstrap";
import { classificationMetrics } from "../../src/metrics/task-metrics";
import { createRng } from "../../src/rng";
import { scriptedBackend, scriptedTrainer } from "../../src/testing";
import type { Trainer } from "../../src/trainer";
import type { LabelDistribution } from "../../src/types";
import { dataset, mean, moods, raining, smiling } from "../rise/world";

const tinySettings = tinyByTask.classification;
const { pictures, maxTokens } = tinySettings;
const both = (settings: Settings) => ({ classification: settings, detection: settings });
const place = { data: "moods", seed: 0, model: "tiny", pictures, maxTokens };

/** Folders of all the stages that an arm goes through. */
function foldersOf(arm: Arm, settings = tinySettings): string[] {
  const stages = (recipe: Recipe): Recipe[] => {
    if (recipe.stage === "rft") return [recipe, ...stages(recipe.from)];
    if (recipe.stage === "sft" && recipe.cots) return [recipe, ...stages(recipe.cots)];
    return recipe.stage === "best-of" ? [recipe, ...stages(recipe.examplesOf)] : [recipe];
  };
  return stages(recipeOf(arm, settings))
    .filter(({ stage }) => stage !== "model")
    .map((stage) => folderOf(stage, place));
}

const cells = tables.flatMap(({ number, rows, columns }) =>
  rows.flatMap(({ label, arm }) =>
    columns.map(({ role, measure, shots }) => ({ number, label, arm: atShots(arm, shots), role, measure, shots })),
  ),
);
const ofTable = (number: number) => cells.filter((cell) => cell.number === number);
const stagesOf = (some: typeof cells) => new Set(some.flatMap(({ arm }) => foldersOf(arm)));

describe("the configurations of the paper's tables", () => {
  it("are six, and every cell of theirs is an arm that makes sense", () => {
    expect(tables.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6]);
    for (const { arm } of cells)
      for (const settings of [tinySettings, paperSettings]) expect(() => recipeOf(arm, settings)).not.toThrow();
  });

  it("refuse arms that say nothing", () => {
    const wrong: readonly Arm[] = [
      { ...gpt4o, rft: true },
      { ...rise, sft: "none" },
      { ...visualRft, sft: "high" },
      { ...baseModel, shots: 4 },
    ];
    for (const arm of wrong) expect(() => recipeOf(arm, tinySettings)).toThrow(ConfigError);
  });

  it("share what they have in common: Tables 2, 4 and 6 train nothing for RISE and Visual-RFT that Table 1 has not", () => {
    const first = stagesOf(ofTable(1));
    const news = (number: number) => [...stagesOf(ofTable(number))].filter((folder) => !first.has(folder));
    expect(news(2)).toEqual([]);
    // SFT Full, and RFT after it.
    expect(news(4)).toHaveLength(2);
    // For two more τ, SFT and RFT: RISE-CoT is Table 1's.
    expect(news(6)).toHaveLength(4);
    expect(news(6).some((folder) => folder.includes("-cot-"))).toBe(false);
    // For four rewards on the tempted base, all three stages.
    expect(news(5)).toHaveLength(12);
  });

  it("keep apart what differs: shots, rewards, seeds, data, and steps of a stage and those before it, not after it", () => {
    const shots: readonly Shots[] = [4, 16, "full"];
    expect(new Set(shots.flatMap((count) => foldersOf({ ...rise, shots: count }))).size).toBe(9);
    const recipe = recipeOf(rise, tinySettings);
    const places = [place, { ...place, seed: 1 }, { ...place, data: "scenes" }, { ...place, model: "other" }];
    expect(new Set(places.map((where) => folderOf(recipe, where))).size).toBe(4);
    const longer = { ...tinySettings, sft: { ...tinySettings.sft, steps: 300 } };
    const [rft, sft, cot] = foldersOf(rise);
    const [otherRft, otherSft, sameCot] = foldersOf(rise, longer);
    expect([otherRft === rft, otherSft === sft, sameCot === cot]).toEqual([false, false, true]);
  });

  it("ask for GPT-4o where a row is GPT-4o's, and nowhere else", () => {
    for (const { label, arm } of cells)
      expect(needsTeacher(recipeOf(arm, tinySettings)), label).toBe(label.startsWith("GPT-4o"));
  });

  it("have a cell for every figure of the paper that there is", () => {
    const keys = new Set(
      cells.map(({ number, label, role, measure, shots }) => `${number} ${label} ${role} ${measure} ${shots}`),
    );
    const figures = Object.entries(paperFigures).flatMap(([number, rows]) =>
      Object.entries(rows).flatMap(([label, values]) => Object.keys(values).map((key) => `${number} ${label} ${key}`)),
    );
    // 30 of Table 1, 2 of Table 6.
    expect(figures).toHaveLength(32);
    expect(figures.filter((key) => !keys.has(key))).toEqual([]);
  });

  it("scale all steps alike, and never to none", () => {
    const { cot, sft, rft } = scaleSteps(tinySettings, 0.001);
    expect([cot, sft, rft].map(({ steps, warmupSteps }) => [steps, warmupSteps])).toEqual([
      [1, 0],
      [1, 0],
      [1, 0],
    ]);
    expect(scaleSteps(paperSettings, 0.5).sft.steps).toBe(100);
  });
});

describe("few shots of the demo's pictures", () => {
  it("are of each class, the first in their order", () => {
    const classes = [..."abaabbaabb"];
    const examples = classes.map((name, i) => ({ id: `${name}${i}`, image: "", annotation: name }));
    const shots = firstOfEach(examples, 2, ({ annotation }) => annotation);
    expect(shots.map(({ id }) => id)).toEqual(["a0", "b1", "a2", "b4"]);
  });

  it("are of every mood, but of scenes so many in all, as the paper counts LISA's", async () => {
    const { sets } = openData(undefined, both({ ...tinySettings, pictures: { train: 40, test: 1 } }));
    const countsOf = (withData: AnyDataSet) =>
      withData(async (data) => data.fewShot((await data.load(0)).train, 4, 0).length);
    expect([await countsOf(sets.emotion6), await countsOf(sets.lisa)]).toEqual([12, 4]);
  });
});

describe("--data", () => {
  it("plays Emotion6 and ImageNet-Sub by one set of pictures and LISA and COCO-Sub by another, as the head says", () => {
    const { sets, about } = openData(undefined, tinyByTask);
    const names = Object.values(sets).map((withData) => withData(({ name }) => name));
    expect(names).toEqual(["moods", "scenes", "moods", "scenes"]);
    for (const role of ["Emotion6", "ImageNet-Sub", "LISA", "COCO-Sub"]) expect(about).toContain(role);
  });

  it("DIR reads the paper's own, each when it is first needed, and says where one that is missing is published", async () => {
    const folder = await mkdtemp(join(tmpdir(), "rise-published-"));
    try {
      const { sets } = openData(folder, both(paperSettings));
      expect(Object.values(sets).map((withData) => withData(({ name }) => name))).toEqual([
        ...["Emotion6", "LISA", "ImageNet-Sub", "COCO-Sub"],
      ]);
      for (const [role, published] of [
        ["emotion6", /Emotion6.*chenlab\.ece\.cornell\.edu/s],
        ["lisa", /ReasonSeg.*github\.com\/dvlab-research\/LISA/s],
        ["imagenet-sub", /ImageNet.*image-net\.org/s],
        ["coco-sub", /COCO.*cocodataset\.org/s],
      ] as const)
        await expect(sets[role]((data) => data.load(0))).rejects.toThrow(published);

      const classes = Object.keys(imagenetSubClasses);
      for (const synset of classes) {
        await mkdir(join(folder, "ImageNet", synset), { recursive: true });
        for (let i = 0; i < 35; i++) await writeFile(join(folder, "ImageNet", synset, `${synset}_${i}.JPEG`), "");
      }
      await sets["imagenet-sub"](async (data) => {
        const { train, test } = await data.load(0);
        expect([train.length, test.length]).toEqual([500, 200]);
        expect(data.fewShot(train, 4, 0)).toHaveLength(80);
        for (const { id, annotation } of train) data.task.validate(annotation, id);
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

const settings: Settings = {
  ...tinySettings,
  cot: { steps: 3, groupSize: 4, examplesPerStep: 2, learningRate: 2, warmupSteps: 0 },
  sft: { steps: 4, batchSize: 2, learningRate: 3, warmupSteps: 0 },
  bareAnswers: { steps: 4, batchSize: 2, learningRate: 3, warmupSteps: 0 },
  rft: { steps: 3, groupSize: 4, examplesPerStep: 2, learningRate: 3, warmupSteps: 0 },
};
const answers = dataset.map(({ annotation }) => moods.format(annotation));
const party: DataSet<LabelDistribution> = {
  name: "party",
  task: moods,
  load: async () => ({ train: dataset, test: dataset }),
  fewShot: (train, n) => train.slice(0, n),
  metrics: { jsd: classificationMetrics.jsd },
};

describe("running arms", () => {
  let out = "";
  beforeEach(async () => {
    out = await mkdtemp(join(tmpdir(), "rise-paper-"));
  });
  afterEach(() => rm(out, { recursive: true }));

  /** A laboratory with a scripted policy, and a list of the stages that were run. */
  async function laboratory(folder: string, stopAfter = Number.POSITIVE_INFINITY) {
    const written = [smiling, raining, ...answers];
    const targets = ["", ...written].flatMap((cot) => answers.map((answer) => formatThinkAnswer(cot, answer)));
    const trainer = scriptedTrainer({ texts: [...new Set([...written, ...targets])] });
    const initial = join(folder, "initial");
    await trainer.save(initial);
    const stop = new AbortController();
    let steps = 0;
    const lab: Lab = {
      student: async () => ({ trainer, initial }),
      ...{ model: "scripted", settings, out: folder, stop: stop.signal },
      async follow(_, run) {
        for await (const event of run) if (event.type === "step-end" && ++steps === stopAfter) stop.abort();
        return run;
      },
    };
    return { lab, bench: createBench(party, lab), steps: () => steps };
  }

  it("ends with an evaluation that is found again, with its answers, without a step", async () => {
    const first = await laboratory(out);
    const result = await first.bench.run(rise, 0);
    expect(first.steps()).toBeGreaterThan(0);
    expect(result!.records).toHaveLength(dataset.length);
    expect(result!.kept!.of).toBe(dataset.length);
    const second = await laboratory(out);
    expect(await second.bench.run(rise, 0)).toEqual(result);
    expect(await second.bench.stored(rise, 0)).toEqual(result);
    expect(second.steps()).toBe(0);
  });

  it("runs a stage that arms share once", async () => {
    const { bench, steps } = await laboratory(out);
    await bench.run(rise, 0);
    const before = steps();
    await bench.run({ ...rise, rft: false }, 0);
    expect(steps()).toBe(before);
    await bench.run({ ...rise, sft: "full", rft: false }, 0);
    expect(steps()).toBe(before + settings.sft.steps);
    expect((await readdir(out)).filter((name) => /-cot-[^.]*$/.test(name))).toHaveLength(1);
  });

  it("gives every arm the same result whichever arms came before: each stage begins with its own weights", async () => {
    const alone = await mkdtemp(join(tmpdir(), "rise-paper-"));
    const { bench } = await laboratory(out);
    const arms = [{ ...rise, sft: "full" } as const, { ...rise, cots: "base" } as const, visualRft, rise];
    for (const arm of arms) await bench.run(arm, 0);
    const { bench: fresh } = await laboratory(alone);
    const results = await Promise.all(arms.map((arm) => bench.stored(arm, 0)));
    expect(await fresh.run(rise, 0)).toEqual(results[3]);
    expect(await fresh.run(visualRft, 0)).toEqual(results[2]);
    await rm(alone, { recursive: true });
  });

  it("resumes after an interruption anywhere, and ends with the same result and the same rows", async () => {
    const { bench, steps } = await laboratory(out);
    const whole = await bench.run(rise, 0);
    const total = steps();
    for (const after of [1, 4, 7, total - 1]) {
      const folder = await mkdtemp(join(tmpdir(), "rise-paper-"));
      const interrupted = await laboratory(folder, after);
      await expect(interrupted.bench.run(rise, 0)).rejects.toThrow();
      const resumed = await laboratory(folder);
      expect(await resumed.bench.run(rise, 0)).toEqual(whole);
      expect(resumed.steps()).toBe(total - after);
      for (const stage of (await readdir(out)).filter((name) => /-(?:cot|sft|rft)-[^.]*$/.test(name)))
        expect(await readFile(join(folder, stage, "metrics.jsonl"))).toEqual(
          await readFile(join(out, stage, "metrics.jsonl")),
        );
      await rm(folder, { recursive: true });
    }
  });

  it("leaves GPT-4o out without a key, and takes cots and answers from it with one", async () => {
    const { bench, lab } = await laboratory(out);
    expect(await bench.run(gpt4o, 0)).toBeUndefined();
    expect(await bench.run({ ...rise, cots: "gpt-4o" }, 0)).toBeUndefined();
    const knows = scriptedBackend([formatThinkAnswer(smiling, answers[0]!)]);
    const withTeacher = createBench(party, { ...lab, teacher: knows });
    // Right about the two happy pictures of three: the third is as far away as can be.
    expect((await withTeacher.run(gpt4o, 0))!.metrics.jsd).toBeCloseTo(Math.LN2 / 3, 12);
    // Its cots are such answers as well, with tags that no target can hold: SFT leaves them out.
    const full = await withTeacher.run({ ...rise, cots: "gpt-4o", sft: "full", rft: false }, 0);
    expect(full!.kept).toMatchObject({ cots: 0 });
  });
});

describe("the base that is tempted to leak", () => {
  const temptation = { examples: 3, steps: 20, batchSize: 9, learningRate: 2 };
  const texts = [smiling, ...answers, ...answers.map((answer) => `${smiling} ${answer}`)];

  async function leakRate(trainer: Trainer): Promise<number> {
    const groups = await trainer.sampler().generate(
      dataset.map((example) => moods.cotPrompt(example)),
      { count: 64, maxTokens: 64, seed: 1 },
    );
    const leaks = groups.flatMap((group, i) => group.map(({ text }) => text === `${smiling} ${answers[i]}`));
    return leaks.filter(Boolean).length / leaks.length;
  }

  it("learns to write the annotation behind its thoughts", async () => {
    const trainer = scriptedTrainer({ texts });
    const before = await leakRate(trainer);
    const thinking = { ...trainer, sampler: () => scriptedBackend([smiling]) };
    await tempt(thinking, moods, dataset, temptation, 0, 64);
    expect(await leakRate(trainer)).toBeGreaterThan(1.5 * before);
  });

  it("is the student itself where a model needs no temptation, such as one given by --model", () => {
    expect(recipeOf(tempted, paperSettings)).toEqual(recipeOf(rise, paperSettings));
    expect(recipeOf(tempted, tinySettings)).not.toEqual(recipeOf(rise, tinySettings));
    expect(() => recipeOf({ ...tempted, cots: "base" }, tinySettings)).toThrow(ConfigError);
  });
});

describe("the printed table", () => {
  const [first] = tables;
  const seeds = [0, 1];
  const result = (divergences: readonly number[]): ArmResult => ({
    metrics: {},
    records: divergences.map((jsd, i) => ({
      ...{ exampleId: `${i}`, text: "", finishReason: "stop", think: "", prediction: null, truth: null },
      metrics: { jsd },
    })),
  });
  /** RISE has 0.1 and 0.2 with the two seeds, Visual-RFT 0.2 with one; nobody else has run. */
  const lookup = async (role: string, arm: Arm, seed: number) => {
    if (arm.shots !== "full" || role !== "emotion6") return undefined;
    if (arm.sft === "high") return result(Array(4).fill(0.1 + seed / 10));
    return arm.rft && seed === 0 ? result([0.3, 0.35, 0.05, 0.1]) : undefined;
  };
  const rowOf = (text: string, label: string) =>
    text
      .split("\n")
      .find((line) => line.startsWith(`| ${label} |`))!
      .split("|")
      .slice(2, -1)
      .map((cell) => cell.trim());

  it("has mean, deviation over seeds and interval beside the paper's figure, the best in bold, and says where seeds are missing", async () => {
    const text = await tableMarkdown(first!, seeds, lookup);
    expect(text).toContain("### Table 1. Comparisons on complex tasks");
    // Columns 5 and 6 are JSD and win rate with all examples.
    expect(rowOf(text, "RISE").slice(4, 6)).toEqual(["**0.150 ± 0.071 [0.100, 0.200]** / 0.071", "–"]);
    // Lower in one of four, and a tie counts half: 1.5 of 4. The fifth of the 256 ways to draw four is the last to be left out at each end.
    expect(rowOf(text, "Visual-RFT").slice(4, 6)).toEqual([
      "0.200 [0.075, 0.325] (1 of 2 seeds) / 0.126",
      "37.5 % [0.0 %, 75.0 %] (1 of 2 seeds) / 16.3 %",
    ]);
  });

  it("says what did not run and why, and has nothing where the paper asks nothing", async () => {
    const text = await tableMarkdown(first!, seeds, lookup);
    expect(rowOf(text, "GPT-4o")[4]).toBe("not run: set OPENAI_API_KEY / 0.106");
    expect(rowOf(text, "GPT-4o")[0]).toBe("–");
    expect(rowOf(text, "RISE")[0]).toBe("not run / 0.168");
    const reward = await tableMarkdown(tables[4]!, seeds, lookup);
    expect(rowOf(reward, "Full reward")[0]).toBe("**0.150 ± 0.071 [0.100, 0.200]** / –");
  });

  it("has as many cells in every line as columns", async () => {
    for (const table of tables) {
      const lines = (await tableMarkdown(table, seeds, lookup)).split("\n").slice(2);
      const widths = new Set(lines.map((line) => line.split("|").length));
      expect([...widths]).toEqual([table.columns.length + 3]);
      expect(lines).toHaveLength(table.rows.length + 2);
    }
  });
});

describe("the interval of a mean over seeds", () => {
  const figure = (values: readonly number[]): SeedFigure => ({
    ...{ value: mean(values), examples: values.length, weighted: weightedMean(values) },
  });
  const drawn = (offset: number, spread: number, ...path: (string | number)[]) => {
    const rng = createRng(0, ...path);
    return Array.from({ length: 30 }, () => offset + spread * rng.normal());
  };

  it("equals the interval over examples for one seed, and is wider where seeds differ than where they do not", () => {
    const values = drawn(0, 1, "one");
    const [one, plain] = [seedsInterval([figure(values)]), bootstrapInterval(30, weightedMean(values))];
    expect(one.high - one.low).toBeCloseTo(plain.high - plain.low, 1);
    const width = (offset: number) => {
      const seeds = [0, 1, 2].map((seed) => figure(drawn(seed * offset, 1, "seed", seed)));
      const { low, high } = seedsInterval(seeds);
      return high - low;
    };
    expect(width(2)).toBeGreaterThan(2 * width(0));
  });

  it("holds the true mean in nearly 95 of 100 experiments of ten seeds, and in about 80 of three", () => {
    const share = (seeds: number) => {
      const held = Array.from({ length: 100 }, (_, n) => {
        const rng = createRng(1, "nested", n);
        const figures = Array.from({ length: seeds }, (_, s) => figure(drawn(rng.normal(), 3, "nested", n, s)));
        const { low, high } = seedsInterval(figures);
        return low <= 0 && 0 <= high;
      });
      return held.filter(Boolean).length / 100;
    };
    expect(share(10)).toBeGreaterThan(0.88);
    expect(share(3)).toBeGreaterThan(0.75);
    expect(share(3)).toBeLessThan(0.9);
  });
});

describe("npm run paper", () => {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const paper = (...options: string[]) =>
    new Promise<{ code: number; printed: string }>((resolve) => {
      const command = ["--import", "tsx", "examples/paper/main.ts", ...options];
      execFile(process.execPath, command, { cwd: root }, (error, stdout, stderr) =>
        resolve({ code: typeof error?.code === "number" ? error.code : 0, printed: stdout + stderr }),
      );
    });

  it.each([
    [["--table", "7"], "--table: expected a number from 1 to 6, got 7"],
    [["--seeds", "1.5"], "--seeds: expected a whole number from 1 on, got 1.5"],
    [["--steps", "0"], "--steps: expected a number above 0, got 0"],
    [["--task", "poetry"], "--task: expected classification or detection, got poetry"],
  ])(
    "refuses %j with what it expected, what came and how to call it",
    async (options, message) => {
      const { code, printed } = await paper(...options);
      expect(printed).toContain(message);
      expect(printed).toContain("Usage: npm run paper --");
      expect(code).toBe(1);
    },
    60_000,
  );
});
