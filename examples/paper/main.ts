/**
 * Tables 1 to 6 of the paper. Runs what is missing, resumes what was interrupted, and prints Markdown; docs/results.md shows it.
 *
 *   npm run paper
 *
 * GPT-4o's rows are run where OPENAI_API_KEY is set (OPENAI_BASE_URL: another endpoint).
 * The two tasks share no stage, so two processes (--task, --threads 1) can work beside each other in one folder.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ConfigError, stopOnInterrupt } from "rise-ts";
import { openaiBackend } from "rise-ts/backends/openai";
import { type OnnxTrainerOptions, onnxTrainer } from "rise-ts/trainers/onnx";
import { minutesSince, positiveNumber, runProgram, wholeNumber } from "../command-line";
import { followRun } from "../demo/progress";
import { remembered } from "../remembered";
import { type Bench, createBench } from "./bench";
import { openData, type Role, taskOf } from "./data";
import { atShots, type Lookup, tableMarkdown } from "./print";
import { paperSettings, type Settings, scaleSteps, type TaskName, tinySettings } from "./settings";
import type { Lab, Student } from "./stages";
import { type Table, tables } from "./tables";
import { writeOnce } from "./write-once";

const usage =
  "npm run paper -- [--table 1|2|3|4|5|6]… [--seeds 3] [--steps FACTOR] [--task classification|detection] [--model ID [--lora RANK]] [--threads N] [--data DIR] [--out DIR] [--print]";
const tinyModel = fileURLToPath(new URL("../tiny-vlm/checkpoint", import.meta.url));

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      table: { type: "string", multiple: true },
      seeds: { type: "string", default: "3" },
      steps: { type: "string", default: "1" },
      task: { type: "string" },
      model: { type: "string" },
      lora: { type: "string" },
      threads: { type: "string" },
      data: { type: "string" },
      out: { type: "string", default: join("runs", "paper") },
      print: { type: "boolean", default: false },
    },
  });
  const seeds = Array.from({ length: wholeNumber("--seeds", values.seeds) }, (_, seed) => seed);
  const wanted = values.table?.map((number) => tableOf(number)) ?? tables;
  const roles = rolesOf(values.task);
  const factor = positiveNumber("--steps", values.steps);
  const settings: Readonly<Record<TaskName, Settings>> = {
    classification: scaleSteps(values.model === undefined ? tinySettings.classification : paperSettings, factor),
    detection: scaleSteps(values.model === undefined ? tinySettings.detection : paperSettings, factor),
  };
  const lora = values.lora === undefined ? {} : { lora: { rank: wholeNumber("--lora", values.lora) } };
  const threads = values.threads === undefined ? {} : { threads: wholeNumber("--threads", values.threads) };
  const { sets, about } = openData(values.data, settings);
  const stop = stopOnInterrupt(() =>
    console.log("\nFinishing this step. The same command resumes from here; Ctrl-C again stops now."),
  );
  const started = Date.now();
  const studentOf = remembered((model: string) => openStudent(values.out, { model, ...lora }, threads));
  const labOf = (role: Role, model = tinyModel): Lab => ({
    student: () => studentOf(values.model ?? model),
    model: nameOf(values.model, values.lora),
    ...{ settings: settings[taskOf[role]], out: values.out, stop, follow: followRun },
    ...gpt4o(),
  });
  const benches = Object.fromEntries(
    (Object.keys(sets) as Role[]).map((role) => [
      role,
      sets[role]((data) => createBench(data, labOf(role, data.model))),
    ]),
  ) as Record<Role, Bench>;

  // Seed by seed, so that what there is at any moment is whole tables of fewer seeds.
  for (const seed of values.print ? [] : seeds)
    for (const { rows, columns } of wanted)
      for (const { role, shots } of columns.filter((column) => roles.includes(column.role)))
        for (const { arm } of rows) await benches[role].run(atShots(arm, shots), seed);

  console.log(
    `\n${about}\n\nA cell is "here / the paper". Here: mean ± standard deviation over seeds (${seeds.length}) and [95 % interval of the mean], by drawing seeds and pictures again; best mean in bold.`,
  );
  const lookup: Lookup = (role, arm, seed) => benches[role].stored(arm, seed);
  for (const table of wanted) console.log(`\n${await tableMarkdown(table, seeds, lookup)}`);
  console.log(`\nSettings: ${JSON.stringify(settings)}`);
  if (!values.print) console.log(`This call took ${minutesSince(started)}. Everything is in ${values.out}.`);
}

/** The paper's teacher, where there is a key for it. */
function gpt4o(): Pick<Lab, "teacher"> {
  const { OPENAI_API_KEY: apiKey, OPENAI_BASE_URL: baseUrl = "https://api.openai.com/v1" } = process.env;
  return apiKey ? { teacher: openaiBackend({ baseUrl, apiKey, model: "gpt-4o" }) } : {};
}

/** Loads the model, and writes the weights that all training begins with, once. */
async function openStudent(
  out: string,
  weights: Pick<OnnxTrainerOptions, "model" | "lora">,
  threads: Pick<OnnxTrainerOptions, "threads">,
): Promise<Student> {
  const trainer = await onnxTrainer({ ...weights, ...threads });
  const digest = createHash("sha256").update(JSON.stringify(weights)).digest("hex").slice(0, 12);
  const initial = join(out, `initial-${digest}`);
  await writeOnce(initial, (aside) => trainer.save(aside));
  return { trainer, initial };
}

const nameOf = (model = "tiny", lora?: string) => (lora === undefined ? model : `${model}, LoRA ${lora}`);

function tableOf(number: string): Table {
  const table = tables.find((candidate) => String(candidate.number) === number);
  if (!table) throw new ConfigError(`--table: expected a number from 1 to 6, got ${number}`);
  return table;
}

function rolesOf(task: string | undefined): readonly Role[] {
  const roles = (Object.keys(taskOf) as Role[]).filter((role) => task === undefined || taskOf[role] === task);
  if (roles.length > 0) return roles;
  throw new ConfigError(`--task: expected classification or detection, got ${task}`);
}

await runProgram(usage, main);
