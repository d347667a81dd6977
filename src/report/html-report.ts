import { join } from "node:path";
import type { EvaluationRecord } from "../evaluation/records";
import type { StepMetrics } from "../events";
import { checkArguments, fieldsKind, listKind, objectKind, optionalKind, textKind } from "../options/arguments";
import { readMetrics } from "../runs/directory/directory";
import type { Task } from "../task";
import type { Example } from "../types";
import { escapeHtml } from "./escape";
import { createPageImages, type PageImages } from "./image";
import { linePlot, shortNumber } from "./plots";
import { type RolloutRow, readRollouts } from "./run-records";
import { style } from "./style";
import { annotationView, bar, leaksMarked, problemView } from "./views";

export interface ReportedRun {
  readonly title: string;
  readonly runDir: string;
}

export interface ReportTable {
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface ReportOptions<A> {
  readonly title: string;
  readonly task: Task<A>;
  /** Where the runs' pictures and true annotations are found, and those of `records`. */
  readonly dataset: readonly Example<A>[];
  /** In the order in which they are shown. */
  readonly runs: readonly ReportedRun[];
  /** Shown first. */
  readonly tables?: readonly ReportTable[];
  /** Held-out examples as a model annotates them: what `evaluate` returns. */
  readonly records?: readonly ReportedRecord<A>[];
}

const optionsKind = fieldsKind({
  title: textKind,
  task: objectKind,
  dataset: listKind(fieldsKind({ id: textKind })),
  runs: listKind(fieldsKind({ title: textKind, runDir: textKind })),
  tables: optionalKind(listKind(fieldsKind({ title: textKind, header: listKind(), rows: listKind(listKind()) }))),
  records: optionalKind(listKind(fieldsKind({ exampleId: textKind, text: textKind }))),
});

export type ReportedRecord<A> = Pick<EvaluationRecord<A>, "exampleId" | "text" | "think" | "prediction" | "failure">;

/**
 * One HTML page, complete in itself, of what runs did: scores, and of every stage its curves, and at the first, the middle and the last step what
 * the model thought of a picture, what it reconstructed, what leaked, and what that earned. A run may still be under way.
 * @throws CheckpointError for a run directory without metrics, or with rows that are not a run's
 */
export async function htmlReport<A>(options: ReportOptions<A>): Promise<string> {
  checkArguments("htmlReport", { options }, { options: optionsKind });
  const { title, task, dataset, runs, tables = [], records = [] } = options;
  const examples = new Map(dataset.map((example) => [example.id, example]));
  const images = createPageImages();
  const show: Show<A> = { task, example: (id) => examples.get(id), images };
  const sections = [
    ...tables.map(tableSection),
    records.length > 0 ? await recordsSection(records, show) : "",
    ...(await Promise.all(runs.map((run) => runSection(run, show)))),
  ];
  return [
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title>`,
    `<meta name="viewport" content="width=device-width"><style>${style}</style></head>`,
    `<body><h1>${escapeHtml(title)}</h1>${sections.join("\n")}${images.definitions()}</body></html>\n`,
  ].join("");
}

/** What the sections draw from. */
interface Show<A> {
  readonly task: Task<A>;
  readonly example: (id: string) => Example<A> | undefined;
  readonly images: PageImages;
}

function tableSection({ title, header, rows }: ReportTable): string {
  const cells = (row: readonly string[], tag: string) =>
    `<tr>${row.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join("")}</tr>`;
  return `<section><h2>${escapeHtml(title)}</h2><table class="scores"><thead>${cells(header, "th")}</thead><tbody>${rows
    .map((row) => cells(row, "td"))
    .join("")}</tbody></table></section>`;
}

async function recordsSection<A>(records: readonly ReportedRecord<A>[], show: Show<A>): Promise<string> {
  const cards = records.map(async ({ exampleId, think, prediction, text, failure }) => {
    const shown = await truthView(exampleId, prediction, show);
    const answer =
      prediction === null
        ? `<code>${escapeHtml(text)}</code>`
        : annotationView(prediction, show.task.format(prediction));
    const problem = failure === undefined ? "" : `<p class="problem">${escapeHtml(failure)}</p>`;
    return `<article>${shown}<div><h4>Thought</h4><p>${escapeHtml(think ?? "(none)")}</p><h4>Answer</h4>${answer}${problem}</div></article>`;
  });
  return `<section><h2>Held-out images</h2>${(await Promise.all(cards)).join("")}</section>`;
}

/** The metrics worth a curve, with the words for people who have not read the code. */
const curves: readonly (readonly [name: string, title: string])[] = [
  ["reward", "reward"],
  ["eval_reward", "reward on held-out examples"],
  ["rise/similarity", "similarity"],
  ["rise/image_only_similarity", "similarity without a cot"],
  ["rise/leak_rate", "leak rate"],
  ["rise/format_rate", "format rate"],
  ["completions/mean_length", "tokens in a completion"],
  ["frac_reward_zero_std", "groups without a spread"],
  ["entropy", "entropy, nats a token"],
  ["rise/entropy_estimate", "entropy estimated from the sample, nats a token"],
  ["loss", "loss"],
];

/** On-policy GRPO's loss is zero whatever it learns, and what is left of it is rounding. */
const roundingError = 1e-6;

async function runSection<A>({ title, runDir }: ReportedRun, show: Show<A>): Promise<string> {
  const metrics = await readMetrics(join(runDir, "metrics.jsonl"));
  const stages = [...new Set(metrics.map(({ stage }) => stage))].map((name) => ({
    name,
    rows: metrics.filter(({ stage }) => stage === name),
  }));
  const rollouts = await readRollouts(runDir, new Set(stages.flatMap(({ rows }) => firstMiddleLast(rows))));
  const parts = stages.map(async ({ name, rows }) => {
    const groups = oneGroupAStep(rollouts.filter(({ stage }) => stage === name));
    const shown = await Promise.all([...groups].map(([step, group]) => groupView(step, group, show)));
    return `<h3>${escapeHtml(name)}</h3>${failuresOf(rows)}<div class="plots">${plotsOf(rows)}</div>${shown.join("")}`;
  });
  return `<section><h2>${escapeHtml(title)}</h2>${(await Promise.all(parts)).join("")}</section>`;
}

/** How often the model failed for an example: the curves and pictures leave such examples out. */
function failuresOf(metrics: readonly StepMetrics[]): string {
  const failed = metrics.flatMap(({ step, "rise/failed_examples": count }) =>
    typeof count === "number" ? [{ step, count }] : [],
  );
  if (failed.length === 0) return "";
  const times = failed.reduce((sum, { count }) => sum + count, 0);
  const [first, last] = [failed[0]!.step, failed.at(-1)!.step];
  const steps = first === last ? `in step ${first}` : `from step ${first} to step ${last}`;
  return `<p class="problem">${times} ${times === 1 ? "time an example" : "times examples"} could not be sampled, or not in full, ${steps}</p>`;
}

function plotsOf(metrics: readonly StepMetrics[]): string {
  const plots = curves.map(([name, label]) => {
    const points = metrics.flatMap((row) => (typeof row[name] === "number" ? [{ x: row.step, y: row[name] }] : []));
    return name === "loss" && points.every(({ y }) => Math.abs(y) < roundingError) ? "" : linePlot(label, points);
  });
  return plots.join("");
}

/** Steps count through all stages of a run. */
const firstMiddleLast = (rows: readonly StepMetrics[]): readonly number[] =>
  [rows[0], rows[Math.floor(rows.length / 2)], rows.at(-1)].flatMap((row) => (row ? [row.step] : []));

/** Of each step the rollouts of its first example. */
function oneGroupAStep(rows: readonly RolloutRow[]): ReadonlyMap<number, readonly RolloutRow[]> {
  const groups = new Map<number, RolloutRow[]>();
  for (const row of rows) {
    const group = groups.get(row.step) ?? [];
    if (group.length === 0 || group[0]!.exampleId === row.exampleId) group.push(row);
    groups.set(row.step, group);
  }
  return groups;
}

async function groupView<A>(step: number, rows: readonly RolloutRow[], show: Show<A>): Promise<string> {
  const ranked = [...rows].sort((a, b) => b.reward.reward - a.reward.reward || a.index - b.index);
  const best = ranked[0]!;
  const isLearned = rows.some(({ advantage }) => advantage !== undefined);
  const lines = ranked.map(({ cot, reconstruction, completion, reward, advantage }) => {
    const written = cot ? leaksMarked(cot.text, reward.leaks) : escapeHtml(completion?.text ?? "");
    const rebuilt = reconstruction ? `<code>${escapeHtml(reconstruction.text)}</code>` : "";
    const problem = problemView(reward);
    const earned = `${bar(reward.reward)} ${shortNumber(reward.reward)}`;
    const relative = isLearned ? `<td>${advantage === undefined ? "" : shortNumber(advantage)}</td>` : "";
    return `<tr><td>${written}${problem}</td><td>${rebuilt}</td><td>${earned}</td>${relative}</tr>`;
  });
  const head = `<tr><th>Written</th><th>Reconstructed</th><th>Reward</th>${isLearned ? "<th>Advantage</th>" : ""}</tr>`;
  return [
    `<article><div><h4>Step ${step}</h4>${await truthView(best.exampleId, best.prediction, show)}</div>`,
    `<table class="rollouts"><thead>${head}</thead><tbody>${lines.join("")}</tbody></table></article>`,
  ].join("");
}

/** The picture with what is true and what was predicted, and the truth in words. */
async function truthView<A>(exampleId: string, prediction: unknown, show: Show<A>): Promise<string> {
  const example = show.example(exampleId);
  if (!example) return `<div><p>${escapeHtml(exampleId)}</p></div>`;
  const { annotation, subject } = example;
  const asked = subject === undefined ? "" : `<p>${escapeHtml(subject)}</p>`;
  const drawn = await show.images.draw(example, { truth: annotation, prediction });
  return `<div class="example">${drawn}<p class="id">${escapeHtml(exampleId)}</p>${asked}<h4>Truth</h4>${annotationView(annotation, show.task.format(annotation))}</div>`;
}
