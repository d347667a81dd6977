/**
 * RISE from beginning to end on a tiny Qwen2-VL that ships with the project. README.md shows what it prints. With --resume finished seeds are read and not run,
 * so that seeds may also be run side by side: --first says which is the first.
 *
 *   npm run demo -- [--task moods|detection] [--seeds 1] [--first 0] [--steps N] [--out DIR [--resume]] [--model DIR] [--device cpu|cuda] [--threads N]
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { RiseError, stopOnInterrupt } from "rise-ts";
import { printDifferences, printExamples, printLearning, printTable, printThoughts } from "./print";
import { runSeed, type SeedOptions, type SeedResult } from "./run-seed";
import { type DemoTask, detectionDemo, moodsDemo } from "./tasks";

const usage =
  "npm run demo -- [--task moods|detection] [--seeds 1] [--first 0] [--steps N] [--out DIR [--resume]] [--model DIR] [--device cpu|cuda] [--threads N]";

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      task: { type: "string", default: "moods" },
      seeds: { type: "string", default: "1" },
      first: { type: "string", default: "0" },
      steps: { type: "string" },
      out: { type: "string" },
      resume: { type: "boolean", default: false },
      model: { type: "string" },
      // Its sums come out the same every time, which README's table needs; a GPU's may not.
      device: { type: "string", default: "cpu" },
      threads: { type: "string" },
    },
  });
  const seeds = wholeNumber("--seeds", values.seeds);
  const steps = values.steps === undefined ? undefined : everyStage(wholeNumber("--steps", values.steps));
  const out = values.out ?? join("runs", `demo-${new Date().toISOString().replace(/[-:]|\..*/g, "")}`);
  const goOn = againArguments(process.argv.slice(2), out);
  const stop = stopOnInterrupt(() =>
    console.log(
      `\nFinishing this step. Go on later with: npm run demo -- ${goOn}\nCtrl-C again stops now, which loses what came after the last checkpoint.`,
    ),
  );

  const started = Date.now();
  const demo = (seed: number) => (values.task === "detection" ? run(detectionDemo, seed) : run(moodsDemo, seed));
  const run = <A>(task: DemoTask<A>, seed: number) =>
    runSeed(task, {
      seed,
      steps: steps ?? task.steps,
      model: values.model ?? task.model,
      device: values.device as SeedOptions["device"],
      ...(values.threads !== undefined && { threads: wholeNumber("--threads", values.threads) }),
      out: join(out, `seed-${seed}`),
      resume: values.resume,
      stop,
    });
  if (values.task !== "detection" && values.task !== "moods" && values.task !== "classification")
    throw new RangeError(`--task: expected moods or detection, got ${values.task}`);
  const results: SeedResult[] = [];
  const first = Number(values.first);
  for (let seed = first; seed < first + seeds; seed++) {
    const file = join(out, `seed-${seed}`, "result.json");
    const isFinished = values.resume && existsSync(file);
    results.push(isFinished ? (JSON.parse(await readFile(file, "utf8")) as SeedResult) : await demo(seed));
    await writeFile(file, `${JSON.stringify(results.at(-1))}\n`);
  }

  printLearning(results);
  printThoughts(results);
  printTable(results);
  printDifferences(results);
  printExamples(results[0]!.examples);
  await mkdir(out, { recursive: true });
  await writeFile(join(out, "results.json"), `${JSON.stringify(results, null, 2)}\n`);
  console.log(
    `\nEverything is in ${out}: rollouts.jsonl, metrics.jsonl, cots.jsonl and checkpoints of each run, and results.json.\nTo see it: ${join(out, "seed-0", "report.html")}`,
  );
  const { maxRSS } = process.resourceUsage();
  console.log(
    `Took ${((Date.now() - started) / 60_000).toFixed(1)} minutes and at most ${(maxRSS / 2 ** 20).toFixed(1)} GB of memory.`,
  );
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new RangeError(`${option}: expected a whole number from 1 on, got ${text}`);
  return value;
}

const everyStage = (steps: number) => ({ cot: steps, sft: steps, rft: steps });

function againArguments(given: readonly string[], out: string): string {
  const kept = given.filter(
    (argument, i) => argument !== "--resume" && argument !== "--out" && given[i - 1] !== "--out",
  );
  return [...kept, "--out", out, "--resume"].join(" ");
}

main().catch((error: unknown) => {
  if (error instanceof Error && error.name === "AbortError") process.exit(130);
  if (
    error instanceof RiseError ||
    error instanceof RangeError ||
    (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS")
  ) {
    console.error(`${(error as Error).message}\n\nUsage: ${usage}`);
    process.exit(1);
  }
  throw error;
});
