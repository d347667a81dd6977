import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DataError } from "../../src/errors";
import { riseCot } from "../../src/rise/rise-cot";
import { detection } from "../../src/tasks/detection";
import { scriptedTrainer } from "../../src/testing";
import type { Trainer } from "../../src/trainer";
import type { Example } from "../../src/types";
import {
  answerRun,
  answerTrainer,
  collect,
  contents,
  cotRun,
  cotTrainer,
  dataset,
  smiling,
  withFolders,
} from "./world";

/** A trainer whose sampler counts a token for every character of a prompt's last text, and has room for `limit` of them. */
function counting(trainer: Trainer, limit: number): Trainer {
  const sampler = {
    ...trainer.sampler(),
    countTokens: async (prompts: Parameters<NonNullable<ReturnType<Trainer["sampler"]>["countTokens"]>>[0]) => ({
      tokens: prompts.map((prompt) => JSON.stringify(prompt).length),
      limit,
    }),
  };
  return { ...trainer, sampler: () => sampler };
}

const failing = (trainer: Trainer, after: number): Trainer => {
  let passes = 0;
  return {
    ...trainer,
    async backward(...args) {
      if (++passes > after) throw new Error("out of memory");
      return trainer.backward(...args);
    },
  };
};

describe("before the first step, a run", () => {
  it("learns nothing: the run continues as it would have without it", () =>
    withFolders(2, async (a, b) => {
      await cotRun({ runDir: a!, trainer: cotTrainer() });
      await cotRun({ runDir: b!, trainer: cotTrainer(), preflight: false });
      const [withIt, without] = [await contents(a!), await contents(b!)];
      for (const file of ["rollouts.jsonl", "cots.jsonl", "config.json"]) expect(withIt[file]).toBe(without[file]);
      expect([withIt, without].map((files) => "preflight.html" in files)).toEqual([true, false]);
    }));

  it("tries a whole step of each of its stages, and tells what it takes", async () => {
    const events = await collect(answerRun({ trainer: counting(answerTrainer(), 10_000) }));
    const reports = events.flatMap((event) => (event.type === "preflight-end" ? [event.report] : []));
    expect(reports).toEqual([
      {
        ...{ stage: "sft", exampleId: "funeral", contextLength: 10_000 },
        promptTokens: expect.any(Number),
        estimatedSeconds: expect.any(Number),
      },
      {
        ...{ stage: "rft", exampleId: "funeral", contextLength: 10_000 },
        promptTokens: reports[0]!.promptTokens,
        formatRate: expect.any(Number),
        estimatedSeconds: expect.any(Number),
      },
    ]);
    expect(events.findIndex(({ type }) => type === "step-end")).toBeGreaterThan(1);
  });

  it("fails where training would fail, before anything is learned or written", () =>
    withFolders(1, async (folder) => {
      const run = cotRun({ runDir: folder!, trainer: failing(cotTrainer(), 0) });
      await expect(collect(run)).rejects.toThrow("out of memory");
      expect((await contents(folder!))["metrics.jsonl"]).toBe("");
      // The second of two stages fails as early.
      const steps: string[] = [];
      const both = answerRun({ trainer: failing(answerTrainer(), 2) });
      await expect(
        (async () => {
          for await (const event of both) if (event.type === "preflight-end") steps.push(event.report.stage);
        })(),
      ).rejects.toThrow("out of memory");
      expect(steps).toEqual(["sft"]);
    }));

  it("refuses a prompt that leaves too little room for its completion, with the numbers", async () => {
    const run = cotRun({
      trainer: counting(cotTrainer(), 400),
      sampling: { cotMaxTokens: 100, reconstructionMaxTokens: 90 },
    });
    await expect(run).rejects.toThrow(DataError);
    await expect(run).rejects.toThrow(
      /prompts do not fit, 6 of 6: expected at most 400 tokens .* the prompt of example funeral has \d+ and up to 190 may follow/,
    );
  });

  it("warns when no completion has the right form, and shows one", async () => {
    const trainer = () => scriptedTrainer({ texts: ["no idea"] });
    const warnings = async (options: Parameters<typeof cotRun>[0]) =>
      (await collect(cotRun({ ...options, steps: 1 }))).flatMap((event) =>
        event.type === "warning" && event.guard === "format" ? [event] : [],
      );
    const [warning] = await warnings({ trainer: trainer() });
    expect(warning).toMatchObject({
      step: 0,
      message: expect.stringMatching(/no completion of the first 4 has .*"no idea"/),
    });
    expect(await warnings({ trainer: cotTrainer(), groupSize: 32 })).toEqual([]);
    expect(await warnings({ trainer: trainer(), preflight: false })).toEqual([]);
  });

  it("does not try again when it is resumed", () =>
    withFolders(1, async (folder) => {
      for await (const event of cotRun({ runDir: folder!, trainer: cotTrainer() }))
        if (event.type === "checkpoint-end") break;
      const events = await collect(cotRun({ runDir: folder!, trainer: cotTrainer(), resume: true }));
      expect(events.some(({ type }) => type === "preflight-end")).toBe(false);
    }));

  it("draws annotations on their pictures, and what the model wrote beside them", () =>
    withFolders(1, async (folder) => {
      const pixels = { width: 40, height: 20, data: new Uint8Array(40 * 20 * 3).fill(200) };
      const task = detection({ target: "cat" });
      const example: Example<Parameters<typeof task.format>[0]> = {
        id: "<cat>",
        image: pixels,
        annotation: [{ space: "thousand", x: 250, y: 250, width: 500, height: 500 }],
      };
      const trainer = scriptedTrainer({ texts: ["A cat & its shadow.", task.format(example.annotation)] });
      await riseCot({ task, dataset: [example], trainer, groupSize: 2, examplesPerStep: 1, steps: 1, runDir: folder! });
      const page = await readFile(join(folder!, "preflight.html"), "utf8");
      expect(page).toContain('<rect class="truth" x="10" y="5" width="20" height="10"/>');
      expect(page).toContain("data:image/webp;base64,");
      expect(page).toMatch(/&lt;cat&gt;/);
      expect(page).not.toContain("A cat & its");
    }));

  it("warns when most boxes look like another unit's", async () => {
    const task = detection({ target: "cat" });
    const example = {
      id: "cat",
      image: { width: 40, height: 20, data: new Uint8Array(40 * 20 * 3) },
      annotation: [{ space: "thousand", x: 450, y: 210, width: 250, height: 470 }],
    } as const;
    const warned = async (...texts: string[]) => {
      const trainer = scriptedTrainer({ texts });
      const run = riseCot({ task, dataset: [example], trainer, groupSize: 2, examplesPerStep: 1, steps: 1 });
      return (await collect(run)).flatMap((event) =>
        event.type === "warning" && event.step === 0 ? [event.message] : [],
      );
    };
    expect(await warned("[[0.45, 0.21, 0.25, 0.47]]")).toEqual([
      expect.stringMatching(
        /coordinates look like fractions in completions, 2 of the first 2: expected what the prompt/,
      ),
    ]);
    expect(await warned("[[450, 210, 250, 470]]")).not.toEqual([expect.stringMatching(/fractions/)]);
  });

  it("says of a picture that cannot be read that it cannot", () =>
    withFolders(1, async (folder) => {
      await cotRun({ runDir: folder!, trainer: cotTrainer(), steps: 1 });
      const page = await readFile(join(folder!, "preflight.html"), "utf8");
      expect(page.match(/The image could not be read/g)).toHaveLength(dataset.length + 1);
      expect(page).toContain(smiling.slice(0, 6));
    }));
});
