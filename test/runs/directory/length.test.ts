import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CheckpointError } from "../../../src/errors";
import { linearSchedule } from "../../../src/optim";
import { continuesFrom, nextCheckpoint, type RunLength } from "../../../src/runs/directory/length";
import { answerRun, answerTrainer, collect, contents, cotRun, cotTrainer, withFolders } from "../../rise/world";

/** A run that is stopped when so many steps are done. */
async function stopped(run: AsyncIterable<{ readonly type: string; readonly step?: number }>, step: number) {
  for await (const event of run) if (event.type === "step-end" && event.step === step) break;
}

describe("a run that is resumed with more steps", () => {
  it("runs longer, and learns what a run of that length learns, while the stage is not over", () =>
    withFolders(2, async (whole, folder) => {
      const options = { checkpointEvery: 2, keepCheckpoints: 9 };
      await cotRun({ ...options, trainer: cotTrainer(), runDir: whole!, steps: 8 });
      await stopped(cotRun({ ...options, trainer: cotTrainer(), runDir: folder!, steps: 6 }), 5);
      await cotRun({ ...options, trainer: cotTrainer(), runDir: folder!, steps: 8, resume: true });
      expect(await contents(folder!)).toEqual(await contents(whole!));
      // Now config.json is of the longer run.
      await cotRun({ ...options, trainer: cotTrainer(), runDir: folder!, steps: 8, resume: true });
    }));

  it("runs longer after it has ended, when its last stage is the one that has more", () =>
    withFolders(2, async (whole, folder) => {
      const sft = { steps: 4, batchSize: 2, learningRate: 3 };
      const rft = { groupSize: 4, examplesPerStep: 2, learningRate: 3 };
      const run = (runDir: string, steps: number) =>
        answerRun({ trainer: answerTrainer(), runDir, sft, rft: { ...rft, steps }, resume: true, keepCheckpoints: 9 });
      await run(whole!, 6);
      await run(folder!, 2);
      await run(folder!, 6);
      expect(await contents(folder!)).toEqual(await contents(whole!));
    }));

  it("does the last pass again when it had ended, since that pass trains nothing", () =>
    withFolders(2, async (whole, folder) => {
      const options = { checkpointEvery: 2, keepCheckpoints: 9, resume: true };
      await cotRun({ ...options, trainer: cotTrainer(), runDir: whole!, steps: 8 });
      await cotRun({ ...options, trainer: cotTrainer(), runDir: folder!, steps: 6 });
      await cotRun({ ...options, trainer: cotTrainer(), runDir: folder!, steps: 8 });
      expect(await contents(folder!)).toEqual(await contents(whole!));
    }));

  it("does not call a checkpoint missing when the last pass that is done again was longer than what is added", () =>
    withFolders(1, async (folder) => {
      const options = { runDir: folder!, checkpointEvery: 50, examplesPerStep: 1, resume: true };
      await cotRun({ ...options, trainer: cotTrainer(), steps: 6 });
      const events = await collect(cotRun({ ...options, trainer: cotTrainer(), steps: 7 }));
      const guards = events.flatMap((event) => (event.type === "warning" ? [event.guard] : []));
      expect(guards).not.toContain("damaged-checkpoint");
    }));

  it("is told how to train on when it has fewer steps, or other training has followed", () =>
    withFolders(2, async (cot, r1) => {
      await cotRun({ trainer: cotTrainer(), runDir: cot! });
      await answerRun({ trainer: answerTrainer(), runDir: r1! });
      const before = await Promise.all([cot!, r1!].map(contents));
      const fewer = cotRun({ trainer: cotTrainer(), runDir: cot!, steps: 5, resume: true });
      await expect(fewer).rejects.toThrow(CheckpointError);
      await expect(fewer).rejects.toThrow(/steps \(6 there, 5 here\)/);
      await expect(fewer).rejects.toThrow(
        /Only the steps of a stage that no other training has followed may be raised.*new runDir .*trainer\.load\(.*step-6"\)/,
      );
      const sft = { steps: 6, batchSize: 2, learningRate: 3 };
      const followed = answerRun({ trainer: answerTrainer(), runDir: r1!, sft, resume: true });
      await expect(followed).rejects.toThrow(/sft\.steps \(5 there, 6 here\)/);
      expect(await Promise.all([cot!, r1!].map(contents))).toEqual(before);
    }));

  it("is told what is in the directory when that is a run of another kind", () =>
    withFolders(1, async (folder) => {
      await cotRun({ trainer: cotTrainer(), runDir: folder! });
      const other = answerRun({ trainer: answerTrainer(), runDir: folder!, resume: true });
      await expect(other).rejects.toThrow(
        `${folder} holds a rise-cot run, and this is a rise-r1 run: choose another runDir`,
      );
    }));

  it("needs a schedule that gives the rates it gave", () =>
    withFolders(2, async (a, b) => {
      const until = (totalSteps: number) => linearSchedule({ learningRate: 2, totalSteps });
      for (const [folder, learningRate] of [
        [a, until(6)],
        [b, until(9)],
      ] as const)
        await stopped(cotRun({ trainer: cotTrainer(), runDir: folder!, learningRate: until(9) }), 3).then(async () => {
          const longer = cotRun({ trainer: cotTrainer(), runDir: folder!, steps: 9, learningRate, resume: true });
          if (folder === b) await longer;
          else await expect(longer).rejects.toThrow(/learningRate\.sha256 .*learning rates so far must stay/);
        });
    }));
});

describe("a run whose checkpoints were taken away", () => {
  it("is an error that says so, and no row is lost", () =>
    withFolders(1, async (folder) => {
      await cotRun({ trainer: cotTrainer(), runDir: folder! });
      await rm(join(folder!, "checkpoints"), { recursive: true });
      const before = await contents(folder!);
      const run = cotRun({ trainer: cotTrainer(), runDir: folder!, resume: true });
      await expect(run).rejects.toThrow(CheckpointError);
      await expect(run).rejects.toThrow(
        /expected a checkpoint of at least step 2, since metrics\.jsonl has rows of 8 steps, got none\. Put checkpoints\/ back, or start again/,
      );
      expect(await contents(folder!)).toEqual(before);
    }));

  it("is an error even where no checkpoint was due yet, since the folder is made with the run", () =>
    withFolders(1, async (folder) => {
      await stopped(cotRun({ trainer: cotTrainer(), runDir: folder!, checkpointEvery: 50 }), 2);
      await rm(join(folder!, "checkpoints"), { recursive: true });
      await expect(
        cotRun({ trainer: cotTrainer(), runDir: folder!, checkpointEvery: 50, resume: true }),
      ).rejects.toThrow(/metrics\.jsonl has rows of \d steps, got none/);
    }));

  it("warns where only the newer ones were, and does their steps again", () =>
    withFolders(2, async (whole, folder) => {
      const options = { trainer: cotTrainer(), keepCheckpoints: 9 };
      for (const runDir of [whole!, folder!]) await cotRun({ ...options, trainer: cotTrainer(), runDir });
      for (const step of [4, 6, 8]) await rm(join(folder!, "checkpoints", `step-${step}`), { recursive: true });
      const events = await collect(cotRun({ ...options, trainer: cotTrainer(), runDir: folder!, resume: true }));
      expect(events.flatMap((event) => (event.type === "warning" ? [event.message] : []))[0]).toMatch(
        /at least step 4, since metrics\.jsonl has rows of 8 steps, got step 2 as the newest: what came after step 2 is cut off and done again/,
      );
      expect(await contents(folder!)).toEqual(await contents(whole!));
    }));
});

describe("the length of a run", () => {
  const length: RunLength = {
    stages: [{ steps: 5, setting: "a" }, { steps: 0 }, { steps: 4, setting: "b.c" }],
    checkpointEvery: 3,
    config: (steps) => ({ a: steps.get("a"), b: { c: steps.get("b.c") }, seed: 1 }),
  };

  it("says when the next checkpoint is due", () => {
    expect([0, 1, 2, 3, 4, 5, 6, 8, 9].map((step) => nextCheckpoint(length, step))).toEqual([
      3, 3, 3, 5, 5, 6, 9, 9, 9,
    ]);
  });

  const from = (a: unknown, c: unknown, reached: number, { seed = 1, trains = true } = {}) => {
    const [first, , last] = length.stages;
    const stages = [first!, { steps: 0 }, { ...last!, trains }];
    return continuesFrom({ ...length, stages }, { a, b: { c }, seed }, reached);
  };

  it("is longer than a config's with fewer steps in a stage that is not over, and nothing else", () => {
    expect(from(4, 4, 4)).toBe(4);
    expect(from(4, 4, 5)).toBeUndefined();
    expect(from(5, 3, 8)).toBe(8);
    expect(from(4, 3, 5)).toBeUndefined();
    expect(from(5, 4, 1)).toBeUndefined();
    expect(from(6, 3, 1)).toBeUndefined();
    expect(from(4, 4, 4, { seed: 2 })).toBeUndefined();
    expect(from("many", undefined, 0)).toBeUndefined();
    expect(continuesFrom(length, null, 0)).toBeUndefined();
  });

  it("is more when only stages that do not train came after the stage, which are done again", () => {
    expect(from(4, 4, 3, { trains: false })).toBe(3);
    expect(from(4, 4, 8, { trains: false })).toBe(4);
  });
});
