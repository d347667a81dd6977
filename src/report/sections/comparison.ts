import { compareEvaluations, type MetricComparison } from "../../evaluation/compare";
import type { EvaluationRecord } from "../../evaluation/records";
import type { StepMetrics } from "../../events";
import { counted } from "../../options/display";
import { inline, score, shortNumber } from "../elements/text";
import type { RolloutGroup } from "../reading/run-records";
import { comparedCurves } from "./curves";
import { scoresTable } from "./scores";

/** A run or an evaluation, as it is compared with others of its kind. */
export interface Compared {
  readonly title: string;
  /** "evaluation", or the stage: only the same are compared. */
  readonly kind: string;
  readonly metrics: readonly StepMetrics[];
  readonly records: readonly EvaluationRecord<unknown>[];
}

/** The last group of each example as a record: its similarity and its format are the means over the group. */
export function latestRecords(latest: ReadonlyMap<string, RolloutGroup>): EvaluationRecord<unknown>[] {
  return [...latest].map(([exampleId, group]) => {
    const mean = (value: (row: RolloutGroup[number]) => number) =>
      group.reduce((sum, row) => sum + value(row), 0) / group.length;
    const isReadable = mean(({ reward }) => Number(reward.format.ok)) > 0.5;
    return {
      exampleId,
      text: "",
      finishReason: "stop",
      think: null,
      prediction: null,
      truth: group[0].truth,
      metrics: { similarity: mean(({ reward }) => reward.similarity) },
      ...(!isReadable && { failure: "most rollouts are unreadable" }),
    };
  });
}

/** Compares what is of the same kind: curves over one pair of axes, and each with the first, example by example. */
export function comparisonSection(compared: readonly Compared[]): string {
  const kinds = [...new Set(compared.map(({ kind }) => kind))];
  const parts = kinds.map((kind) => {
    const [first, ...others] = compared.filter((each) => each.kind === kind);
    if (others.length === 0) return "";
    const lines = [first!, ...others].map(({ title, metrics }) => ({ name: title, metrics: fromOne(metrics) }));
    const curves = comparedCurves(lines);
    const pairs = others.map((other) => pairView(other, first!));
    return `<h3 class="kind">${inline(kind)}</h3>${curves && `<div class="plots">${curves}</div>`}${pairs.join("")}`;
  });
  const body = parts.join("");
  return body && `<section><h2>Comparison</h2>${body}</section>`;
}

/** Runs are compared from the first step of the stage on, wherever it began. */
const fromOne = (metrics: readonly StepMetrics[]) =>
  metrics.map((row) => ({ ...row, step: row.step - metrics[0]!.step + 1 }));

const mostExamples = 500;

function pairView(a: Compared, b: Compared): string {
  const others = new Map(b.records.map((record) => [record.exampleId, record]));
  const pairs = a.records.flatMap((record) => {
    const other = others.get(record.exampleId);
    return other && JSON.stringify(other.truth) === JSON.stringify(record.truth) ? [[record, other] as const] : [];
  });
  if (pairs.length === 0) return "";
  const sides = [0, 1].map((side) => ({ records: pairs.map((pair) => pair[side]!) }));
  const rows = Object.entries(compareEvaluations(sides[0]!, sides[1]!)).map(comparedRow);
  const title = `${a.title} minus ${b.title}, over ${counted(pairs.length, "example")} that both have`;
  const header = ["", a.title, b.title, "difference", "95 % interval", "p", "better", "equal", "worse"];
  const differences = pairs
    .map(([own, other]) => [own, other, own.metrics.similarity! - other.metrics.similarity!] as const)
    .sort((x, y) => y[2] - x[2]);
  const examples = extremes(differences).map(([own, other, difference]) => [
    own.exampleId,
    ...[own.metrics.similarity!, other.metrics.similarity!, difference].map(score),
  ]);
  const note = pairs.length > mostExamples ? `, the ${mostExamples} that differ most` : "";
  const each = scoresTable({
    title: `${title}: examples`,
    header: ["example", a.title, b.title, "difference in similarity"],
    rows: examples,
  });
  return `<h4>${inline(title)}</h4>${scoresTable({ title, header, rows })}<details><summary>Example by example${note}</summary>${each}</details>`;
}

const extremes = <T>(sorted: readonly T[]): readonly T[] =>
  sorted.length <= mostExamples ? sorted : [...sorted.slice(0, mostExamples / 2), ...sorted.slice(-mostExamples / 2)];

function comparedRow([name, { a, b, difference, interval, pValue, examples }]: [string, MetricComparison]) {
  const counts = examples ? [examples.aIsBetter, examples.equal, examples.bIsBetter].map(String) : ["", "", ""];
  const range = `${score(interval.low)} … ${score(interval.high)}`;
  const word = name === "formatRate" ? "format rate" : name;
  return [word, score(a), score(b), score(difference), range, shortNumber(pValue), ...counts];
}
