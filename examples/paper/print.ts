import { type Box, detectionMetrics } from "rise-ts";
import { type Outcome, weightedMean, weightedMetric, winRate } from "rise-ts/metrics";
import { deviation, mean, type SeedFigure, seedsInterval } from "../statistics";
import { type Arm, isTrained, rise } from "./arms";
import type { ArmResult } from "./bench";
import { paperFigures } from "./figures";
import type { Column, Measure, Table } from "./tables";

/** Looks up what an arm did on a column's data with one seed. */
export type Lookup = (role: Column["role"], arm: Arm, seed: number) => Promise<ArmResult | undefined>;

/**
 * A table in Markdown. A cell is "ours / the paper's": mean ± standard deviation over seeds and the mean's interval, the best of a column in
 * bold; "–" is a figure that there is not. Fewer seeds than asked for are said in the cell.
 */
export async function tableMarkdown(table: Table, seeds: readonly number[], lookup: Lookup): Promise<string> {
  const { number, title, columns, rows } = table;
  const values = await Promise.all(
    rows.map(({ arm }) => Promise.all(columns.map((column) => measured(column, arm, seeds, lookup)))),
  );
  const best = columns.map(({ measure }, c) =>
    bestOf(
      measure,
      values.map((row) => row[c]!),
    ),
  );
  const lines = rows.map(({ label, arm }, r) => {
    const cells = columns.map((column, c) => {
      const paper = paperFigures[number]?.[label]?.[`${column.role} ${column.measure} ${column.shots}`];
      const own = values[r]![c]!;
      if (own.length === 0 && !isAsked(column, arm)) return "–";
      const text = own.length === 0 ? missing(arm) : spread(column.measure, own, seeds.length);
      return `${best[c] === r ? `**${text}**` : text} / ${paper === undefined ? "–" : shown(column.measure, paper)}`;
    });
    return `| ${[label, ...cells].join(" | ")} |`;
  });
  const header = ["", ...columns.map(headOf)];
  return [
    `### Table ${number}. ${title}`,
    "",
    `| ${header.join(" | ")} |`,
    `|${header.map(() => "---|").join("")}`,
    ...lines,
  ].join("\n");
}

/** Zero-shot models stand under full-shot, and RISE has no win rate against itself. */
const isAsked = ({ shots, measure }: Column, arm: Arm) =>
  (isTrained(arm) || shots === "full") && !(measure === "winRate" && arm === rise);

async function measured({ role, measure, shots }: Column, arm: Arm, seeds: readonly number[], lookup: Lookup) {
  if (!isAsked({ role, measure, shots }, arm)) return [];
  const results = await Promise.all(
    seeds.map(async (seed) => {
      const own = await lookup(role, atShots(arm, shots), seed);
      if (own === undefined) return undefined;
      if (measure === "kept") return own.kept && shareOf(own.kept.cots, own.kept.of);
      if (measure === "leaks")
        return own.kept?.leaking !== undefined && own.kept.cots > 0
          ? shareOf(own.kept.leaking, own.kept.cots)
          : undefined;
      if (measure === "ap50") return averagePrecision(own);
      if (measure !== "winRate") return meanOf(valuesOf(own, measure));
      const reference = await lookup(role, atShots(rise, shots), seed);
      return reference && winsAgainst(valuesOf(reference, "jsd"), valuesOf(own, "jsd"));
    }),
  );
  return results.filter((figure) => figure !== undefined);
}

const valuesOf = ({ records }: ArmResult, name: string) => records.map(({ metrics }) => metrics[name]!);

const meanOf = (values: readonly number[]): SeedFigure => ({
  ...{ value: mean(values), examples: values.length, weighted: weightedMean(values) },
});

const shareOf = (some: number, of: number) => meanOf(Array.from({ length: of }, (_, i) => (i < some ? 1 : 0)));

/** Ties count half. */
const winsAgainst = (reference: readonly number[], own: readonly number[]) =>
  meanOf(own.map((value, i) => winRate([reference[i]!], [value]).winRate));

function averagePrecision({ metrics, records }: ArmResult): SeedFigure {
  const outcomes = records as readonly Outcome<readonly Box[]>[];
  const weighted = weightedMetric(detectionMetrics.ap50, outcomes);
  return { value: metrics.ap50!, examples: records.length, weighted };
}

/** A row's arm as a column asks for it. */
export const atShots = (arm: Arm, shots: Column["shots"]): Arm => (isTrained(arm) ? { ...arm, shots } : arm);

/** Row of the best mean; none where fewer than two rows have one, or nothing is better or worse. */
function bestOf(measure: Measure, column: readonly (readonly SeedFigure[])[]): number | undefined {
  if (shares.has(measure) || column.filter((row) => row.length > 0).length < 2) return undefined;
  const sign = measure === "jsd" ? -1 : 1;
  const means = column.map((row) =>
    row.length === 0 ? Number.NEGATIVE_INFINITY : sign * mean(row.map(({ value }) => value)),
  );
  return means.indexOf(Math.max(...means));
}

const missing = ({ model, cots }: Arm) =>
  model === "gpt-4o" || cots === "gpt-4o" ? "not run: set OPENAI_API_KEY" : "not run";

function spread(measure: Measure, figures: readonly SeedFigure[], asked: number): string {
  const values = figures.map(({ value }) => value);
  const over = values.length > 1 ? ` ± ${shown(measure, deviation(values))}` : "";
  const { low, high } = seedsInterval(figures);
  const count = values.length === asked ? "" : ` (${values.length} of ${asked} seeds)`;
  return `${shown(measure, mean(values))}${over} [${shown(measure, low)}, ${shown(measure, high)}]${count}`;
}

const shown = (measure: Measure, value: number) =>
  shares.has(measure) ? `${(100 * value).toFixed(1)} %` : value.toFixed(3);

/** Measures that are shares, of which neither more nor less is better. */
const shares: ReadonlySet<Measure> = new Set(["winRate", "kept", "leaks"]);

const names: Readonly<Record<Column["role"], string>> = {
  emotion6: "Emotion6",
  lisa: "LISA",
  "imagenet-sub": "ImageNet-Sub",
  "coco-sub": "COCO-Sub",
};
const measures: Readonly<Record<Measure, string>> = {
  jsd: "JSD ↓",
  winRate: "WR",
  accuracy: "Acc ↑",
  ap50: "mAP@0.5 ↑",
  kept: "kept",
  leaks: "leaking",
};
const headOf = ({ role, measure, shots }: Column) =>
  `${names[role]} ${measures[measure]}, ${shots === "full" ? "full" : `${shots}-shot`}`;
