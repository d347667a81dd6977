import type { StepMetrics } from "../../events";
import { guardWarnings } from "../../runs/guards";
import { inline, shortNumber, written } from "../elements/text";
import type { ContextRecords, RunRecords, StageRecords } from "../reading/run-records";

/** Shows what was run, and what it took: settings, versions, times, memory, prompts and warnings. */
export function settingsView(run: RunRecords): string {
  const warnings = run.stages.filter(({ trains }) => trains).flatMap(warningsOf);
  const title = `${warnings.length} ${warnings.length === 1 ? "warning" : "warnings"}`;
  const lines = warnings.map((text) => `<p class="problem">${inline(text, 600)}</p>`);
  return `${contextView(run, costOf(run))}${folded(title, lines.join(""))}`;
}

/** Shows settings, versions and a prompt of each kind. */
export function contextView({ config, environment, prompts }: ContextRecords, cost: readonly Fact[] = []): string {
  const facts = [...settingsOf(config), ...settingsOf(environment), ...cost];
  const list = facts.map(([name, value]) => `<dt>${inline(name)}</dt><dd>${inline(value)}</dd>`);
  const texts = Object.entries(prompts).map(
    ([kind, text]) => `<p>The first prompt of ${inline(articles.get(kind) ?? kind)}:</p>${written(String(text))}`,
  );
  return [
    folded("What was run, and what it took", list.length > 0 ? `<dl>${list.join("")}</dl>` : ""),
    folded("Prompts", texts.join("")),
  ].join("");
}

const articles: ReadonlyMap<string, string> = new Map([
  ["cot", "a cot"],
  ["reconstruction", "a reconstruction"],
  ["answer", "an answer"],
]);

const folded = (title: string, content: string) =>
  content && `<details class="settings"><summary>${title}</summary>${content}</details>`;

type Fact = readonly [name: string, value: string];

/** Settings by their paths; a digest by its beginning. */
function settingsOf(settings: unknown, path = ""): readonly Fact[] {
  if (typeof settings !== "object" || settings === null || Array.isArray(settings)) {
    const text = typeof settings === "string" ? settings : JSON.stringify(settings);
    return [[path, path.endsWith("sha256") ? text.slice(0, 12) : text]];
  }
  return Object.entries(settings).flatMap(([name, value]) => settingsOf(value, path ? `${path}.${name}` : name));
}

function costOf({ stages, timings }: RunRecords): readonly Fact[] {
  const seconds = timings.reduce((sum, { step_time }) => sum + step_time, 0);
  if (seconds === 0) return [];
  const tokens = stages.flatMap(({ metrics }) => metrics).findLast(({ num_tokens }) => typeof num_tokens === "number");
  const peak = timings.reduce((most, { peak_memory = 0 }) => Math.max(most, peak_memory), 0);
  return [
    ["steps", `${timings.length} in ${duration(seconds)}, ${shortNumber(seconds / timings.length)} s each`],
    ...(tokens ? [["sampled tokens", tokensIn(Number(tokens.num_tokens), seconds)] as const] : []),
    ...(peak > 0 ? [["peak memory", `${(peak / 1e9).toFixed(2)} GB`] as const] : []),
  ];
}

const tokensIn = (tokens: number, seconds: number) =>
  `${tokens.toLocaleString("en")}, ${shortNumber(tokens / seconds)} a second with training`;

function duration(seconds: number): string {
  if (seconds < 90) return `${shortNumber(seconds)} s`;
  return seconds < 5400 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** The warnings that the run gave, made again from its metrics. */
function warningsOf({ name, metrics }: StageRecords): readonly string[] {
  const rows: StepMetrics[] = [];
  return metrics.flatMap((row) => {
    rows.push(row);
    return guardWarnings(rows).map(({ message }) => `${name}, step ${row.step}: ${message}`);
  });
}
