import type { EvaluationRecord } from "../pipelines/evaluation-records";
import type { StepMetrics } from "../pipelines/events";
import type { Task } from "../tasks/task";
import type { Example } from "../types";
import { escapeHtml } from "./escape";
import { linePlot, shortNumber } from "./plots";
import { type RolloutRow, readMetricRows, readRollouts } from "./run-records";
import { style } from "./style";
import {
  annotationView,
  bar,
  type EmbeddedPicture,
  embedPicture,
  leaksMarked,
  pictureView,
  problemView,
} from "./views";

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
  /** Finished or not, in the order in which they are shown. */
  readonly runs: readonly ReportedRun[];
  /** Shown first. */
  readonly tables?: readonly ReportTable[];
  /** Held-out examples as a model annotates them: what `evaluate` returns. */
  readonly records?: readonly ReportedRecord<A>[];
}

export type ReportedRecord<A> = Pick<EvaluationRecord<A>, "exampleId" | "text" | "think" | "prediction" | "failure">;

/**
 * One HTML page, complete in itself, of what runs did: scores, learning curves, and at the first, the middle and the last step what the model
 * thought of a picture, what it reconstructed, what leaked, and what that earned.
 * @throws CheckpointError for a run directory without metrics, or with rows that are not a run's
 */
export async function htmlReport<A>(options: ReportOptions<A>): Promise<string> {
  const { title, task, dataset, runs, tables = [], records = [] } = options;
  const examples = new Map(dataset.map((example) => [example.id, example]));
  const pictures = new Map<string, Promise<EmbeddedPicture>>();
  const show: Show<A> = {
    task,
    example: (id) => examples.get(id),
    picture(example) {
      const embedded = pictures.get(example.id) ?? embedPicture(example.image);
      pictures.set(example.id, embedded);
      return embedded;
    },
  };
  const sections = [
    ...tables.map(tableSection),
    records.length > 0 ? await recordsSection(records, show) : "",
    ...(await Promise.all(runs.map((run) => runSection(run, show)))),
  ];
  return [
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title>`,
    `<meta name="viewport" content="width=device-width"><style>${style}</style></head>`,
    `<body><h1>${escapeHtml(title)}</h1>${sections.join("\n")}</body></html>\n`,
  ].join("");
}

/** What the sections draw from. */
interface Show<A> {
  readonly task: Task<A>;
  readonly example: (id: string) => Example<A> | undefined;
  readonly picture: (example: Example<A>) => Promise<EmbeddedPicture>;
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
  return `<section><h2>Held-out pictures</h2>${(await Promise.all(cards)).join("")}</section>`;
}

/** The metrics worth a curve, with the words for people who have not read the code. */
const curves: readonly (readonly [name: string, title: string])[] = [
  ["reward", "reward"],
  ["eval_reward", "reward on held-out examples"],
  ["rise/similarity", "similarity"],
  ["rise/leak_rate", "leak rate"],
  ["rise/format_rate", "format rate"],
  ["completions/mean_length", "tokens in a completion"],
  ["frac_reward_zero_std", "groups without a spread"],
  ["entropy", "entropy, nats a token"],
  ["loss", "loss"],
];

/** On-policy GRPO's loss is zero whatever it learns, and what is left of it is rounding. */
const roundingError = 1e-6;

async function runSection<A>({ title, runDir }: ReportedRun, show: Show<A>): Promise<string> {
  const metrics = await readMetricRows(runDir);
  const learning = metrics.filter((row) => "learning_rate" in row);
  const plots = curves.map(([name, label]) => {
    const points = learning.flatMap((row) => (typeof row[name] === "number" ? [{ x: row.step, y: row[name] }] : []));
    return name === "loss" && points.every(({ y }) => Math.abs(y) < roundingError) ? "" : linePlot(label, points);
  });
  const rollouts = await readRollouts(runDir, firstMiddleLast(learning));
  const groups = await Promise.all([...oneGroupAStep(rollouts)].map(([step, rows]) => groupView(step, rows, show)));
  return `<section><h2>${escapeHtml(title)}</h2><div class="plots">${plots.join("")}</div>${groups.join("")}</section>`;
}

const stepKey = ({ stage, step }: Pick<StepMetrics, "stage" | "step">) => `${stage} ${step}`;

const firstMiddleLast = (rows: readonly StepMetrics[]): ReadonlySet<string> =>
  new Set([rows[0], rows[Math.floor(rows.length / 2)], rows.at(-1)].flatMap((row) => (row ? [stepKey(row)] : [])));

/** Of each step the rollouts of its first example. */
function oneGroupAStep(rows: readonly RolloutRow[]): ReadonlyMap<string, readonly RolloutRow[]> {
  const groups = new Map<string, RolloutRow[]>();
  for (const row of rows) {
    const group = groups.get(stepKey(row)) ?? [];
    if (group.length === 0 || group[0]!.exampleId === row.exampleId) group.push(row);
    groups.set(stepKey(row), group);
  }
  return groups;
}

async function groupView<A>(step: string, rows: readonly RolloutRow[], show: Show<A>): Promise<string> {
  const ranked = [...rows].sort((a, b) => b.reward.reward - a.reward.reward || a.index - b.index);
  const best = ranked[0]!;
  const lines = ranked.map(({ cot, reconstruction, completion, reward, advantage }) => {
    const written = cot ? leaksMarked(cot.text, reward.leaks) : escapeHtml(completion?.text ?? "");
    const rebuilt = reconstruction ? `<code>${escapeHtml(reconstruction.text)}</code>` : "";
    const problem = problemView(reward);
    const earned = `${bar(reward.reward)} ${shortNumber(reward.reward)}`;
    const relative = advantage === undefined ? "" : shortNumber(advantage);
    return `<tr><td>${written}${problem}</td><td>${rebuilt}</td><td>${earned}</td><td>${relative}</td></tr>`;
  });
  const head = `<tr><th>Written</th><th>Reconstructed</th><th>Reward</th><th>Advantage</th></tr>`;
  return [
    `<article><div><h4>Step ${escapeHtml(step)}</h4>${await truthView(best.exampleId, best.prediction, show)}</div>`,
    `<table class="rollouts"><thead>${head}</thead><tbody>${lines.join("")}</tbody></table></article>`,
  ].join("");
}

/** The picture with what is true and what was predicted, and the truth in words. */
async function truthView<A>(exampleId: string, prediction: unknown, show: Show<A>): Promise<string> {
  const example = show.example(exampleId);
  if (!example) return `<div><p>${escapeHtml(exampleId)}</p></div>`;
  const { annotation, subject } = example;
  const asked = subject === undefined ? "" : `<p>${escapeHtml(subject)}</p>`;
  const picture = pictureView(await show.picture(example), { truth: annotation, prediction });
  return `<div class="truth">${picture}<p class="id">${escapeHtml(exampleId)}</p>${asked}<h4>Truth</h4>${annotationView(annotation, show.task.format(annotation))}</div>`;
}
