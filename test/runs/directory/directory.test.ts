import { existsSync } from "node:fs";
import { cp, readdir, readFile, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CheckpointError } from "../../../src/errors";
import { sumsProblem } from "../../../src/files/checksums";
import { openRunDirectory, type RunDirectory } from "../../../src/runs/directory/directory";
import { contents, withFolders } from "../../rise/world";

const config = { seed: 1, nested: { value: "a" } };
const row = (step: number) => ({ stage: "train", step, reward: step / 10, note: "ä" });
const trainer = { save: (dir: string) => writeFile(join(dir, "weights"), "w") } as never;

/** Does something with a directory that is closed afterwards, as a run does. */
async function opened<T>(
  folder: string | undefined,
  use: (directory: RunDirectory) => Promise<T> | T,
  options: { readonly resume?: boolean; readonly keep?: number; readonly settings?: object } = {},
): Promise<T> {
  const { settings = config, ...rest } = options;
  const directory = await openRunDirectory(folder, settings, rest);
  return Promise.resolve(use(directory)).finally(() => directory.close());
}
const resumed = <T>(folder: string | undefined, use: (directory: RunDirectory) => Promise<T> | T) =>
  opened(folder, use, { resume: true });
const checkpoints = async (folder: string) => (await readdir(join(folder, "checkpoints"))).sort();

describe("a run directory", () => {
  it("cuts off on resume what came after the last checkpoint", () =>
    withFolders(1, async (folder) => {
      const before = await opened(folder, async (directory) => {
        await directory.append("metrics", [row(1)]);
        await directory.checkpoint(1, { anything: [1, 2] });
        const files = await contents(folder!);
        await directory.append("metrics", [row(2)]);
        await directory.append("rollouts", [{ text: "lost" }]);
        return files;
      });
      await resumed(folder, async (directory) => {
        expect(directory.resumed).toEqual({ step: 1, state: { anything: [1, 2] }, damaged: [] });
        expect(directory.metrics).toEqual([row(1)]);
        expect(await contents(folder!)).toEqual(before);
      });
    }));

  it("starts from nothing when it is resumed before the first checkpoint", () =>
    withFolders(1, async (folder) => {
      await opened(folder, (directory) => directory.append("metrics", [row(1)]));
      await resumed(folder, (directory) => {
        expect(directory.resumed).toBeUndefined();
        expect(directory.metrics).toEqual([]);
      });
    }));

  it("keeps pointing at the last saved policy when a checkpoint is taken without one", () =>
    withFolders(1, async (folder) => {
      await opened(folder, async (directory) => {
        await directory.checkpoint(1, {}, { trainer });
        await directory.checkpoint(2, {});
      });
      await resumed(folder, (directory) => {
        expect(directory.resumed?.step).toBe(2);
        expect(directory.policy()).toBe(join(folder!, "checkpoints", "step-1"));
      });
    }));

  it("finds the newest checkpoint by number, not by name", () =>
    withFolders(1, async (folder) => {
      await opened(folder, async (directory) => {
        for (const step of [2, 9, 10]) await directory.checkpoint(step, step);
      });
      await resumed(folder, (directory) => expect(directory.resumed?.step).toBe(10));
    }));

  it("compares settings by what they are in JSON", () =>
    withFolders(1, async (folder) => {
      await opened(folder, () => {}, { settings: { ...config, absent: undefined } });
      await resumed(folder, () => {});
      const settings = { seed: 1, nested: { value: "b" }, extra: true };
      const other = opened(folder, () => {}, { settings, resume: true });
      await expect(other).rejects.toThrow(/nested\.value \("a" there, "b" here\); extra \(absent there, true here\)/);
    }));
});

describe("checkpoints", () => {
  it("are kept as many as asked for, with the weights that they name and the best one", () =>
    withFolders(1, async (folder) => {
      const names = (...steps: number[]) => steps.map((step) => `step-${step}`);
      await opened(
        folder,
        async (directory) => {
          await directory.checkpoint(1, {}, { trainer, reward: 0.5 });
          await directory.checkpoint(2, {}, { trainer, reward: 0.9 });
          await directory.checkpoint(3, {}, { trainer, reward: 0.9 });
          await directory.checkpoint(4, {}, { trainer });
          expect(await checkpoints(folder!)).toEqual(names(2, 3, 4));
          for (const step of [5, 6, 7]) await directory.checkpoint(step, {});
          expect(await checkpoints(folder!)).toEqual(names(2, 4, 6, 7));
          // Between equal rewards the earlier one.
          expect(directory.best()).toEqual({ step: 2, reward: 0.9, path: join(folder!, "checkpoints", "step-2") });
        },
        { keep: 2 },
      );
      await resumed(folder, (directory) => expect(directory.best()?.step).toBe(2));
      await opened(folder, async () => expect(await checkpoints(folder!)).toEqual(names(2, 4, 7)), {
        resume: true,
        keep: 1,
      });
    }));

  it("have no best one when the checkpoint that replaced it is damaged", () =>
    withFolders(1, async (folder) => {
      await opened(
        folder,
        async (directory) => {
          for (const [i, reward] of [0.5, 0.1, 0.1, 0.9].entries())
            await directory.checkpoint(i + 1, {}, { trainer, reward });
        },
        { keep: 2 },
      );
      await writeFile(join(folder!, "checkpoints", "step-4", "weights"), "other");
      await resumed(folder, async (directory) => {
        expect(directory.resumed?.step).toBe(3);
        expect(directory.best()).toBeUndefined();
        await directory.checkpoint(4, {}, { trainer, reward: 0.4 });
        expect(directory.best()?.step).toBe(4);
      });
    }));

  it("of a stop are kept besides the others until one that is due anyway is there", () =>
    withFolders(1, async (folder) => {
      const names = (...steps: number[]) => steps.map((step) => `step-${step}`);
      const keep = 2;
      await opened(
        folder,
        async (directory) => {
          for (const step of [2, 4]) await directory.checkpoint(step, step, { trainer });
          await directory.checkpoint(5, 5, { trainer, isStop: true });
          expect(await checkpoints(folder!)).toEqual(names(2, 4, 5));
        },
        { keep },
      );
      const ofStop = join(folder!, "checkpoints", "step-5");
      await cp(ofStop, `${folder}/aside`, { recursive: true });
      await opened(
        folder,
        async (directory) => {
          expect(directory.resumed?.state).toBe(5);
          expect(directory.policy()).toBe(ofStop);
          await directory.checkpoint(6, 6, { trainer });
          expect(await checkpoints(folder!)).toEqual(names(4, 6));
        },
        { keep, resume: true },
      );
      // As if the process had been killed before it was removed.
      await rename(`${folder}/aside`, ofStop);
      await opened(folder, async () => expect(await checkpoints(folder!)).toEqual(names(4, 6)), { keep, resume: true });
    }));

  it.each([
    ["its state is no state", (folder: string) => writeFile(join(folder, "state.json"), '{ "step": "one" }')],
    ["its state is gone", (folder: string) => rm(join(folder, "state.json"))],
    ["its weights are cut short", (folder: string) => truncate(join(folder, "weights"), 0)],
    ["its weights are gone", (folder: string) => rm(join(folder, "weights"))],
  ])("are gone back from to the last good one when %s, and the damaged one is named", (_, damage) =>
    withFolders(1, async (folder) => {
      const before = await opened(folder, async (directory) => {
        await directory.append("metrics", [row(1)]);
        await directory.checkpoint(1, "one", { trainer });
        const files = await contents(folder!);
        await directory.append("metrics", [row(2)]);
        await directory.checkpoint(2, "two", { trainer });
        return files;
      });
      await damage(join(folder!, "checkpoints", "step-2"));
      await resumed(folder, async (directory) => {
        expect(directory.resumed).toMatchObject({ step: 1, state: "one" });
        expect(directory.resumed?.damaged).toEqual([expect.stringContaining("step-2")]);
        expect(await contents(folder!)).toEqual(before);
      });
    }),
  );

  it("are found damaged by any bit that is another, in any of their files", () =>
    withFolders(1, async (folder) => {
      await opened(folder, async (directory) => {
        await directory.append("metrics", [row(1), row(2)]);
        await directory.checkpoint(1, "one", { trainer });
        await directory.checkpoint(2, { state: "two" }, { trainer });
      });
      const checkpoint = join(folder!, "checkpoints", "step-2");
      const files = ["SHA256SUMS", "state.json", "weights"];
      expect((await readdir(checkpoint)).sort()).toEqual(files);
      for (const name of files) {
        const bytes = await readFile(join(checkpoint, name));
        for (let bit = 0; bit < 8 * bytes.length; bit++) {
          bytes[bit >> 3]! ^= 1 << (bit & 7);
          await writeFile(join(checkpoint, name), bytes);
          const problem = await sumsProblem(checkpoint, ["state.json"]);
          expect(problem, `${name}, bit ${bit}`).toContain("step-2");
          bytes[bit >> 3]! ^= 1 << (bit & 7);
        }
        await writeFile(join(checkpoint, name), bytes);
      }
      expect(await sumsProblem(checkpoint, ["state.json"])).toBeUndefined();
      // The list itself, cut by a line.
      const sums = await readFile(join(checkpoint, "SHA256SUMS"), "utf8");
      await writeFile(join(checkpoint, "SHA256SUMS"), sums.split("\n").slice(0, 1).join("\n").concat("\n"));
      await resumed(folder, (directory) => {
        expect(directory.resumed).toMatchObject({ step: 1, state: "one" });
        expect(directory.resumed?.damaged).toEqual([
          expect.stringMatching(
            /^a newer checkpoint is left aside, because .*SHA256SUMS: expected a line .*state\.json/,
          ),
        ]);
      });
    }));

  it("are an error when none is good, and nothing is changed", () =>
    withFolders(1, async (folder) => {
      await opened(folder, async (directory) => {
        await directory.append("metrics", [row(1)]);
        await directory.checkpoint(1, {});
      });
      await truncate(join(folder!, "metrics.jsonl"), 3);
      const before = await contents(folder!);
      await expect(resumed(folder, () => {})).rejects.toThrow(
        /metrics\.jsonl: expected at least \d+ bytes, as at the checkpoint of step 1, got 3/,
      );
      expect(await contents(folder!)).toEqual(before);
      await rm(join(folder!, "config.json"));
      await expect(resumed(folder, () => {})).rejects.toThrow(CheckpointError);
    }));

  it("are not resumed from when rows before them are unreadable: the line is named", () =>
    withFolders(1, async (folder) => {
      await opened(folder, async (directory) => {
        await directory.append("metrics", [row(1), row(2)]);
        await directory.checkpoint(2, {});
      });
      const file = join(folder!, "metrics.jsonl");
      const bytes = await readFile(file);
      await writeFile(file, bytes.fill("?", 0, bytes.indexOf("\n")));
      await expect(resumed(folder, () => {})).rejects.toThrow(CheckpointError);
      await expect(resumed(folder, () => {})).rejects.toThrow(/metrics\.jsonl:1: expected a line of JSON, got \?\?/);
    }));
});

/** A file that the system refuses to fill, as a full disk does. */
const full = "/dev/full";

describe.skipIf(!existsSync(full))("on a full disk", () => {
  it("a checkpoint is a clear error, leaves nothing behind, and the one before survives", () =>
    withFolders(1, async (folder) => {
      const overflowing = {
        async save(dir: string) {
          await writeFile(join(dir, "adapter"), "fits");
          await writeFile(full, "does not fit");
        },
      } as never;
      await opened(folder, async (directory) => {
        await directory.checkpoint(1, "one", { trainer });
        const saved = directory.checkpoint(2, "two", { trainer: overflowing });
        await expect(saved).rejects.toThrow(CheckpointError);
        await expect(saved).rejects.toThrow(
          /step-2 could not be written, because of a full disk; the checkpoint of step 1 is intact.*resume: true/,
        );
        expect(await checkpoints(folder!)).toEqual(["step-1"]);
      });
      await resumed(folder, (directory) => expect(directory.resumed?.state).toBe("one"));
    }));

  it("so are the settings of a new run, which can be begun again", () =>
    withFolders(1, async (folder) => {
      await symlink(full, join(folder!, "config.json.partial"));
      await expect(opened(folder, () => {})).rejects.toThrow(CheckpointError);
      await expect(opened(folder, () => {})).rejects.toThrow(
        /config\.json could not be written, because of a full disk; nothing was begun/,
      );
      await rm(join(folder!, "config.json.partial"));
      await resumed(folder, () => {});
    }));

  it("so is what resuming has to put in order first", () =>
    withFolders(1, async (folder) => {
      await opened(folder, async (directory) => {
        await directory.append("metrics", [row(1)]);
        await directory.append("timings", [row(1)]);
        await directory.checkpoint(1, {});
      });
      await symlink(full, join(folder!, "timings.jsonl.partial"));
      await expect(resumed(folder, () => {})).rejects.toThrow(
        /timings\.jsonl could not be written, because of a full disk; the checkpoint of step 1 is intact/,
      );
    }));

  it("so are rows", () =>
    withFolders(1, async (folder) => {
      await opened(folder, async (directory) => {
        await rm(join(folder!, "rollouts.jsonl"));
        await symlink(full, join(folder!, "rollouts.jsonl"));
        await expect(directory.append("rollouts", [{ text: "does not fit" }])).rejects.toThrow(
          /rollouts\.jsonl could not be written, because of a full disk; no checkpoint was there yet/,
        );
      });
    }));
});

describe("a directory that is not a run's", () => {
  it("is refused as what it is, whether or not it is to be resumed", () =>
    withFolders(1, async (folder) => {
      await writeFile(join(folder!, "thesis.tex"), "");
      for (const resume of [false, true])
        await expect(opened(folder, () => {}, { resume })).rejects.toThrow(
          /is not empty, and not a run's: expected a config\.json, got thesis\.tex; choose another folder/,
        );
      expect(await readdir(folder!)).toEqual(["thesis.tex"]);
    }));
});

describe("where no directory can be written", () => {
  it("is an error that names the place", () =>
    withFolders(1, async (folder) => {
      const file = join(folder!, "file");
      await writeFile(file, "");
      for (const path of [file, join(file, "run"), ""]) {
        await expect(openRunDirectory(path, {})).rejects.toThrow(CheckpointError);
        await expect(openRunDirectory(path, {})).rejects.toThrow(`can be written to at "${path}", got `);
      }
    }));
});
