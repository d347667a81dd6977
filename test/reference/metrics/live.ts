import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { largestError } from "../../models/reference";
import { type Comparison, compareJson } from "../compare";
import type { Python } from "../python";
import { metricCases } from "./cases";
import { apart, type MetricFigures, metricFigures, recordedCounts } from "./figures";

/** The largest difference that is all right; two bootstraps of different draws agree only so far. */
export const metricTolerances = {
  divergence: 1e-12,
  accuracy: 1e-12,
  averagePrecision: 1e-9,
  matching: 1e-9,
  interval: 0.03,
  /** The tolerance, as a share of an interval's width: 20 000 draws on either side. */
  ends: 0.03,
  pValue: 0.02,
};

/** SciPy and pycocotools judge random cases, 10 000 matchings of either kind among them; so does this library. */
export async function compareMetrics(python: Python, scratch: string): Promise<Comparison[]> {
  const seed = Number(process.env.RISE_SEED ?? Date.now() % 2 ** 32);
  const file = join(scratch, "metric-cases.json");
  const script = fileURLToPath(new URL("peers.py", import.meta.url));
  const cases = metricCases(seed, { distributions: 2000, detections: 200, boxes: 10_000, costs: 10_000 });
  await writeFile(file, JSON.stringify(cases));
  const theirs = JSON.parse(await python(script, file)) as MetricFigures;
  const ours = metricFigures(cases);
  const made = join(scratch, "metric-peers.json");
  await writeFile(file, JSON.stringify(metricCases(0, recordedCounts)));
  await python.writing(made, script, file);

  const tolerances = metricTolerances;
  const one = (peer: string, a: readonly number[], b: readonly number[], tolerance: number): Comparison => {
    const same = a.length === b.length;
    const difference = same ? largestError(a, b) : Number.POSITIVE_INFINITY;
    return { what: `${peer} (RISE_SEED=${seed})`, difference, where: "see the seed", tolerance };
  };
  const precisions = ({ averagePrecision }: MetricFigures) =>
    averagePrecision.flatMap((found) => (found ? [found.ap50, found.ap] : [-1, -1]));
  const rates = ({ winRate }: MetricFigures) => winRate.flatMap((row) => [row.winRate, row.ties]);
  const pValues = ({ paired }: MetricFigures) => paired.map(({ pValue }) => pValue);
  const ends = (of: "mean" | "difference") =>
    Math.max(...ours.paired.map((row, i) => apart(row[of], theirs.paired[i]![of])));
  const intervals = ({ winRate }: MetricFigures) => winRate.flatMap(({ interval }) => interval);
  return [
    one("SciPy: JSD", ours.divergence, theirs.divergence, tolerances.divergence),
    one("NumPy: accuracy", ours.accuracy, theirs.accuracy, tolerances.accuracy),
    one("NumPy: win rate, ties", rates(ours), rates(theirs), tolerances.accuracy),
    one("SciPy: bootstrap of win rates", intervals(ours), intervals(theirs), tolerances.interval),
    one("SciPy: bootstrap of means, over the width", [ends("mean")], [0], tolerances.ends),
    one("SciPy: paired bootstrap of differences, over the width", [ends("difference")], [0], tolerances.ends),
    one("SciPy: permutation test", pValues(ours), pValues(theirs), tolerances.pValue),
    one("pycocotools: mAP with crowds, ties", precisions(ours), precisions(theirs), tolerances.averagePrecision),
    one("SciPy: matched boxes", ours.matchedIou, theirs.matchedIou, tolerances.matching),
    one("SciPy: least cost", ours.leastCost, theirs.leastCost, tolerances.matching),
    await compareJson(
      "SciPy, pycocotools: metrics recorded",
      fileURLToPath(new URL("peers.json", import.meta.url)),
      made,
    ),
  ];
}
