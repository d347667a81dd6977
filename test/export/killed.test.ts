import { spawnSync } from "node:child_process";
import type * as Files from "node:fs/promises";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { exportTransformersJs } from "../../src/export";
import { checkpointDir } from "../models/reference";

/** Operations that change files, as the exporting code asks for them; `dieAt` names the one that never begins. */
const disk = vi.hoisted(() => ({
  operations: [] as string[],
  dieAt: Number.POSITIVE_INFINITY,
  died: () => {},
  open: [] as { close(): Promise<void> }[],
}));

vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof Files>();
  const begin = async (name: string) => {
    if (disk.operations.length === disk.dieAt) {
      disk.died();
      await new Promise(() => {});
    }
    disk.operations.push(name);
  };
  type Operation = (...args: readonly unknown[]) => Promise<unknown>;
  const watched = (["mkdir", "writeFile", "copyFile", "rm", "rmdir", "rename"] as const).map((name) => [
    name,
    async (...args: readonly unknown[]) => {
      await begin(name);
      return (real[name] as Operation)(...args);
    },
  ]);
  const open = async (path: string, flags: string) => {
    if (flags === "w") await begin("open");
    const file = await real.open(path, flags);
    if (flags !== "w") return file;
    disk.open.push(file);
    const write = file.writeFile.bind(file) as Operation;
    file.writeFile = async (...args: readonly unknown[]) => {
      await begin("write");
      await write(...args);
    };
    return file;
  };
  return { ...real, ...Object.fromEntries(watched), open };
});

const folder = await mkdtemp(join(tmpdir(), "rise-killed-"));
afterAll(() => rm(folder, { recursive: true }));

/** Exports until the operation with this number would begin. */
async function killedExport(dir: string, dieAt: number): Promise<void> {
  const death = new Promise<void>((resolve) => {
    Object.assign(disk, { operations: [], open: [], dieAt, died: resolve });
  });
  const whole = exportTransformersJs(checkpointDir, dir).then(() => {
    throw new Error("the export was not killed");
  });
  await Promise.race([death, whole]);
  disk.dieAt = Number.POSITIVE_INFINITY;
  await Promise.all(disk.open.map((file) => file.close().catch(() => {})));
}

async function contentOf(dir: string): Promise<Map<string, Buffer>> {
  const names = (await readdir(dir, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const paths = names.map((entry) => join(entry.parentPath, entry.name)).sort();
  return new Map(await Promise.all(paths.map(async (path) => [path.slice(dir.length), await readFile(path)] as const)));
}

describe("an export that is killed", () => {
  it("leaves nothing under its name at any of its operations on files, and the next one is whole", async () => {
    const [whole, dir] = [join(folder, "whole"), join(folder, "killed")];
    disk.operations = [];
    await exportTransformersJs(checkpointDir, whole);
    const operations = disk.operations;
    expect(operations.slice(-2)).toEqual(["rename", "rm"]);
    // The number of a process that has ended, as a killed one's would be.
    const pid = vi.spyOn(process, "pid", "get").mockReturnValue(spawnSync(process.execPath, ["-e", ""]).pid);
    // One in forty of the many writes of tensors, and everything else.
    const moments = operations.slice(0, -1).flatMap((name, i) => (name !== "write" || i % 40 === 0 ? [i] : []));
    expect(moments.length).toBeGreaterThan(15);
    for (const moment of moments) {
      await killedExport(dir, moment);
      // The next export meets what this one left, and may be killed too.
      expect(await readdir(folder), `killed before ${operations[moment]}, number ${moment}`).not.toContain("killed");
    }
    await exportTransformersJs(checkpointDir, dir);
    pid.mockRestore();
    expect(await contentOf(dir)).toEqual(await contentOf(whole));
    expect((await readdir(folder)).sort()).toEqual(["killed", "whole"]);
  });
});
