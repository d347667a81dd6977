import { describe, expect, it } from "vitest";
import { formatThinkAnswer } from "../../src/checks/think-answer";
import { DataError } from "../../src/errors";
import { compareEvaluations } from "../../src/evaluation/compare";
import { evaluate } from "../../src/evaluation/evaluate";
import { classificationMetrics, detectionMetrics } from "../../src/metrics/task-metrics";
import { createRng } from "../../src/rng";
import { detection } from "../../src/tasks/detection";
import { promptKey, scriptedBackend } from "../../src/testing/scripted-backend";
import type { Box, LabelDistribution } from "../../src/types";
import { evaluationBackend, evaluationRun, manyExamples, moods, smiling } from "../rise/world";

const happy = scriptedBackend([formatThinkAnswer(smiling, moods.format({ joy: 1, sadness: 0 }))]);
const metrics = classificationMetrics;

describe("compareEvaluations", () => {
  it("has every metric of both, its difference, and who was better with how many examples", async () => {
    const good = await evaluationRun({});
    const bad = await evaluationRun({ backend: happy });
    const compared = compareEvaluations(good, bad, { metrics });
    // The one has eight of nine answers and is wrong about the funeral only; the other is wrong about that and six streets.
    expect(compared.accuracy).toMatchObject({ a: 7 / 9, b: 2 / 9, examples: { aIsBetter: 6, equal: 2, bIsBetter: 1 } });
    expect(compared.accuracy.difference).toBeCloseTo(5 / 9, 12);
    // Lower is better: the same examples.
    expect(compared.jsd.examples).toEqual(compared.accuracy.examples);
    expect(compared.jsd.difference).toBeCloseTo((-5 / 9) * Math.LN2, 12);
    expect(compared.formatRate).toMatchObject({ a: 8 / 9, b: 1, examples: { aIsBetter: 0, equal: 8, bIsBetter: 1 } });
    // Seven signs: Σ = ±5 or ±7, so none, all, one or six of 2⁷ are flipped.
    expect(compared.accuracy.pValue).toBeCloseTo(16 / 128, 12);
    expect(Object.keys(compared)).toEqual(["formatRate", "similarity", "jsd", "jsdBits", "accuracy"]);
  });

  it("says the opposite from the other side", async () => {
    const [a, b] = [await evaluationRun({}), await evaluationRun({ backend: happy })];
    const [one, other] = [compareEvaluations(a, b, { metrics }), compareEvaluations(b, a, { metrics })];
    for (const name of ["similarity", "jsd", "accuracy"] as const) {
      expect(other[name].difference).toBeCloseTo(-one[name].difference, 12);
      expect(other[name].interval.low).toBeCloseTo(-one[name].interval.high, 12);
      expect(other[name].interval.high).toBeCloseTo(-one[name].interval.low, 12);
      expect(other[name].pValue).toBe(one[name].pValue);
      expect(other[name].examples!.aIsBetter).toBe(one[name].examples!.bIsBetter);
    }
  });

  it("finds no difference between an evaluation and itself, shuffled", async () => {
    const a = await evaluationRun({});
    const shuffled = { records: createRng(0).shuffle(a.records) };
    for (const { difference, interval, pValue } of Object.values(compareEvaluations(a, shuffled, { metrics }))) {
      expect(difference).toBeCloseTo(0, 12);
      expect(interval).toEqual({ low: 0, high: 0, level: 0.95 });
      expect(pValue).toBe(1);
    }
  });

  it("compares average precision, which no single example has", async () => {
    const task = detection({ target: "a cup" });
    const box: Box = { space: "thousand", x: 100, y: 100, width: 300, height: 200 };
    const dataset = Array.from({ length: 8 }, (_, i) => ({ id: `${i}`, image: `cup-${i}.png`, annotation: [box] }));
    const right = `<think>It stands there.</think><answer>${task.format([box])}</answer>`;
    const wrong = "<think>It lies there.</think><answer>[[600, 600, 100, 100]]</answer>";
    const findsFirst = (count: number) =>
      scriptedBackend((prompt) => (Number(/cup-(\d)/.exec(promptKey(prompt))![1]) < count ? right : wrong));
    const [all, half, none] = await Promise.all(
      [8, 4, 0].map((count) => evaluate({ task, dataset, backend: findsFirst(count) })),
    );
    const compared = compareEvaluations(all!, none!, { metrics: detectionMetrics });
    expect(compared.ap50).toMatchObject({ a: 1, b: 0, difference: 1, interval: { low: 1, high: 1 } });
    // All eight exchanged, or none, of 2⁸.
    expect(compared.ap50.pValue).toBe(2 / 256);
    expect(compared.ap50.examples).toBeUndefined();
    expect(compared.meanIou.examples).toEqual({ aIsBetter: 8, equal: 0, bIsBetter: 0 });
    const { ap50 } = compareEvaluations(all!, half!, { metrics: detectionMetrics });
    expect(ap50.interval.low).toBeGreaterThan(0);
    expect(ap50.interval.high).toBeLessThan(1);
    expect(ap50.interval.low).toBeLessThan(ap50.difference);
    expect(ap50.interval.high).toBeGreaterThan(ap50.difference);
  });

  it("names examples that only one has, and those whose annotations differ", async () => {
    const a = await evaluationRun({});
    const less = await evaluationRun({ dataset: manyExamples.slice(1) });
    expect(() => compareEvaluations(a, less)).toThrow(/got party in the first only and none in the second only/);
    expect(() => compareEvaluations({ records: a.records.slice(7) }, a)).toThrow(
      /none in the first only and party, picnic, funeral, street-0, street-1, … and 2 more in the second only/,
    );
    const [first, ...others] = manyExamples;
    const dataset = [{ ...first!, annotation: { joy: 0.5, sadness: 0.5 } }, ...others];
    const changed = await evaluationRun({ dataset, backend: evaluationBackend() });
    expect(() => compareEvaluations(a, changed)).toThrow(/one annotation of example party, got \{"joy":1/);
    const nothing = { records: [] };
    expect(() => compareEvaluations(nothing, nothing)).toThrow(DataError);
    expect(() => compareEvaluations(nothing, nothing)).toThrow(/an example that succeeded in both, got none/);
  });

  it("takes annotations that name their labels in another order for the same", () => {
    const record = (truth: LabelDistribution, similarity: number) => ({
      ...{ exampleId: "1", text: "", finishReason: "stop" as const, think: "", prediction: truth, truth },
      metrics: { similarity },
    });
    const [own, other] = [record({ joy: 1, sadness: 0 }, 1), record({ sadness: 0, joy: 1 }, 0.5)];
    expect(compareEvaluations({ records: [own] }, { records: [other] }).similarity.difference).toBe(0.5);
  });

  it("refuses what is no evaluation, and options that it does not have", async () => {
    const evaluation = await evaluationRun({});
    const compare = (b: unknown, options = {}) => compareEvaluations(evaluation, b as typeof evaluation, options);
    expect(() => compare("runs/b")).toThrow(/expected what evaluate returned, or readEvaluation read.*got "runs\/b"/);
    expect(() => compare(Promise.resolve())).toThrow("got a promise: await it");
    expect(() => compare(evaluation, { metric: {} })).toThrow('unknown option "metric"; did you mean "metrics"?');
    expect(() => compare(evaluation, { seed: 0.5 })).toThrow("seed to be a whole number, got 0.5");
  });
});
