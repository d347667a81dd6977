import { join } from "node:path";
import * as z from "zod";
import { CheckpointError } from "../errors";
import { readEvaluation } from "../evaluation/directory";
import { schemaWords } from "../options/schema-words";
import { intervalWords } from "../report/sections/evaluation";
import { readMetrics } from "../runs/directory/directory";
import { readJson } from "../runs/directory/files";
import { hubId, type PublishedFiles } from "./files";

const configSchema = z.looseObject({
  pipeline: z.string(),
  task: z.string().optional(),
  seed: z.number().optional(),
  threshold: z.number().optional(),
  dataset: z.looseObject({ examples: z.number() }).optional(),
  /** A model that has no digest is its name. */
  policy: z.union([z.looseObject({ name: z.string() }), z.string().transform((name) => ({ name }))]).optional(),
});

export interface CardOptions {
  readonly runDir: string;
  /** The repository, "owner/name". */
  readonly repo: string;
  readonly files: PublishedFiles;
  readonly baseModel: string | undefined;
  readonly evaluations: readonly string[];
  readonly license: string | undefined;
}

/** The README.md of a published model or data set: what was done, and what was measured. It names no local path. */
export async function writeCard({
  runDir,
  repo,
  files,
  baseModel,
  evaluations,
  license,
}: CardOptions): Promise<string> {
  const config = await readConfig(join(runDir, "config.json"));
  const isModel = files.step !== undefined;
  const isAdapter = files.paths.some((path) => path.endsWith("adapter_config.json"));
  // "onnx Qwen/Qwen2-VL-2B-Instruct"
  const base = baseModel ?? hubId(config.policy?.name.replace(/^\S+ /, ""));
  const head = [
    ...(license ? [`license: ${license}`] : []),
    ...(isModel ? [`library_name: ${isAdapter ? "peft" : "transformers"}`, "pipeline_tag: image-text-to-text"] : []),
    ...(isModel && base ? [`base_model: ${base}`] : []),
    "tags:",
    ...["rise", "rise-ts", "visual-reasoning"].map((tag) => `- ${tag}`),
  ];
  const name = repo.split("/").at(-1);
  return `${[
    "---",
    ...head,
    "---",
    "",
    `# ${name}`,
    "",
    ...(isModel ? modelText(config, files, { base, isAdapter }) : cotsText(config)),
    "",
    "## Training",
    "",
    ...(await trainingText(runDir, config)),
    ...(await evaluationText(evaluations)),
    "",
    "Made with [rise-ts](https://www.npmjs.com/package/rise-ts), after RISE ([arXiv 2508.13229](https://arxiv.org/abs/2508.13229)).",
  ].join("\n")}\n`;
}

type Config = z.infer<typeof configSchema>;

async function readConfig(file: string): Promise<Config> {
  const { data, error } = configSchema.safeParse(await readJson(file), { error: schemaWords });
  if (data) return data;
  const [{ path, message }] = error.issues as [z.core.$ZodIssue];
  throw new CheckpointError(`${file}: expected the settings of a run, but ${path.join(".")}: ${message}`);
}

function modelText(
  { pipeline, task }: Config,
  { step }: PublishedFiles,
  { base, isAdapter }: { readonly base: string | undefined; readonly isAdapter: boolean },
): string[] {
  const made = isAdapter ? "A LoRA adapter (PEFT)" : "A vision-language model";
  const role =
    pipeline === "rise-cot"
      ? "that explains annotations of images and reconstructs them (RISE, stage 1)"
      : "that annotates images with reasons (RISE, stage 2)";
  return [
    `${made}${base ? ` of ${base}` : ""} ${role}. Task: ${task ?? "unknown"}. Checkpoint of step ${step}.`,
    ...(pipeline === "rise-cot" ? [] : ["", "It answers `<think>reasons</think><answer>annotation</answer>`."]),
  ];
}

const cotsText = ({ task }: Config): string[] => [
  `D_RISE: for each image the reasons that best explain its annotation, written by a model. Task: ${task ?? "unknown"}.`,
  "",
  "A line of `cots.jsonl` has `exampleId`, `annotation`, `cot` and `reward`, which is how well the annotation could be told from image and",
  "reasons. The images are not part of this data set.",
];

async function trainingText(runDir: string, config: Config): Promise<string[]> {
  const rows = await readMetrics(join(runDir, "metrics.jsonl")).catch(() => []);
  const stages = [...new Set(rows.map(({ stage }) => stage))];
  const facts = [
    ["pipeline", config.pipeline],
    ["examples", config.dataset?.examples],
    ["seed", config.seed],
    ["threshold τ", config.threshold],
  ].flatMap(([name, value]) => (value === undefined ? [] : [`- ${name}: ${value}`]));
  const curves = stages.flatMap((stage) => {
    const own = rows.filter((row) => row.stage === stage);
    return ["reward", "loss", "rise/leak_rate", "rise/format_rate"].flatMap((metric) => {
      const values = own.map((row) => row[metric]).filter((value) => typeof value === "number");
      if (values.length === 0 || (metric === "loss" && stage !== "sft")) return [];
      return [`| ${stage} | ${metric} | ${own.length} | ${mean(values.slice(0, 5))} | ${mean(values.slice(-5))} |`];
    });
  });
  if (curves.length === 0) return facts;
  return [...facts, "", "| stage | metric | steps | first five | last five |", "|---|---|---|---|---|", ...curves];
}

async function evaluationText(evaluations: readonly string[]): Promise<string[]> {
  const tables = await Promise.all(
    evaluations.map(async (dir) => {
      const { metrics, intervals, records } = await readEvaluation(dir);
      const rows = Object.entries(metrics).map(([name, value]) => {
        const interval = intervals[name];
        return `| ${name} | ${figure(value)} | ${interval ? `${figure(interval.low)} to ${figure(interval.high)}` : "–"} |`;
      });
      const head = [`| metric | value | ${intervalWords(intervals)} |`, "|---|---|---|"];
      return ["", `Images that were evaluated: ${records.length}`, "", ...head, ...rows];
    }),
  );
  return tables.length > 0 ? ["", "## Evaluation", ...tables.flat()] : [];
}

const figure = (value: number): string => String(Number(value.toPrecision(3)));
const mean = (values: readonly number[]): string =>
  figure(values.reduce((sum, value) => sum + value, 0) / values.length);
