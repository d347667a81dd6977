import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { CheckpointError } from "../../../src/errors";
import { openRunDirectory } from "../../../src/runs/directory/directory";
import { lockRun } from "../../../src/runs/directory/lock";
import { type ProcessIdentity, thisProcess } from "../../../src/runs/directory/process-identity";
import { withFolders } from "../../rise/world";

const locks = async (folder: string) => (await readdir(folder)).filter((name) => name.startsWith("run.lock."));
/** Ten of these without a beat, and a process is taken for dead. */
const beatMs = 100;
const isLinux = process.platform === "linux";

/** Puts up the lock of another process. */
async function leaveLock(folder: string, change: Partial<ProcessIdentity>): Promise<void> {
  const owner = { ...thisProcess(), ...change, beatMs };
  await writeFile(join(folder, "run.lock.0123456789abcdef"), `${"0".repeat(16)} ${JSON.stringify(owner)}\n`);
}

const taken = async (folder: string) => {
  const lock = await lockRun(folder, beatMs);
  expect(await locks(folder)).toHaveLength(1);
  await lock.check();
  await lock.release();
  expect(await locks(folder)).toEqual([]);
};

describe("the lock of a run directory", () => {
  it("is held while the run is on, refuses a second run with the owner's pid, and beats", () =>
    withFolders(1, async (folder) => {
      const lock = await lockRun(folder!, beatMs);
      const [name] = await locks(folder!);
      await expect(lockRun(folder!)).rejects.toThrow(CheckpointError);
      await expect(lockRun(folder!)).rejects.toThrow(`in use by the run of process ${process.pid}, which lives`);
      await expect.poll(() => readFile(join(folder!, name!), "utf8"), { timeout: 10_000 }).not.toMatch(/^0{16} /);
      await lock.release();
      expect(await locks(folder!)).toEqual([]);
    }));

  it("is given back when the directory cannot be opened", () =>
    withFolders(1, async (folder) => {
      await (await openRunDirectory(folder, {})).close();
      await expect(openRunDirectory(folder, {})).rejects.toThrow(/not empty/);
      expect(await locks(folder!)).toEqual([]);
    }));

  it.skipIf(!isLinux).each([
    // Larger than any process number.
    ["of a process that has ended", { pid: 2 ** 30 }],
    ["of an earlier process with the number of this one, as in a container that was started again", { started: 1 }],
    ["of an earlier process with the number of one that lives", { pid: process.ppid, started: 1 }],
  ])("is taken over at once when it is %s", (_, change) =>
    withFolders(1, async (folder) => {
      await leaveLock(folder!, change);
      await taken(folder!);
    }),
  );

  it.each([
    ["on another machine", { host: "elsewhere", space: "elsewhere" }],
    ["on a machine whose name is no text of a URL", { host: "%zz", space: "%zz" }],
    ["of another PID namespace, with the number of this one", { space: "another" }],
    ["where /proc tells nothing", { pid: process.ppid, space: undefined } as never],
  ])("is taken over when it has not beaten for ten periods, of a process %s", (_, change) =>
    withFolders(1, async (folder) => {
      await leaveLock(folder!, change);
      await taken(folder!);
    }),
  );

  it.each([
    ["on another machine", { host: "elsewhere", space: "elsewhere" }, "process \\d+ on elsewhere, which lives"],
    ["of another PID namespace", { space: "another" }, "process \\d+, which lives"],
  ])("is respected when it beats, of a process %s", (_, change, message) =>
    withFolders(1, async (folder) => {
      await leaveLock(folder!, change);
      const file = join(folder!, "run.lock.0123456789abcdef");
      let beats = 0;
      const beating = setInterval(
        () => void writeFile(file, String(++beats).padStart(16, "0"), { flag: "r+" }),
        beatMs,
      );
      await expect(lockRun(folder!, beatMs)).rejects.toThrow(new RegExp(message));
      clearInterval(beating);
      expect(await locks(folder!)).toEqual(["run.lock.0123456789abcdef"]);
    }),
  );

  it.skipIf(!isLinux)("is respected at once when its process lives, though it may not beat", () =>
    withFolders(1, async (folder) => {
      const child = await holder(folder!);
      process.kill(child.pid, "SIGSTOP");
      await expect(lockRun(folder!)).rejects.toThrow(`process ${child.pid}, which lives`);
      await child.kill();
      await taken(folder!);
    }),
  );

  it("is an error that names it when it cannot be read", () =>
    withFolders(1, async (folder) => {
      await mkdir(join(folder!, "run.lock.x"));
      await expect(lockRun(folder!)).rejects.toThrow(CheckpointError);
      await expect(lockRun(folder!)).rejects.toThrow(/run\.lock\.x: expected a lock that can be read and removed/);
    }));

  it("lets one in where many come at once", () =>
    withFolders(1, async (folder) => {
      await leaveLock(folder!, { pid: 2 ** 30 });
      const attempts = await Promise.allSettled(Array.from({ length: 8 }, () => lockRun(folder!, beatMs)));
      const winners = attempts.flatMap((attempt) => (attempt.status === "fulfilled" ? [attempt.value] : []));
      expect(winners).toHaveLength(1);
      await winners[0]!.release();
    }));

  it("is missed by its owner, who writes nothing more, when it was taken away", () =>
    withFolders(1, async (folder) => {
      const directory = await openRunDirectory(folder, {});
      await directory.append("metrics", [{ stage: "train", step: 1 }]);
      for (const name of await locks(folder!)) await rm(join(folder!, name));
      for (const write of [
        () => directory.append("metrics", [{ stage: "train", step: 2 }]),
        () => directory.checkpoint(2, {}),
        () => directory.write("cots.jsonl", () => ""),
      ]) {
        await expect(write()).rejects.toThrow(CheckpointError);
        await expect(write()).rejects.toThrow(/expected the lock of this run, .*got none: .*writes nothing more/);
      }
      expect((await readFile(join(folder!, "metrics.jsonl"), "utf8")).split("\n")).toHaveLength(2);
      expect(await readdir(join(folder!, "checkpoints"))).toEqual([]);
      await directory.close();
    }));
});

const program = fileURLToPath(new URL("locking-process.ts", import.meta.url));

/** A process that holds a directory, maybe in a PID namespace of its own. */
async function holder(folder: string, wrapper: readonly string[] = []) {
  const [command, ...args] = [...wrapper, process.execPath, "--import", "tsx", program, folder, String(beatMs)];
  const child = spawn(command!, args, { stdio: ["pipe", "pipe", "inherit"] });
  const said = async () => String((await once(child.stdout, "data"))[0]).trim();
  const first = await said();
  return {
    pid: child.pid!,
    said: first,
    async ask() {
      child.stdin.write("check\n");
      return said();
    },
    kill: () => ended(child, () => child.kill("SIGKILL")),
    close: () => ended(child, () => child.stdin.end()),
  };
}

async function ended(child: ChildProcess, end: () => void): Promise<void> {
  const exit = once(child, "exit");
  end();
  await exit;
}

/** As a container: a PID namespace with a /proc of its own, whose end is the end of all in it. */
const container = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
const hasNamespaces = isLinux && spawnSync(container[0]!, [...container.slice(1), "true"]).status === 0;

describe.skipIf(!hasNamespaces)(
  "two containers with one host name and one run directory (needs unshare and the right to it)",
  () => {
    it("are never both in, and the successor of one that was killed is", () =>
      withFolders(1, async (folder) => {
        const first = await holder(folder!, container);
        expect(first.said).toBe("locked");
        // Both are process 1 or 2 of their namespaces.
        const second = await holder(folder!, container);
        expect(second.said).toMatch(/in use by the run of process \d, which lives/);
        await second.close();
        expect(await first.ask()).toBe("mine");
        await expect(lockRun(folder!, beatMs)).rejects.toThrow(/in use by the run of process \d, which lives/);
        await first.kill();
        expect(await locks(folder!)).toHaveLength(1);

        const successor = await holder(folder!, container);
        expect(successor.said).toBe("locked");
        expect(await successor.ask()).toBe("mine");
        expect(await locks(folder!)).toHaveLength(1);
        await successor.close();
        await taken(folder!);
      }));

    it("give way to each other when one stood still: it notices before it writes", () =>
      withFolders(1, async (folder) => {
        const first = await holder(folder!, container);
        const inside = Number(
          spawnSync("pgrep", ["-P", String(first.pid)])
            .stdout.toString()
            .trim(),
        );
        process.kill(inside, "SIGSTOP");
        const second = await holder(folder!, container);
        expect(second.said).toBe("locked");
        process.kill(inside, "SIGCONT");
        expect(await first.ask()).toMatch(/^CheckpointError: .*expected the lock of this run, .*got none/);
        expect(await second.ask()).toBe("mine");
        await second.close();
        await first.close();
      }));
  },
);
