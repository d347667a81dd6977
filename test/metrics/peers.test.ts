// metrics/peers.json is made by reference/metrics/peers.py with SciPy 1.17.1 and pycocotools 2.0.11; the cases follow from seed 0.
import { describe, expect, it } from "vitest";
import { metricCases } from "../reference/metrics/cases";
import { apart, metricFigures, recordedCounts } from "../reference/metrics/figures";
import { metricTolerances } from "../reference/metrics/live";
import peers from "../reference/metrics/peers.json";

describe("Random cases", () => {
  const ours = metricFigures(metricCases(0, recordedCounts));

  it.each([
    ["divergence", "SciPy's JSD", metricTolerances.divergence],
    ["accuracy", "NumPy's accuracy", metricTolerances.accuracy],
    ["matchedIou", "the total IoU of SciPy's linear_sum_assignment", metricTolerances.matching],
    ["leastCost", "SciPy's least cost, rectangular and tied", metricTolerances.matching],
  ] as const)("have the %s that is %s", (what, _peer, tolerance) => {
    expect(ours[what]).toHaveLength(peers[what].length);
    for (const [i, value] of ours[what].entries())
      expect(Math.abs(value - peers[what][i]!)).toBeLessThanOrEqual(tolerance * (1 + Math.abs(value)));
  });

  it("have pycocotools' average precision: crowds, ties, empty images, more than a hundred boxes", () => {
    expect(ours.averagePrecision).toHaveLength(peers.averagePrecision.length);
    for (const [i, found] of ours.averagePrecision.entries()) {
      expect(found?.ap50 ?? -1).toBeCloseTo(peers.averagePrecision[i]?.ap50 ?? -1, 9);
      expect(found?.ap ?? -1).toBeCloseTo(peers.averagePrecision[i]?.ap ?? -1, 9);
    }
  });

  it("have nearly SciPy's bootstrap intervals of a mean and of a paired difference, which draw otherwise", () => {
    expect(ours.paired).toHaveLength(peers.paired.length);
    for (const [i, row] of ours.paired.entries())
      for (const of of ["mean", "difference"] as const)
        expect(apart(row[of], peers.paired[i]![of])).toBeLessThan(metricTolerances.ends);
  });

  it("have the p-value of SciPy's permutation test: exactly, of ten pairs, whose 1024 exchanges are all there; nearly, of sixty", () => {
    const pValues = (rows: readonly { readonly pValue: number }[]) => rows.map(({ pValue }) => pValue);
    for (const [i, p] of pValues(ours.paired).entries())
      expect(Math.abs(p - pValues(peers.paired)[i]!)).toBeLessThan(i < 3 ? 1e-12 : metricTolerances.pValue);
  });

  it("have the same win rate and ties, and nearly SciPy's bootstrap interval, which draws otherwise", () => {
    expect(ours.winRate).toHaveLength(peers.winRate.length);
    for (const [i, { winRate, ties, interval }] of ours.winRate.entries()) {
      const peer = peers.winRate[i]!;
      expect([winRate, ties]).toEqual([peer.winRate, peer.ties]);
      for (const [end, value] of interval.entries())
        expect(Math.abs(value - peer.interval[end]!)).toBeLessThan(metricTolerances.interval);
    }
  });
});
