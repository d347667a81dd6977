import type { FileHandle } from "node:fs/promises";
import { writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { openRunDirectory } from "../../../src/runs/directory/directory";
import { evaluationRun, withFolders } from "../../rise/world";

/** The files that reached the disk, and the names that were given, in order. */
const calls: { readonly call: "sync" | "rename" | "append"; readonly path: string }[] = [];

vi.mock("node:fs/promises", async (original) => {
  const actual = await original<typeof import("node:fs/promises")>();
  const noting =
    (call: "rename" | "append", f: (...args: never[]) => Promise<unknown>, which: number) =>
    (...args: never[]) => {
      calls.push({ call, path: String(args[which]) });
      return f(...args);
    };
  return {
    ...actual,
    rename: noting("rename", actual.rename as never, 1),
    appendFile: noting("append", actual.appendFile as never, 0),
    async open(...args: Parameters<typeof actual.open>): Promise<FileHandle> {
      const handle = await actual.open(...args);
      const sync = handle.sync.bind(handle);
      handle.sync = () => {
        calls.push({ call: "sync", path: String(args[0]) });
        return sync();
      };
      return handle;
    },
  };
});

beforeEach(() => void calls.splice(0));

describe("what a power cut must not take", () => {
  const trainer = { save: (dir: string) => writeFile(join(dir, "weights"), "w") } as never;

  it("is flushed: the files and the folder of a checkpoint before it gets its name, and that name and the run's after it", () =>
    withFolders(1, async (folder) => {
      const directory = await openRunDirectory(folder, {});
      const before = calls.map(({ call, path }) => `${call} ${relative(folder!, path)}`);
      expect(before).toEqual(expect.arrayContaining(["sync config.json.partial", "rename config.json", "sync "]));
      // The names of the row files.
      expect(before.at(-1)).toBe("sync ");
      calls.splice(0);
      await directory.checkpoint(1, {}, { trainer });
      const named = calls.findIndex(({ call }) => call === "rename");
      const flushed = (part: typeof calls) =>
        part.map(({ path }) => relative(folder!, path).replaceAll("\\", "/")).toSorted();
      const partial = "checkpoints/.step-1.partial";
      expect(flushed(calls.slice(0, named))).toEqual(
        [
          ...["SHA256SUMS", "state.json", "weights"].map((name) => `${partial}/${name}`),
          ...[partial, "rollouts.jsonl", "metrics.jsonl"],
        ].toSorted(),
      );
      expect(flushed(calls.slice(named + 1))).toEqual(["", "checkpoints"]);
      await directory.close();
    }));

  it("is flushed: every row of an evaluation when its call has ended, and the names of its files", () =>
    withFolders(1, async (folder) => {
      await evaluationRun({ runDir: folder! });
      const appended = [...calls.keys()].filter((i) => calls[i]!.call === "append");
      expect(appended).toHaveLength(5);
      for (const i of appended) expect(calls[i + 1]).toEqual({ call: "sync", path: join(folder!, "records.jsonl") });
      for (const [i, { call, path }] of calls.entries())
        if (call === "rename") {
          expect(calls[i - 1]).toEqual({ call: "sync", path: `${path}.partial` });
          expect(calls[i + 1], basename(path)).toEqual({ call: "sync", path: dirname(path) });
        }
    }));
});
