/**
 * A run that kills its own process at a given moment: a program for kill-resume.test.ts, which starts it.
 *
 *   tsx killed-run.ts cot|r1|evaluate|annotate|"annotate 1/3"|onnx RUN_DIR [MOMENT [SIGNALS]]
 *
 * A moment is a number from 0, or a kind and its number among its kind ("step 2"); a file is being written at one when half of it is.
 * Without a moment it prints the kind of each. Signals are those that the process sends itself: SIGKILL, or "SIGINT SIGTERM", say.
 */
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { setImmediate, setTimeout } from "node:timers/promises";
import type { VlmBackend } from "../../src/backend";
import { stopOnInterrupt } from "../../src/runs/stop-on-interrupt";
import type { Trainer } from "../../src/trainer";
import { annotationRun, answerRun, answerTrainer, cotRun, cotTrainer, evaluationBackend, evaluationRun } from "./world";

const [pipeline, runDir, moment, how = "SIGKILL"] = process.argv.slice(2);
const moments: string[] = [];
const stop = stopOnInterrupt(console.log);

/** Notes a moment, and ends the process if it is the one. */
async function reach(kind: string, half = async () => {}): Promise<void> {
  const names = [String(moments.length), `${kind} ${moments.filter((known) => known === kind).length}`];
  moments.push(kind);
  if (!names.includes(moment ?? "none")) return;
  await half();
  for (const signal of how.split(" ")) {
    process.kill(process.pid, signal);
    while (!stop.aborted) await setImmediate();
    // Two that come at once are one.
    await setTimeout(50);
  }
}

const kindOf = (path: unknown) =>
  /cots\.jsonl/.test(String(path)) ? "cots" : /checkpoints[\\/]/.test(String(path)) ? "checkpoint" : "rows";

// The files' functions as the library imports them.
const { writeFile, appendFile, rename, rm, truncate, mkdir } = fs;
const halving = (write: typeof writeFile): typeof writeFile => {
  return async (file, data, options) => {
    await reach(kindOf(file), () => write(file, String(data).slice(0, String(data).length / 2), options));
    return write(file, data, options);
  };
};
Object.assign(fs, {
  writeFile: halving(writeFile),
  appendFile: halving(appendFile as typeof writeFile),
  ...Object.fromEntries(
    Object.entries({ rename, rm, truncate, mkdir }).map(([name, call]) => [
      name,
      async (path: string, ...others: readonly unknown[]) => {
        await reach(kindOf(path));
        return Reflect.apply(call, fs, [path, ...others]);
      },
    ]),
  ),
});
syncBuiltinESMExports();

const mortalBackend = (backend: VlmBackend): VlmBackend => ({
  ...backend,
  async generate(prompts, options) {
    await reach("sampling");
    return backend.generate(prompts, options);
  },
});

function mortal(trainer: Trainer): Trainer {
  const sampler = mortalBackend(trainer.sampler());
  return {
    ...trainer,
    sampler: () => sampler,
    async backward(...call) {
      await reach("step");
      return trainer.backward(...call);
    },
    async optimStep(params) {
      await reach("step");
      return trainer.optimStep(params);
    },
  };
}

const options = { runDir: runDir!, resume: true, stop };
try {
  if (pipeline === "cot") await cotRun({ ...options, trainer: mortal(cotTrainer()) });
  else if (pipeline === "r1") await answerRun({ ...options, trainer: mortal(answerTrainer()) });
  else if (pipeline === "evaluate")
    await evaluationRun({ runDir: runDir!, resume: true, backend: mortalBackend(evaluationBackend()), concurrency: 2 });
  else if (pipeline?.startsWith("annotate")) {
    const [, shard] = pipeline.split(" ");
    const backend = mortalBackend(evaluationBackend());
    await annotationRun({ ...options, backend, concurrency: 2, ...(shard && { shard }) });
  } else {
    // Takes its time to load.
    const { onnxRun, tinyTrainer } = await import("./onnx-world");
    await onnxRun({ ...options, trainer: mortal(await tinyTrainer()) });
  }
  if (moment === undefined) console.log(JSON.stringify(moments));
} catch (error) {
  console.log(String(error));
  process.exitCode = 1;
}
