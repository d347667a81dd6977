import { spawn } from "node:child_process";
import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { createRng } from "../../src/rng";
import { openRunDirectory } from "../../src/runs/directory/directory";
import { onnxRun, tinyTrainer } from "./onnx-world";
import {
  answerRun,
  answerTrainer,
  contents,
  cotRun,
  cotTrainer,
  counting,
  evaluationBackend,
  evaluationRun,
  manyExamples,
  withFolders,
} from "./world";

const program = fileURLToPath(new URL("killed-run.ts", import.meta.url));

/** Starts killed-run.ts as a process of its own. */
const start = (...args: readonly (string | number)[]) =>
  new Promise<{ readonly pid: number; readonly signal: string | null; readonly printed: string }>((resolve, reject) => {
    const child = spawn(process.execPath, ["--import", "tsx", program, ...args.map(String)]);
    let printed = "";
    child.stdout.on("data", (chunk) => (printed += chunk));
    child.stderr.on("data", (chunk) => (printed += chunk));
    child.on("error", reject);
    child.on("close", (_, signal) => resolve({ pid: child.pid!, signal, printed }));
  });

const goOn = {
  cot: (runDir: string) => cotRun({ runDir, resume: true, trainer: cotTrainer() }),
  r1: (runDir: string) => answerRun({ runDir, resume: true, trainer: answerTrainer() }),
};

describe.concurrent.each(["cot", "r1"] as const)("a run of rise-%s whose process is killed", (pipeline) => {
  it("ends with the same bytes, whatever it was doing, and if it is killed again on the way", () =>
    withFolders(1, async (whole) => {
      const { printed } = await start(pipeline, whole!);
      const moments = JSON.parse(printed) as readonly string[];
      const expected = await contents(whole!);
      const result = await goOn[pipeline](whole!);

      const rng = createRng(0, pipeline);
      for (const kind of ["rows", "sampling", "step", "checkpoint", "cots"]) {
        const ofKind = [...moments.keys()].filter((i) => moments[i] === kind);
        expect(ofKind, kind).not.toEqual([]);
        const moment = ofKind[rng.integer(ofKind.length)]!;
        await withFolders(1, async (folder) => {
          const first = await start(pipeline, folder!, moment);
          expect(first.signal, `${kind}: ${first.printed}`).toBe("SIGKILL");
          // Early enough to come before the end of what is left to do.
          const second = await start(pipeline, folder!, rng.integer(6));
          expect(second.signal, `${kind}, again: ${second.printed}`).toBe("SIGKILL");
          const resumed = await goOn[pipeline](folder!);
          expect({ ...resumed, adapter: undefined }).toEqual({ ...result, adapter: undefined });
          expect(await contents(folder!), `killed at moment ${moment}, ${kind}`).toEqual(expected);
        });
      }
    }));
});

describe("an evaluation whose process is killed", () => {
  it("ends with the same bytes, and asks for no answer that is written already", () =>
    withFolders(1, async (whole) => {
      const moments = JSON.parse((await start("evaluate", whole!)).printed) as readonly string[];
      const expected = await contents(whole!);
      const result = await evaluationRun({ runDir: whole!, resume: true });
      // Before and while rows are written, in the middle of answers, while the rows are put in order.
      const ends = [...moments.keys()].filter((i) => moments[i] === "rows");
      for (const moment of ["sampling 2", "sampling 4", ends[5]!, ends[7]!, ends.at(-2)!])
        await withFolders(1, async (folder) => {
          expect((await start("evaluate", folder!, moment)).signal, `${moment}`).toBe("SIGKILL");
          const { "records.jsonl": rows = "" } = await contents(folder!);
          let asked = 0;
          const resumed = await evaluationRun({
            ...{ runDir: folder!, resume: true },
            backend: counting(evaluationBackend(), (prompts) => (asked += prompts)),
          });
          expect(asked).toBe(manyExamples.length - (rows.split("\n").length - 1));
          expect(resumed).toEqual(result);
          expect(await contents(folder!), `killed at ${moment}`).toEqual(expected);
        });
    }));
});

describe("a run that trains a real network and is killed", () => {
  it("ends with the same weights, moments and rows", () =>
    withFolders(1, async (whole) => {
      await onnxRun({ runDir: whole!, trainer: tinyTrainer });
      const { "rollouts.jsonl": rollouts, "metrics.jsonl": metrics } = await contents(whole!);
      expect(metrics).toMatch(/"stage":"rft".*"grad_norm":(?!0,)/);
      // While it learns from rollouts, and while the last checkpoint is put in place.
      for (const moment of ["step 4", "checkpoint 29"]) {
        await withFolders(1, async (folder) => {
          expect((await start("onnx", folder!, moment)).signal).toBe("SIGKILL");
          await onnxRun({ runDir: folder!, resume: true, trainer: tinyTrainer });
          expect(await contents(folder!)).toMatchObject({ "rollouts.jsonl": rollouts, "metrics.jsonl": metrics });
          for (const name of ["model.safetensors", "optimizer.safetensors"]) {
            const [a, b] = [whole!, folder!].map((run) => readFile(join(run, "checkpoints", "step-3", name)));
            expect((await a!).equals(await b!), `${name}, killed at ${moment}`).toBe(true);
          }
        });
      }
    }));
});

describe("Ctrl-C", () => {
  /** The second time that a trainer is told to learn is in step 2, and checkpoints come every second step. */
  const whileStepping = async (folder: string) => {
    const moments = JSON.parse((await start("cot", folder)).printed) as readonly string[];
    return moments.findIndex((kind, i) => kind === "sampling" && moments.slice(0, i).includes("checkpoint"));
  };

  it("once finishes the step, writes a checkpoint and says how to resume; resuming ends with the same bytes, killed or not", () =>
    withFolders(3, async (whole, folder, again) => {
      const { signal, printed } = await start("cot", folder!, await whileStepping(whole!), "SIGINT");
      expect(signal).toBeNull();
      expect(printed).toMatch(/^Stopping\b.* resume: true/);
      expect(printed).toMatch(/^AbortError: the run was stopped; .*resume: true \(--resume for rise-ts\)$/m);
      // A whole step after the last regular checkpoint, whose rows are there.
      const stopped = await contents(folder!);
      expect(Object.keys(stopped)).toContain("checkpoints/step-3/policy.json");
      expect(stopped["metrics.jsonl"]?.trim().split("\n")).toHaveLength(3);

      await cp(folder!, again!, { recursive: true });
      await goOn.cot(folder!);
      expect(await contents(folder!)).toEqual(await contents(whole!));

      // The next checkpoint is written; both are there; the one of the stop is about to be removed.
      for (const moment of [6, 7, 8]) {
        await withFolders(1, async (killed) => {
          await cp(again!, killed!, { recursive: true });
          expect((await start("cot", killed!, `checkpoint ${moment}`)).signal).toBe("SIGKILL");
          await goOn.cot(killed!);
          expect(await contents(killed!), `killed at checkpoint ${moment}`).toEqual(await contents(whole!));
        });
      }
    }));

  it.each(["SIGTERM", "SIGHUP", "SIGHUP SIGHUP", "SIGHUP SIGTERM", "SIGTERM SIGHUP"])(
    "is no other than what schedulers and closed terminals send: %s",
    (signals) =>
      withFolders(2, async (whole, folder) => {
        const { signal, printed } = await start("cot", folder!, await whileStepping(whole!), signals);
        expect([signal, printed]).toEqual([null, expect.stringContaining("AbortError: the run was stopped")]);
        expect(Object.keys(await contents(folder!))).toContain("checkpoints/step-3/policy.json");
      }),
  );

  it("stops a run that prints to pipes that nobody reads any more", () =>
    withFolders(2, async (whole, folder) => {
      const moment = await whileStepping(whole!);
      const args = ["--import", "tsx", program, "cot", folder!, String(moment), "SIGHUP"];
      const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
      child.stdout.destroy();
      child.stderr.destroy();
      const ended = await new Promise((resolve) => child.on("exit", (code, signal) => resolve([code, signal])));
      expect(ended).toEqual([1, null]);
      expect(Object.keys(await contents(folder!))).toContain("checkpoints/step-3/policy.json");
    }));

  it.each(["SIGINT SIGINT", "SIGTERM SIGINT", "SIGINT SIGTERM", "SIGHUP SIGINT SIGINT", "SIGQUIT"])(
    "twice ends the process at once, as SIGQUIT does: %s",
    (signals) =>
      withFolders(2, async (whole, folder) => {
        const { signal } = await start("cot", folder!, await whileStepping(whole!), signals);
        expect(signal).toBe(signals.split(" ").at(-1));
        expect(Object.keys(await contents(folder!))).not.toContain("checkpoints/step-3/policy.json");
      }),
  );

  it("before the first step leaves nothing to save, and is told in words that hold then, too", () =>
    withFolders(1, async (folder) => {
      const { printed } = await start("cot", folder!, "sampling 0", "SIGINT");
      expect(printed).toMatch(/^Stopping: the step under way is finished first, and saved/);
      expect(printed).toContain("AbortError: the run was stopped; ");
      expect(Object.keys(await contents(folder!)).filter((name) => name.startsWith("checkpoints"))).toEqual([]);
    }));
});

describe("a second process", () => {
  it("is refused with the pid of the first", () =>
    withFolders(1, async (folder) => {
      const directory = await openRunDirectory(folder, {});
      const { printed } = await start("cot", folder!);
      expect(printed).toContain(`in use by the run of process ${process.pid}`);
      await directory.close();
    }));
});
