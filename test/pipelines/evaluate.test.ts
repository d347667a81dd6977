import { describe, expect, it } from "vitest";
import { DataError } from "../../src/errors";
import { annotate } from "../../src/pipelines/annotate";
import { classificationMetrics, detectionMetrics, evaluate } from "../../src/pipelines/evaluate";
import { detection } from "../../src/tasks/detection";
import { promptKey, scriptedBackend } from "../../src/testing/scripted-backend";
import type { Box } from "../../src/types";
import { dataset, moods, smiling } from "./world";

const joyful = `<think>${smiling}</think><answer>{'joy': 1.00, 'sadness': 0.00}</answer>`;
/** Right for the party, wrong for the funeral, nonsense for the picnic. */
const backend = scriptedBackend((prompt) => (promptKey(prompt).includes("picnic.png") ? "I see people." : joyful));

describe("evaluate", () => {
  it("reads every answer, and counts an unreadable one as the worst", async () => {
    const { metrics, records } = await evaluate({ task: moods, dataset, backend, metrics: classificationMetrics });
    expect(records).toEqual([
      { exampleId: "party", text: joyful, think: smiling, prediction: { joy: 1, sadness: 0 } },
      {
        exampleId: "picnic",
        text: "I see people.",
        think: null,
        prediction: null,
        failure: "the completion is not <think>…</think><answer>…</answer>",
      },
      { exampleId: "funeral", text: joyful, think: smiling, prediction: { joy: 1, sadness: 0 } },
    ]);
    // JSD is 0 for the party and its largest, ln 2, for the two others.
    expect(metrics.jsd).toBeCloseTo((2 / 3) * Math.LN2, 12);
    expect(metrics.jsdBits).toBeCloseTo(2 / 3, 12);
    expect(metrics.accuracy).toBeCloseTo(1 / 3, 12);
    expect(metrics.formatRate).toBeCloseTo(2 / 3, 12);
  });

  it("is the same in batches of any size", async () => {
    const inBatchesOf = (batchSize: number) => evaluate({ task: moods, dataset, backend, batchSize });
    expect(await inBatchesOf(1)).toEqual(await inBatchesOf(2));
    expect(await inBatchesOf(2)).toEqual(await inBatchesOf(100));
  });

  it("measures boxes by category", async () => {
    const task = detection({ target: "a cup" });
    const box: Box = { space: "thousand", x: 100, y: 100, width: 300, height: 200 };
    const examples = ["cup", "spoon"].map((category) => ({
      id: category,
      image: `${category}.png`,
      annotation: [box],
      subject: category,
      metadata: { category },
    }));
    const only = scriptedBackend((prompt) =>
      promptKey(prompt).includes("cup.png")
        ? `<think>It stands there.</think><answer>${task.format([box])}</answer>`
        : "<think>It lies there.</think><answer>[[600, 600, 100, 100]]</answer>",
    );
    const { metrics } = await evaluate({ task, dataset: examples, backend: only, metrics: detectionMetrics });
    expect(metrics).toEqual({ formatRate: 1, ap50: 0.5, ap: 0.5, meanIou: 0.5 });
  });

  it("takes metrics of the caller's own", async () => {
    const { metrics } = await evaluate({
      task: moods,
      dataset,
      backend,
      metrics: { answered: (outcomes) => outcomes.filter(({ prediction }) => prediction !== null).length },
    });
    expect(metrics.answered).toBe(2);
  });

  it("stops when its signal aborts, and refuses an annotation that is none", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(evaluate({ task: moods, dataset, backend, signal })).rejects.toThrow("enough");
    const wrong = [{ ...dataset[0]!, annotation: { joy: 2, sadness: 0 } }];
    await expect(evaluate({ task: moods, dataset: wrong, backend })).rejects.toThrow(DataError);
  });
});

describe("annotate", () => {
  it("gives reasons and the annotation", async () => {
    const annotated = await annotate({ task: moods, image: "party.png", backend });
    expect(annotated).toEqual({ think: smiling, answer: { joy: 1, sadness: 0 }, text: joyful });
  });

  it("says what is wrong with an answer that it cannot read", async () => {
    const annotated = await annotate({ task: moods, image: "picnic.png", backend });
    expect(annotated).toMatchObject({ think: null, answer: null, failure: expect.stringContaining("<think>") });
  });
});
