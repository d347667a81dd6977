import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { mergeShards } from "../../src/annotation";
import { annotationRun, contents, counting, evaluationBackend, manyExamples, withFolders } from "../rise/world";

const program = fileURLToPath(new URL("../rise/killed-run.ts", import.meta.url));

/** Starts killed-run.ts as a process of its own. */
const start = (...args: readonly (string | number)[]) =>
  new Promise<{ readonly signal: string | null; readonly printed: string }>((resolve) => {
    const child = execFile(process.execPath, ["--import", "tsx", program, ...args.map(String)], (_, stdout) =>
      resolve({ signal: child.signalCode, printed: stdout }),
    );
  });

describe.concurrent("annotateDataset, when its process is killed", () => {
  it("ends with the same bytes, and asks for no answer that is written already", () =>
    withFolders(1, async (whole) => {
      const moments = JSON.parse((await start("annotate", whole!)).printed) as readonly string[];
      const expected = await contents(whole!);
      expect(Object.keys(expected)).toEqual([
        "annotations.csv",
        "annotations.html",
        "annotations.jsonl",
        "config.json",
      ]);
      const rows = [...moments.keys()].filter((i) => moments[i] === "rows");
      // While a row is half written, and while the table and the page are written.
      for (const moment of [rows[7]!, rows.at(-4)!, rows.at(-1)!])
        await withFolders(1, async (folder) => {
          expect((await start("annotate", folder!, moment)).signal, `${moment}`).toBe("SIGKILL");
          const { "annotations.jsonl": written = "" } = await contents(folder!);
          let asked = 0;
          const backend = counting(evaluationBackend(), (prompts) => (asked += prompts));
          await annotationRun({ runDir: folder!, resume: true, backend });
          expect(asked).toBe(manyExamples.length - (written.split("\n").length - 1));
          expect(await contents(folder!), `killed at ${moment}`).toEqual(expected);
        });
    }));

  it("has every row exactly once when both shards are killed twice and merged", () =>
    withFolders(2, async (whole, parts) => {
      await annotationRun({ runDir: whole! });
      const shards = join(parts!, "shards");
      for (const [shard, moments] of [
        ["1/2", ["rows 5", "rows 5"]],
        ["2/2", ["sampling 1", "rows 9"]],
      ] as const) {
        const runDir = join(shards, shard.slice(0, 1));
        for (const moment of moments)
          expect((await start(`annotate ${shard}`, runDir, moment)).signal, `${shard}, ${moment}`).toBe("SIGKILL");
        await annotationRun({ runDir, shard, resume: true });
      }
      const merged = join(parts!, "merged");
      const result = await mergeShards({ shards, runDir: merged });
      expect(result).toEqual({ file: join(merged, "annotations.jsonl"), rows: manyExamples.length, without: [] });
      const sorted = async (folder: string) =>
        (await readFile(join(folder, "annotations.jsonl"), "utf8")).trim().split("\n").sort();
      expect(await sorted(merged)).toEqual(await sorted(whole!));
    }));
});
