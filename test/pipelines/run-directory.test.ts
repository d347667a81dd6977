import { rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CheckpointError } from "../../src/errors";
import { openRunDirectory } from "../../src/pipelines/run-directory";
import { contents, withFolders } from "./world";

/** Does something with a directory that is closed afterwards, as a run does. */
async function opened<T>(
  options: { folder: string | undefined; resume?: boolean; keep?: number; config?: object },
  use: (directory: RunDirectory) => Promise<T>,
): Promise<T> {
  const { folder, config: settings = config, ...rest } = options;
  const directory = await openRunDirectory(folder, settings, rest);
  return use(directory).finally(() => directory.close());
}

const config = { seed: 1, nested: { value: "a" } };
const row = (step: number) => ({ stage: "train", step, reward: step / 10, note: "ä" });

describe("a run directory", () => {
  it("cuts off on resume what came after the last checkpoint", () =>
    withFolders(1, async (folder) => {
      const first = await openRunDirectory(folder, config);
      await first.append("metrics", [row(1)]);
      await first.checkpoint(1, { anything: [1, 2] });
      const before = await contents(folder!);
      await first.append("metrics", [row(2)]);
      await first.append("rollouts", [{ text: "lost" }]);

      const second = await openRunDirectory(folder, config, { resume: true });
      expect(second.resumed).toEqual({ step: 1, state: { anything: [1, 2] } });
      expect(second.metrics).toEqual([row(1)]);
      expect(await contents(folder!)).toEqual(before);
    }));

  it("starts from nothing when it is resumed before the first checkpoint", () =>
    withFolders(1, async (folder) => {
      await (await openRunDirectory(folder, config)).append("metrics", [row(1)]);
      const again = await openRunDirectory(folder, config, { resume: true });
      expect(again.resumed).toBeUndefined();
      expect(again.metrics).toEqual([]);
    }));

  it("keeps pointing at the last saved policy when a checkpoint is taken without one", () =>
    withFolders(1, async (folder) => {
      const directory = await openRunDirectory(folder, config);
      const trainer = { save: (dir: string) => writeFile(join(dir, "weights"), "w") };
      await directory.checkpoint(1, {}, trainer as never);
      await directory.checkpoint(2, {});
      const again = await openRunDirectory(folder, config, { resume: true });
      expect(again.resumed?.step).toBe(2);
      expect(again.policy()).toBe(join(folder!, "checkpoints", "step-1"));
    }));

  it("finds the newest checkpoint by number, not by name", () =>
    withFolders(1, async (folder) => {
      const directory = await openRunDirectory(folder, config);
      for (const step of [2, 9, 10]) await directory.checkpoint(step, step);
      expect((await openRunDirectory(folder, config, { resume: true })).resumed?.step).toBe(10);
    }));

  it("says what is damaged", () =>
    withFolders(1, async (folder) => {
      const directory = await openRunDirectory(folder, config);
      await directory.append("metrics", [row(1)]);
      await directory.checkpoint(1, {});
      const again = () => openRunDirectory(folder, config, { resume: true });
      await truncate(join(folder!, "metrics.jsonl"), 3);
      await expect(again()).rejects.toThrow(/metrics\.jsonl has 3 bytes, but the last checkpoint was taken at \d+/);
      await writeFile(join(folder!, "checkpoints", "step-1", "state.json"), '{ "step": "one" }');
      await expect(again()).rejects.toThrow(/state\.json is not a checkpoint's state/);
      await rm(join(folder!, "config.json"));
      await expect(again()).rejects.toThrow(CheckpointError);
    }));

  it("compares settings by what they are in JSON", () =>
    withFolders(1, async (folder) => {
      await openRunDirectory(folder, { ...config, absent: undefined });
      await openRunDirectory(folder, config, { resume: true });
      const other = openRunDirectory(folder, { seed: 1, nested: { value: "b" }, extra: true }, { resume: true });
      await expect(other).rejects.toThrow(/nested\.value \("a" there, "b" here\); extra \(absent there, true here\)/);
    }));
});
