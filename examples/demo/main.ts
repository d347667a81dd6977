/**
 * RISE from beginning to end on a tiny Qwen2-VL that ships with the project. README.md shows what it prints. With --resume finished seeds are read and not run,
 * so that seeds may also be run side by side: --first says which is the first.
 *
 *   npm run demo
 */
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ConfigError, stopOnInterrupt } from "rise-ts";
import { minutesSince, runProgram, wholeNumber } from "../command-line";
import { printDifferences, printExamples, printLearning, printTable, printThoughts } from "./print";
import { runSeed, type SeedOptions, type SeedResult } from "./run-seed";
import { detectionDemo, moodsDemo } from "./tasks";

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
  const { task, model, device, resume } = values;
  const demo = ([moodsDemo, detectionDemo] as (typeof moodsDemo)[]).find(({ name }) => name === task);
  if (!demo) throw new ConfigError(`--task: expected moods or detection, got ${task}`);
  if (resume && values.out === undefined)
    throw new ConfigError("--resume: expected --out DIR beside it, the folder of the run to resume, got none");
  const [seeds, first] = [wholeNumber("--seeds", values.seeds), wholeNumber("--first", values.first, 0)];
  const asked = values.steps === undefined ? undefined : wholeNumber("--steps", values.steps);
  const steps = asked === undefined ? demo.steps : { cot: asked, sft: asked, rft: asked };
  const threads = values.threads === undefined ? {} : { threads: wholeNumber("--threads", values.threads) };
  const out = values.out ?? join("runs", `demo-${new Date().toISOString().replace(/[-:]|\..*/g, "")}`);
  const stop = stopOnInterrupt(() =>
    console.log(
      `\nFinishing this step. Go on later with: npm run demo -- ${argumentsToResume(out)}\nCtrl-C again stops now, which loses what came after the last checkpoint.`,
    ),
  );

  const started = Date.now();
  const settings = { task, steps, model, device };
  const results: SeedResult[] = [];
  for (let seed = first; seed < first + seeds; seed++) {
    const folder = join(out, `seed-${seed}`);
    const file = join(folder, "result.json");
    const common = { seed, steps, device: device as SeedOptions["device"], ...threads, out: folder, resume, stop };
    const finished = resume && existsSync(file) ? await readResult(file, settings) : undefined;
    const result = finished ?? (await runSeed(demo, { ...common, model: model ?? demo.model }));
    await writeFile(file, `${JSON.stringify({ settings, ...result })}\n`);
    results.push(result);
  }

  printLearning(results);
  printThoughts(results);
  printTable(results);
  printDifferences(results);
  printExamples(results[0]!.examples);
  await writeFile(join(out, "results.json"), `${JSON.stringify(results, null, 2)}\n`);
  console.log(
    `\nEverything is in ${out}: rollouts.jsonl, metrics.jsonl, cots.jsonl and checkpoints of each run, and results.json.\nTo see it: ${join(out, `seed-${first}`, "report.html")}`,
  );
  const gigabytes = (process.resourceUsage().maxRSS / 2 ** 20).toFixed(1);
  console.log(`Took ${minutesSince(started)} and at most ${gigabytes} GB of memory.`);
}

/** @throws ConfigError for the result of a run with other settings */
async function readResult(file: string, settings: object): Promise<SeedResult> {
  const { settings: found, ...result } = JSON.parse(await readFile(file, "utf8"));
  const [wanted, got] = [settings, found ?? {}].map((one) => JSON.stringify(one));
  if (got !== wanted)
    throw new ConfigError(`${file}: expected a result of ${wanted}, got one of ${got}; name another --out`);
  return result;
}

function argumentsToResume(out: string): string {
  const given = process.argv.slice(2);
  const kept = given.filter((argument, i) => !/^--(?:resume$|out\b)/.test(argument) && given[i - 1] !== "--out");
  return [...kept, "--out", out, "--resume"].join(" ");
}

await runProgram(usage, main);
