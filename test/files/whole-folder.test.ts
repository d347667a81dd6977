import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { CheckpointError, ConfigError } from "../../src/errors";
import { requireNewFolder, writeWholeFolder } from "../../src/files/whole-folder";

const scratch = await mkdtemp(join(tmpdir(), "rise-whole-folder-"));
afterAll(() => rm(scratch, { recursive: true }));
let around = "";
beforeEach(async () => {
  around = await mkdtemp(join(scratch, "test-"));
});
const write = (folder: string) => writeFile(join(folder, "a.txt"), "a");

describe("writeWholeFolder", () => {
  it("makes a folder below folders that are missing, and takes an empty one's place", async () => {
    for (const dir of [join(around, "a", "b"), join(around, "empty")]) {
      if (dir.endsWith("empty")) await mkdir(dir);
      await writeWholeFolder(dir, write);
      expect(await readFile(join(dir, "a.txt"), "utf8")).toBe("a");
    }
    expect((await readdir(around)).sort()).toEqual(["a", "empty"]);
  });

  it("refuses a folder that holds something, and a file", async () => {
    const dir = join(around, "full");
    await writeWholeFolder(dir, write);
    await expect(writeWholeFolder(dir, write)).rejects.toThrow(ConfigError);
    await expect(writeWholeFolder(dir, write)).rejects.toThrow(
      `${dir}: expected a new or empty folder, got one with "a.txt" in it; name another`,
    );
    await expect(writeWholeFolder(join(dir, "a.txt"), write)).rejects.toThrow(/got what cannot be listed \(ENOTDIR\)/);
    await expect(requireNewFolder(dir, CheckpointError)).rejects.toThrow(CheckpointError);
  });

  it("says that a place cannot be written to", async () => {
    const dir = join(around, "x".repeat(250));
    await expect(writeWholeFolder(dir, write)).rejects.toThrow(
      `${dir}: expected a place that can be written to, got a name that is too long; name another`,
    );
  });

  it("leaves nothing when writing fails", async () => {
    const failing = writeWholeFolder(join(around, "x"), async (folder) => {
      await write(folder);
      throw new Error("full");
    });
    await expect(failing).rejects.toThrow("full");
    expect(await readdir(around)).toEqual([]);
  });

  it("removes what a dead process left beside it, and nothing else", async () => {
    const { pid } = spawnSync(process.execPath, ["-e", ""]);
    const others = ["x.partial", `x.partial-${process.pid}-abcdef`, "x.partial-thesis", `y.partial-${pid}-abcdef`];
    for (const name of [...others, `x.partial-${pid}-abcdef`])
      await mkdir(join(around, name, "x"), { recursive: true });
    await writeWholeFolder(join(around, "x"), write);
    expect((await readdir(around)).sort()).toEqual(["x", ...others].sort());
  });
});
