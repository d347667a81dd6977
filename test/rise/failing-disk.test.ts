import type { FileHandle } from "node:fs/promises";
import { describe, expect, it, vi } from "vitest";
import { RiseError } from "../../src/errors";
import { answerRun, answerTrainer, contents, cotRun, cotTrainer, evaluationRun, withFolders } from "./world";

/** Operations that change the run's folder; the one of number `at`, and those after it if it lasts, fail with `code`. */
const disk = vi.hoisted(() => ({
  folder: "/",
  at: Number.POSITIVE_INFINITY,
  lasts: false,
  code: "EIO",
  operations: [] as string[],
}));

vi.mock("node:fs/promises", async (original) => {
  const actual = await original<typeof import("node:fs/promises")>();
  type Operation = (...args: readonly unknown[]) => Promise<unknown>;
  const begin = (name: string, path: unknown) => {
    if (!String(path).startsWith(disk.folder)) return;
    const number = disk.operations.push(name) - 1;
    const fails = disk.lasts ? number >= disk.at : number === disk.at;
    const error = { code: disk.code, syscall: name, path };
    if (fails) throw Object.assign(new Error(`${disk.code}: injected, ${name} '${String(path)}'`), error);
  };
  const failing =
    (name: keyof typeof actual) =>
    async (path: unknown, ...rest: readonly unknown[]) => {
      begin(name, path);
      return (actual[name] as Operation)(path, ...rest);
    };
  const names = [
    "mkdir",
    "writeFile",
    "appendFile",
    "copyFile",
    "rename",
    "rm",
    "rmdir",
    "truncate",
    "unlink",
  ] as const;
  return {
    ...actual,
    ...Object.fromEntries(names.map((name) => [name, failing(name)])),
    async open(path: string, flags = "r", ...rest: readonly unknown[]): Promise<FileHandle> {
      if (flags !== "r") begin("open", path);
      const handle = (await (actual.open as Operation)(path, flags, ...rest)) as FileHandle;
      if (flags === "r") return handle;
      for (const name of ["sync", "write", "writeFile", "appendFile"] as const) {
        const operation = handle[name].bind(handle) as Operation;
        handle[name] = (async (...args: readonly unknown[]) => {
          begin(name, path);
          return operation(...args);
        }) as never;
      }
      return handle;
    },
  };
});

const runs = {
  riseCot: (runDir: string, resume: boolean) => cotRun({ runDir, resume, trainer: cotTrainer() }),
  riseR1: (runDir: string, resume: boolean) => answerRun({ runDir, resume, trainer: answerTrainer() }),
  evaluate: (runDir: string, resume: boolean) => evaluationRun({ runDir, resume }),
};
const codes = ["ENOSPC", "EIO", "EDQUOT", "EACCES", "EROFS", "EMFILE", "EFBIG"];

/** Calls while operations on its folder fail. @returns its error */
async function whileFailing(folder: string, failure: Partial<typeof disk>, call: () => PromiseLike<unknown>) {
  Object.assign(disk, { folder, operations: [], at: Number.POSITIVE_INFINITY, lasts: false }, failure);
  try {
    await call();
  } catch (error) {
    return error;
  } finally {
    Object.assign(disk, { folder: "/", at: Number.POSITIVE_INFINITY });
  }
  return undefined;
}

describe("a disk that fails", () => {
  it.each(Object.entries(runs))(
    "at any operation of %s is an error of ours, after which resuming ends with the same bytes",
    async (name, run) => {
      await withFolders(1, async (whole) => {
        expect(await whileFailing(whole!, {}, () => run(whole!, false))).toBeUndefined();
        const count = disk.operations.length;
        const expected = await contents(whole!);
        expect(count).toBeGreaterThan(15);
        const apart = Math.ceil(count / 24);
        for (let at = 0, i = 0; at < count; at += apart, i++)
          await withFolders(1, async (folder) => {
            const failure = { at, lasts: i % 2 === 0, code: codes[i % codes.length]! };
            const error = await whileFailing(folder!, failure, () => run(folder!, false));
            const place = `${name}, operation ${at} (${disk.operations[at]}), ${JSON.stringify(failure)}`;
            if (error !== undefined) expect(error, `${place}: ${String(error)}`).toBeInstanceOf(RiseError);
            await run(folder!, true);
            expect(await contents(folder!), place).toEqual(expected);
          });
      });
    },
  );
});
