/**
 * A program that somebody might write: talking.test.ts starts it in a process of its own.
 *
 *   tsx talking-program.ts KIND RUN_DIR
 */
import { setTimeout as pause } from "node:timers/promises";
import { cotRun, cotTrainer } from "../rise/world";

const [kind, runDir] = process.argv.slice(2);
const trainer = cotTrainer();
let steps = 0;

/** Asks the process to end in its third step, once or twice. */
const interrupted = (times = 1): typeof trainer => ({
  ...trainer,
  async optimStep(params) {
    if (++steps === 3)
      for (let i = 0; i < times; i++) {
        process.kill(process.pid, "SIGINT");
        await pause(100);
      }
    return trainer.optimStep(params);
  },
});

const settings = { runDir: runDir!, checkpointEvery: 50, preflight: false };
const programs: Readonly<Record<string, () => unknown>> = {
  awaited: async () => {
    const { kept } = await cotRun({ ...settings, trainer });
    console.log(`${kept.length} kept`);
  },
  iterated: async () => {
    for await (const event of cotRun({ ...settings, trainer })) if (event.type === "run-end") console.log("over");
  },
  forgotten: () => {
    cotRun({ ...settings, trainer });
  },
  "forgotten-and-wrong": () => {
    cotRun({ ...settings, trainer, nonsense: 1 } as never);
  },
  interrupted: async () => {
    await cotRun({ ...settings, trainer: interrupted(), resume: true });
    console.log("finished");
  },
  "interrupted-twice": () => cotRun({ ...settings, trainer: interrupted(2) }).then(() => {}),
  "interrupted-and-caught": async () => {
    await cotRun({ ...settings, trainer: interrupted() }).catch((error: unknown) => console.log(`caught ${error}`));
  },
  "listens-itself": async () => {
    process.on("SIGINT", () => console.log("heard by the program"));
    await cotRun({ ...settings, trainer: interrupted() });
    console.log("finished");
  },
  "listens-later": async () => {
    const run = cotRun({ ...settings, trainer: interrupted() }).then(() => console.log("finished"));
    process.on("SIGINT", () => console.log("heard by the program"));
    await run;
  },
  "leaves-it-alone": () => cotRun({ ...settings, trainer: interrupted(), handleInterrupts: false }).then(() => {}),
};

await programs[kind!]!();
