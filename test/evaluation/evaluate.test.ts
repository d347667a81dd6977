import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { VlmBackend } from "../../src/backend";
import { BackendError, ConfigError, DataError } from "../../src/errors";
import { annotate } from "../../src/evaluation/annotate";
import { evaluate } from "../../src/evaluation/evaluate";
import { classificationMetrics, detectionMetrics } from "../../src/metrics/task-metrics";
import { promptText } from "../../src/prompts/prompt-text";
import { imagePrompt } from "../../src/prompts/template";
import { detection } from "../../src/tasks/detection";
import { promptKey, scriptedBackend } from "../../src/testing/scripted-backend";
import type { Box, Example, LabelDistribution } from "../../src/types";
import { cotTrainer, dataset, mean, moods, slow, smiling } from "../rise/world";

const joyful = `<think>${smiling}</think><answer>{'joy': 1.00, 'sadness': 0.00}</answer>`;
/** Right for the party, wrong for the funeral, nonsense for the picnic. */
const backend = scriptedBackend((prompt) => (promptKey(prompt).includes("picnic.png") ? "I see people." : joyful));

const noBackends: [object, string][] = [
  [{ backend: cotTrainer() }, "a trainer's sampler(), got something without generate()"],
  [{ backend: Promise.resolve(backend) }, "got a promise: await it"],
  [{ backend: () => backend }, "got a function: pass what it returns"],
  [
    { backend: undefined },
    "expected backend to be a backend, such as onnxBackend's or a trainer's sampler(), got nothing",
  ],
];

describe("evaluate", () => {
  it("reads every answer, and counts an unreadable one as the worst", async () => {
    const { metrics, records } = await evaluate({ task: moods, dataset, backend, metrics: classificationMetrics });
    const [joy, sadness] = [dataset[0]!.annotation, dataset[2]!.annotation];
    const right = { similarity: 1, jsd: 0, jsdBits: 0, accuracy: 1 };
    const worst = { similarity: 0, jsd: Math.LN2, jsdBits: 1, accuracy: 0 };
    const read = { text: joyful, finishReason: "stop", think: smiling, prediction: { joy: 1, sadness: 0 } };
    expect(records).toEqual([
      { exampleId: "party", ...read, truth: joy, metrics: right },
      {
        exampleId: "picnic",
        ...{ text: "I see people.", finishReason: "stop", think: null, prediction: null },
        ...{ truth: joy, metrics: worst },
        failure: "the completion is not <think>…</think><answer>…</answer>",
      },
      {
        exampleId: "funeral",
        ...{ ...read, truth: sadness },
        metrics: { ...worst, similarity: moods.similarity(sadness, joy) },
      },
    ]);
    // JSD is 0 for the party and its largest, ln 2, for the two others.
    expect(metrics.jsd).toBeCloseTo((2 / 3) * Math.LN2, 12);
    expect(metrics.jsdBits).toBeCloseTo(2 / 3, 12);
    expect(metrics.accuracy).toBeCloseTo(1 / 3, 12);
    expect(metrics.formatRate).toBeCloseTo(2 / 3, 12);
    expect(metrics.similarity).toBeCloseTo(mean(records.map((record) => record.metrics.similarity!)), 12);
  });

  it("says of a prediction what had to be overlooked to read it", async () => {
    const sloppy = scriptedBackend([`<think>${smiling}</think><answer>Joy! {'joy': 1.00, 'sadness': 0.00,}</answer>`]);
    const { records, repairs } = await evaluate({ task: moods, dataset, backend: sloppy });
    expect(records[0]).toMatchObject({ prediction: { joy: 1, sadness: 0 } });
    expect([...records[0]!.repairs!].sort()).toEqual(["text around it", "trailing comma"]);
    expect(repairs).toEqual({ "text around it": dataset.length, "trailing comma": dataset.length });
  });

  it("refuses ids that are no text and annotations of another kind, before any answer is asked for", async () => {
    const [first] = dataset;
    const evaluating = (wrong: object) =>
      evaluate({ task: moods, dataset: [first!, { ...first!, id: "second", ...wrong }], backend });
    await expect(evaluating({ id: 7 })).rejects.toThrow("example number 1: expected an id that is text, got 7");
    await expect(evaluating({ id: undefined })).rejects.toThrow(DataError);
    await expect(evaluating({ annotation: null })).rejects.toThrow(DataError);
    await expect(evaluating({ annotation: null })).rejects.toThrow(
      "the annotation of example second: expected a probability for each label, got null",
    );
  });

  it("refuses completions that could not be read again, naming the backend", async () => {
    for (const completion of [{ finishReason: "stop" }, { text: "x", finishReason: "eos" }]) {
      const generate = (async (prompts) => prompts.map(() => [completion])) as VlmBackend["generate"];
      const evaluating = evaluate({ task: moods, dataset, backend: { ...backend, generate } });
      await expect(evaluating).rejects.toThrow(BackendError);
      await expect(evaluating).rejects.toThrow(/^scripted: expected completions with a text and a finishReason/);
    }
  });

  it("is the same in batches of any size, however many are under way, and whichever comes back first", async () => {
    const alone = await evaluate({ task: moods, dataset, backend, metrics: classificationMetrics });
    for (const [batchSize, concurrency] of [
      [1, 1],
      [1, 2],
      [2, 3],
      [1, 100],
    ] as const) {
      const lagging = slow(backend, (call) => 5 * (3 - call));
      const options = { task: moods, dataset, backend: lagging, metrics: classificationMetrics };
      expect(await evaluate({ ...options, batchSize, concurrency })).toEqual(alone);
    }
  });

  it("is not changed by what happens to the caller's list while it runs", async () => {
    const growing = [...dataset];
    const adding: VlmBackend = {
      ...backend,
      async generate(prompts, options) {
        growing.push({ ...dataset[0]!, id: `late ${growing.length}` });
        return backend.generate(prompts, options);
      },
    };
    const { records } = await evaluate({ task: moods, dataset: growing, backend: adding, batchSize: 1, log: false });
    expect(records.map(({ exampleId }) => exampleId)).toEqual(dataset.map(({ id }) => id));
  });

  it("has so many calls under way as it was asked to have", async () => {
    let [now, most] = [0, 0];
    const counting: VlmBackend = {
      ...backend,
      async generate(prompts, options) {
        most = Math.max(most, ++now);
        await setTimeout(5);
        now--;
        return backend.generate(prompts, options);
      },
    };
    await evaluate({ task: moods, dataset, backend: counting, batchSize: 1, concurrency: 2 });
    expect(most).toBe(2);
    most = 0;
    await evaluate({ task: moods, dataset, backend: counting, batchSize: 1 });
    expect(most).toBe(1);
  });

  it("measures boxes by category, with intervals", async () => {
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
    const options = { task, dataset: examples, backend: only, metrics: detectionMetrics };
    const { metrics, intervals, records } = await evaluate(options);
    expect(metrics).toEqual({ formatRate: 1, similarity: 0.5, ap50: 0.5, ap: 0.5, meanIou: 0.5 });
    // One right and one wrong example may be drawn all right and all wrong.
    expect(intervals.ap50).toEqual({ low: 0, high: 1, level: 0.95 });
    expect(intervals.formatRate).toEqual({ low: 1, high: 1, level: 0.95 });
    expect(records.map(({ category }) => category)).toEqual(["cup", "spoon"]);
    // One example has no average precision.
    expect(records[0]!.metrics).toEqual({ similarity: 1, meanIou: 1 });
  });

  it.each([
    ["a promise", async () => 1, /metrics\.own .*: own: expected a number, got a promise/],
    ["text of an example", Object.assign(() => 1, { each: () => "x" }), /own\.each: expected a number, got "x"/],
  ])("refuses a metric that gives %s before it asks", async (_, own, message) => {
    const silent: VlmBackend = { ...backend, generate: () => Promise.reject(new Error("was asked")) };
    const options = { task: moods, dataset, backend: silent, metrics: { own: own as never } };
    await expect(evaluate(options)).rejects.toThrow(message);
  });

  it("takes metrics of the caller's own", async () => {
    const { metrics, intervals } = await evaluate({
      task: moods,
      dataset,
      backend,
      metrics: { answered: (outcomes) => outcomes.filter(({ prediction }) => prediction !== null).length },
      level: 0.5,
    });
    expect(metrics.answered).toBe(2);
    // 7 of the 27 samples have at most 1 of the two that were answered, and 19 at most 2: a quarter lies at 1, three quarters at 3.
    expect(intervals.answered).toEqual({ low: 1, high: 3, level: 0.5 });
  });

  it.each([
    ["ap50", { ap50: detectionMetrics.ap50 }],
    ["meanIou", { meanIou: detectionMetrics.meanIou }],
  ])("refuses a metric of another kind of task, %s, before it asks for an answer", async (name, metrics) => {
    const asked = { ...backend, generate: () => Promise.reject(new Error("asked")) };
    const wrong = evaluate({ task: moods, dataset, backend: asked, metrics: metrics as never });
    await expect(wrong).rejects.toThrow(`evaluate: expected metrics.${name} to be a metric of this task: `);
  });

  it("stops when its signal aborts, and refuses what is no annotation and settings that do not exist", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(evaluate({ task: moods, dataset, backend, signal })).rejects.toThrow("enough");
    const wrong = [{ ...dataset[0]!, annotation: { joy: 2, sadness: 0 } }];
    await expect(evaluate({ task: moods, dataset: wrong, backend })).rejects.toThrow(DataError);
    await expect(evaluate({ task: moods, dataset, backend, concurrency: 0 })).rejects.toThrow(ConfigError);
    const named = { similarity: () => 1 };
    await expect(evaluate({ task: moods, dataset, backend, metrics: named })).rejects.toThrow(
      /other names than .*got "sim/,
    );
    await expect(evaluate({ task: moods, dataset, backend, level: 1 })).rejects.toThrow(/level.*got 1/);
    await expect(evaluate({ task: moods, dataset, backend, resamples: 0.5 })).rejects.toThrow(/resamples.*got 0\.5/);
  });

  it.each<[object, string]>([
    [{ resume: true }, "evaluate: expected no resume without a runDir, got true; leave it out"],
    [{ retryFailed: true }, "evaluate: expected no retryFailed without a runDir, got true"],
    [{ onFailure: "throw", failureLimit: 2 }, 'evaluate: expected no failureLimit beside onFailure: "throw", got 2'],
    [{ metric: classificationMetrics }, 'evaluate: unknown option "metric"; did you mean "metrics"?'],
    [{ metrics: ["jsd"] }, 'expected metrics to be functions by name, such as classificationMetrics, got ["jsd"]'],
    [{ metrics: { jsd: true } }, "expected metrics to be functions by name"],
    [{ resume: "no" }, 'evaluate: expected resume to be true or false, got "no"'],
    [{ seed: 1.5 }, "evaluate: expected seed to be a whole number, got 1.5"],
    [{ level: "0.9" }, 'evaluate: expected level to be between 0 and 1, got "0.9"'],
    [{ maxTokens: "5" }, 'expected maxTokens to be a whole number of at least 1, got "5"'],
    [{ task: undefined }, "expected task to be a task"],
    ...noBackends,
  ])("refuses %j", (options, message) =>
    expect(evaluate({ task: moods, dataset, backend, ...options })).rejects.toThrow(message),
  );

  it("refuses no options at all", () =>
    expect(evaluate(undefined as never)).rejects.toThrow("evaluate: expected its options to be an object"));
});

describe("annotate", () => {
  it("gives reasons and the annotation", async () => {
    const annotated = await annotate({ task: moods, image: "party.png", backend });
    expect(annotated).toEqual({ think: smiling, answer: { joy: 1, sadness: 0 }, text: joyful });
  });

  it("asks about the subject, for the likeliest answer, and says what it overlooked", async () => {
    const calls: unknown[] = [];
    const sloppy: VlmBackend = {
      ...backend,
      async generate(prompts, options) {
        calls.push([promptText(prompts[0]!), options]);
        const text = "<think>It smiles.</think><answer>Here: {'joy': 1.0, 'sadness': 0.0,}</answer>";
        return [[{ text, finishReason: "stop" }]];
      },
    };
    const task = {
      ...moods,
      answerPrompt: ({ image, subject }: Example<LabelDistribution>) => imagePrompt(image, `${subject}?`),
    };
    const { signal } = new AbortController();
    await annotate({ task, image: "party.png", subject: "a cup", backend: sloppy, maxTokens: 7, signal });
    expect(calls).toEqual([["<image>\na cup?", expect.objectContaining({ maxTokens: 7, temperature: 0, seed: 0 })]]);
    const { repairs } = await annotate({ task: moods, image: "party.png", backend: sloppy });
    expect([...repairs!].sort()).toEqual(["text around it", "trailing comma"]);
  });

  it("says what is wrong with an answer that it cannot read", async () => {
    const annotated = await annotate({ task: moods, image: "picnic.png", backend });
    expect(annotated).toMatchObject({ think: null, answer: null, failure: expect.stringContaining("<think>") });
  });

  it.each<[object, string]>([
    [{ maxtokens: 5 }, 'annotate: unknown option "maxtokens"; did you mean "maxTokens"?'],
    [{ task: {} }, "expected task to be a task"],
    [{ maxTokens: 0 }, "expected maxTokens to be a whole number of at least 1, got 0"],
    ...noBackends,
  ])("refuses %j", (options, message) =>
    expect(annotate({ task: moods, image: "party.png", backend, ...options })).rejects.toThrow(message),
  );
});
