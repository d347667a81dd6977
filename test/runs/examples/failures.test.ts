import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { VlmBackend } from "../../../src/backend";
import { openaiBackend } from "../../../src/backends/openai";
import { BackendError, DataError } from "../../../src/errors";
import { auditCots } from "../../../src/evaluation/audit-cots";
import { compareEvaluations } from "../../../src/evaluation/compare";
import { readEvaluation } from "../../../src/evaluation/directory";
import { type EvaluateOptions, evaluate } from "../../../src/evaluation/evaluate";
import { classificationMetrics } from "../../../src/metrics/task-metrics";
import { htmlReport } from "../../../src/report";
import { riseCot } from "../../../src/rise/rise-cot";
import type { Example, LabelDistribution } from "../../../src/types";
import { type ChatServer, chatServer } from "../../backends/chat-server";
import {
  answerRun,
  answerTrainer,
  collect,
  contents,
  cotRun,
  cots,
  cotTrainer,
  counting,
  dataset,
  evaluationBackend,
  evaluationRun,
  failingFor,
  moods,
  readRows,
  smiling,
  trainerFailingFor,
  withFolders,
} from "../../rise/world";

const refusal = () => new BackendError("the prompt was refused");
const overload = () => new BackendError("the server is overloaded", { scope: "moment" });
const unreadable = () => new DataError("street-2.png: expected an image, got none");
const rowsOf = (folder: string) => readRows(join(folder, "records.jsonl"));

/** Forty pictures behind a server. */
const forty: readonly Example<LabelDistribution>[] = Array.from({ length: 40 }, (_, i) => ({
  id: `e${i}`,
  image: { width: 1, height: 1, data: Uint8Array.from([i, 0, 0]) },
  annotation: { joy: 1, sadness: 0 },
  subject: `<number ${i}>`,
}));
const numbered = { ...moods, answerPrompt: (example: Example<LabelDistribution>) => [said(example)] };
const said = ({ subject, image }: Example<LabelDistribution>) => ({
  role: "user" as const,
  content: [
    { type: "image" as const, image },
    { type: "text" as const, text: subject ?? "" },
  ],
});
const right = `<think>${smiling}</think><answer>{'joy': 1.00, 'sadness': 0.00}</answer>`;

async function withServer(use: (server: ChatServer, backend: VlmBackend) => Promise<void>): Promise<void> {
  const server = await chatServer([right]);
  const backend = openaiBackend({ baseUrl: server.url, model: "tiny", retries: 0 });
  await use(server, backend).finally(() => server.close());
}
const isAbout = (body: object, i: number) => JSON.stringify(body).includes(`<number ${i}>`);
const evaluating = (backend: VlmBackend, options: Partial<EvaluateOptions<LabelDistribution, never>> = {}) =>
  evaluate({ task: numbered, dataset: forty, backend, ...options });

describe("evaluate, with an example that fails", () => {
  it("pays each of the other answers once when a server refuses one prompt", () =>
    withFolders(1, (runDir) =>
      withServer(async (server, backend) => {
        server.rule = (body) => (isAbout(body, 17) ? { status: 400, message: "content_filter" } : undefined);
        const { records, metrics, failures } = await evaluating(backend, { runDir: runDir! });
        expect(server.requests).toHaveLength(40);
        expect([failures, metrics.formatRate, metrics.similarity]).toEqual([1, 39 / 40, 39 / 40]);
        expect(records[17]).toMatchObject({ exampleId: "e17", finishReason: "error", prediction: null });
        expect(records[17]!.failure).toMatch(/400: content_filter$/);
        const again = await evaluating(backend, { runDir: runDir!, resume: true });
        expect(server.requests).toHaveLength(40);
        expect(again.records).toEqual(records);
        expect(await readEvaluation(runDir!)).toEqual(again);
        server.rule = undefined;
        const mended = await evaluating(backend, { runDir: runDir!, resume: true, retryFailed: true });
        expect([server.requests.length, mended.failures, mended.metrics.formatRate]).toEqual([41, 0, 1]);
        expect(await rowsOf(runDir!)).toHaveLength(40);
      }),
    ));

  it.each([1, 4, 16])("keeps every answer that came before the key was withdrawn, %i in a batch", (batchSize) =>
    withFolders(1, (runDir) =>
      withServer(async (server, backend) => {
        let answered = 0;
        server.rule = () => (++answered > 15 ? { status: 401, message: "no such key" } : undefined);
        await expect(evaluating(backend, { runDir: runDir!, batchSize, concurrency: 2 })).rejects.toThrow("401");
        expect(await rowsOf(runDir!)).toHaveLength(15);
        server.reset();
        const { failures } = await evaluating(backend, { runDir: runDir!, resume: true });
        expect([server.requests.length, failures]).toEqual([25, 0]);
      }),
    ),
  );

  it("keeps every answer that came before an abort", () =>
    withFolders(1, (runDir) =>
      withServer(async (server, backend) => {
        const stop = new AbortController();
        server.rule = (body) => {
          if (isAbout(body, 12)) setTimeout(() => stop.abort(new Error("enough")), 50);
          return isAbout(body, 12) ? "hang" : undefined;
        };
        await expect(evaluating(backend, { runDir: runDir!, signal: stop.signal })).rejects.toThrow("enough");
        expect(await rowsOf(runDir!)).toHaveLength(15);
      }),
    ));

  it("asks again on resume for what may pass, and not for what may not", () =>
    withFolders(1, async (runDir) => {
      const failing = failingFor(failingFor(evaluationBackend(), "street-2", unreadable), "street-4", overload);
      const { records, failures } = await evaluationRun({ runDir: runDir!, backend: failing });
      expect(failures).toBe(2);
      expect(records.filter(({ finishReason }) => finishReason === "error")).toMatchObject([
        { exampleId: "street-2", failure: unreadable().message },
        { exampleId: "street-4", failure: overload().message, isTemporary: true },
      ]);
      let asked = 0;
      const mended = counting(evaluationBackend(), (prompts) => (asked += prompts));
      expect((await evaluationRun({ runDir: runDir!, resume: true, backend: mended })).failures).toBe(1);
      expect(asked).toBe(1);
    }));

  it.each([1, 2, 16])("is the same for a backend that only rejects, %i in a batch", async (batchSize) => {
    const backend = failingFor(evaluationBackend(), "street-2", unreadable);
    const { records } = await evaluationRun({ backend, batchSize });
    const whole = await evaluationRun({});
    expect(records.filter(({ exampleId }) => exampleId !== "street-2")).toEqual(
      whole.records.filter(({ exampleId }) => exampleId !== "street-2"),
    );
  });

  it("counts it as the worst value, or leaves it out if asked to", async () => {
    const backend = failingFor(evaluationBackend(), "street-2", refusal);
    const whole = await evaluationRun({});
    const counted = await evaluationRun({ backend });
    const left = await evaluationRun({ backend, onFailure: "exclude" });
    expect(counted.records[5]!.metrics).toEqual({ similarity: 0, jsd: Math.LN2, jsdBits: 1, accuracy: 0 });
    expect(counted.metrics.similarity).toBeCloseTo((9 * whole.metrics.similarity - 1) / 9, 12);
    expect(left.metrics.similarity).toBeCloseTo((9 * whole.metrics.similarity - 1) / 8, 12);
    expect([counted.failures, left.failures, left.records.length]).toEqual([1, 1, 9]);
  });

  it("throws with the example's id if asked to, and keeps what came before", () =>
    withFolders(1, async (runDir) => {
      const backend = failingFor(evaluationBackend(), "street-2", unreadable);
      const run = evaluationRun({ runDir: runDir!, backend, onFailure: "throw" });
      await expect(run).rejects.toThrow(`evaluate: example street-2: ${unreadable().message}`);
      await expect(run).rejects.toThrow(DataError);
      expect((await rowsOf(runDir!)).length).toBeGreaterThanOrEqual(4);
    }));

  it("stops after failureLimit failures in a row, which are not held against the examples", () =>
    withFolders(1, (runDir) =>
      withServer(async (server, backend) => {
        let answered = 0;
        server.rule = () => (++answered > 10 ? { status: 400, message: "unknown field" } : undefined);
        const options = { runDir: runDir!, batchSize: 1, failureLimit: 3 };
        await expect(evaluating(backend, options)).rejects.toThrow(
          /example e12: .*unknown field \(failure number 3 in a row; failureLimit is 3\)/,
        );
        expect(server.requests).toHaveLength(13);
        expect(await rowsOf(runDir!)).toHaveLength(10);
        server.reset();
        expect((await evaluating(backend, { ...options, resume: true })).failures).toBe(0);
      }),
    ));

  it("throws if no example succeeds, and at once for what concerns all of them", async () => {
    let calls = 0;
    const counted = (error: () => Error) => counting(failingFor(evaluationBackend(), "png", error), () => calls++);
    const run = (error: () => Error) => evaluate({ task: moods, dataset, backend: counted(error) });
    await expect(run(refusal)).rejects.toThrow("the prompt was refused (no example succeeded)");
    await expect(run(() => new TypeError("x is not a function"))).rejects.toThrow("x is not a function");
    calls = 0;
    await expect(run(() => new BackendError("the key is wrong", { scope: "backend" }))).rejects.toThrow(/^the key is/);
    expect(calls).toBe(1);
  });

  it("does not take an error of a metric for a failure of the example", async () => {
    const broken = Object.assign(() => 1, {
      each: () => {
        throw new TypeError("a bug");
      },
    });
    let calls = 0;
    const backend = counting(evaluationBackend(), () => calls++);
    await expect(evaluationRun({ backend, metrics: { broken } as never })).rejects.toThrow(/^a bug$/);
    expect(calls).toBe(1);
  });

  it("can be compared and reported", () =>
    withFolders(1, async (runDir) => {
      const backend = failingFor(evaluationBackend(), "street-2", unreadable);
      const [whole, failed] = [await evaluationRun({}), await evaluationRun({ backend, runDir: runDir! })];
      const options = { metrics: classificationMetrics, resamples: 50 };
      expect(compareEvaluations(whole, failed, options).similarity.difference).toBeCloseTo(1 / 9, 12);
      expect(compareEvaluations(whole, failed, { ...options, onFailure: "exclude" }).similarity.difference).toBe(0);
      const page = await htmlReport({ task: moods, dataset, title: "t", runs: [], records: failed.records });
      expect(page).toContain("street-2.png: expected an image");
    }));

  it.each<[object, string]>([
    [{ onFailure: "skip" }, 'evaluate: expected onFailure to be one of record, exclude, throw, got "skip"'],
    [{ failureLimit: 0 }, "expected failureLimit to be a whole number of at least 1, got 0"],
    [{ retryFailed: 1 }, "expected retryFailed to be true or false, got 1"],
  ])("refuses %j", (options, message) => expect(evaluationRun(options)).rejects.toThrow(message));
});

describe("auditCots, with a cot that fails", () => {
  const backend = failingFor(evaluationBackend(), "funeral", refusal);
  const audit = (options: object = {}) => auditCots({ task: moods, dataset, cots, backend, resamples: 50, ...options });

  it("records it as worth nothing, leaves it out, or throws", async () => {
    const recorded = await audit();
    expect(recorded.failures).toBe(1);
    expect(recorded.cots[2]).toMatchObject({ failure: "the prompt was refused", similarity: { own: 0, empty: 0 } });
    expect((await audit({ onFailure: "exclude" })).similarity.own.mean).toBeCloseTo(
      1.5 * recorded.similarity.own.mean,
      12,
    );
    await expect(audit({ onFailure: "throw" })).rejects.toThrow("auditCots: example funeral: the prompt was refused");
    await expect(audit({ onFailure: "skip" })).rejects.toThrow("expected onFailure to be one of");
  });
});

describe("riseCot, with an example that fails", () => {
  const bestOf = (backend: VlmBackend, options: object = {}) =>
    riseCot({ task: moods, dataset, backend, groupSize: 4, examplesPerStep: 1, ...options });
  const writer = () => cotTrainer().sampler();

  it.each(["party", "picnic", "funeral"])("brings the best cots of the others: %s", async (id) => {
    const run = bestOf(failingFor(writer(), `${id}.png`, refusal));
    const events = await collect(run);
    const { dataset: rows, failed, metrics } = await run;
    expect(rows.map(({ exampleId }) => exampleId)).toEqual(dataset.map((row) => row.id).filter((row) => row !== id));
    expect(failed).toEqual([{ exampleId: id, message: "the prompt was refused" }]);
    expect(metrics.map((row) => row["rise/failed_examples"]).filter(Boolean)).toEqual([1]);
    expect(events.filter(({ type }) => type === "warning")).toContainEqual(
      expect.objectContaining({ guard: "failed-example", message: expect.stringContaining(`example ${id}`) }),
    );
  });

  it("keeps the cot of an example for which only the image alone failed", async () => {
    const backend = writer();
    const busy: VlmBackend = {
      ...backend,
      generate: (prompts, options) =>
        (options.temperature === 0 ? failingFor(backend, "picnic.png", overload) : backend).generate(prompts, options),
    };
    const { dataset: rows, failed } = await bestOf(busy);
    expect(rows.map(({ exampleId, cotGain }) => [exampleId, cotGain === undefined])).toEqual([
      ["party", false],
      ["picnic", true],
      ["funeral", false],
    ]);
    expect(failed).toEqual([{ exampleId: "picnic", message: "the server is overloaded" }]);
  });

  it("keeps the cots whose reconstructions came", async () => {
    const run = bestOf(failingFor(writer(), smiling, overload), { preflight: false, groupSize: 8 });
    const rollouts = (await collect(run)).flatMap((event) => (event.type === "rollout-end" ? [event.rollout] : []));
    expect(rollouts.length).toBeGreaterThan(0);
    expect(rollouts.length).toBeLessThan(24);
    expect(rollouts.every(({ cot }) => !cot.text.includes(smiling))).toBe(true);
    expect((await run).failed.length).toBeGreaterThan(0);
  });

  it("throws if asked to, if every example fails, and for what concerns all", async () => {
    const failing = failingFor(writer(), "picnic", unreadable);
    const asked = bestOf(failing, { onFailure: "throw", preflight: false });
    await expect(asked).rejects.toThrow(`riseCot: example picnic: ${unreadable().message}`);
    const never = () => failingFor(writer(), "png", refusal);
    await expect(bestOf(never(), { preflight: false })).rejects.toThrow("refused (no example succeeded)");
    await expect(bestOf(never())).rejects.toThrow("the prompt was refused");
    const down = failingFor(writer(), "funeral", () => new BackendError("down", { scope: "backend" }));
    await expect(bestOf(down)).rejects.toThrow(/^down$/);
  });

  it("trains on the others, and says so in its metrics", async () => {
    const trainer = trainerFailingFor(cotTrainer(), "picnic", unreadable);
    const { metrics, dataset: rows, failed } = await cotRun({ trainer });
    expect(rows.map(({ exampleId }) => exampleId)).toEqual(["party", "funeral"]);
    expect(failed.map(({ exampleId }) => exampleId)).toEqual(["picnic"]);
    const train = metrics.filter(({ stage }) => stage === "train");
    expect(train).toHaveLength(6);
    expect(train.some((row) => row["rise/failed_examples"] === 1)).toBe(true);
    expect(train.every((row) => Number.isFinite(row.loss ?? 0))).toBe(true);
  });

  it("continues, and can be reported, when every example of a step fails, and one that is held out", () =>
    withFolders(1, async (runDir) => {
      const trainer = trainerFailingFor(cotTrainer(), "picnic", unreadable);
      const heldOut = ["a.png", "picnic.png"].map((image) => ({ ...dataset[0]!, id: image, image }));
      const { metrics } = await cotRun({ trainer, heldOut, runDir: runDir!, examplesPerStep: 1 });
      expect(metrics.filter(({ stage }) => stage === "train").some(({ reward }) => reward === undefined)).toBe(true);
      const whole = await cotRun({ trainer: cotTrainer(), heldOut: heldOut.slice(0, 1), examplesPerStep: 1 });
      const measured = metrics.filter((row) => row.eval_reward !== undefined);
      expect(measured.map((row) => row["eval_rise/failed_examples"])).toEqual(Array(measured.length).fill(1));
      expect(measured.every(({ eval_reward }) => Number(eval_reward) <= 0.5)).toBe(true);
      expect(whole.metrics.some((row) => "eval_rise/failed_examples" in row)).toBe(false);
      const page = await htmlReport({ task: moods, dataset, title: "t", runs: [{ title: "r", runDir: runDir! }] });
      expect(page).toContain("<svg");
    }));

  it("ends with the same bytes when it is stopped and resumed", () =>
    withFolders(2, async (whole, runDir) => {
      const trainer = () => trainerFailingFor(cotTrainer(), "picnic", unreadable);
      await cotRun({ trainer: trainer(), runDir: whole! });
      const stop = new AbortController();
      const stopped = cotRun({ trainer: trainer(), runDir: runDir!, stop: stop.signal });
      await expect(
        (async () => {
          for await (const event of stopped) if (event.type === "step-end" && event.step === 3) stop.abort();
        })(),
      ).rejects.toThrow();
      const { failed } = await cotRun({ trainer: trainer(), runDir: runDir!, resume: true });
      expect(failed.map(({ exampleId }) => exampleId)).toEqual(["picnic"]);
      const files = ["rollouts.jsonl", "metrics.jsonl", "cots.jsonl"];
      for (const file of files)
        expect(await readFile(join(runDir!, file), "utf8")).toBe(await readFile(join(whole!, file), "utf8"));
      expect(Object.keys(await contents(runDir!))).toEqual(Object.keys(await contents(whole!)));
    }));
});

describe("riseR1, with an example that fails", () => {
  it("reinforces with the others, and stops after failureLimit failures in a row", async () => {
    const trainer = () => trainerFailingFor(answerTrainer(), "picnic", refusal);
    const { metrics } = await answerRun({ trainer: trainer() });
    expect(metrics.filter((row) => row["rise/failed_examples"] === 1).length).toBeGreaterThan(0);
    expect(metrics).toHaveLength(10);
    const none = trainerFailingFor(answerTrainer(), "png", refusal);
    await expect(answerRun({ trainer: none, preflight: false, failureLimit: 4 })).rejects.toThrow(
      /riseR1: example \w+: the prompt was refused \(failure number 4 in a row/,
    );
  });
});
