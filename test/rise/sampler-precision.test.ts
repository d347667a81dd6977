import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Precision } from "../../src/models/checkpoint/quantize";
import { riseCot } from "../../src/rise/rise-cot";
import { onnxTrainer } from "../../src/trainers/onnx";
import { checkpointDir, imagePath, reference } from "../models/reference";
import { collect, dataset, moods } from "./world";

const cacheBefore = process.env.HF_ASSETS_CACHE;
process.env.HF_ASSETS_CACHE = await mkdtemp(join(tmpdir(), "rise-assets-"));
afterAll(async () => {
  await rm(process.env.HF_ASSETS_CACHE!, { recursive: true });
  if (cacheBefore === undefined) delete process.env.HF_ASSETS_CACHE;
  else process.env.HF_ASSETS_CACHE = cacheBefore;
});

/** Two steps of stage 1 with a real network, and the metrics of each. */
async function metricsOf(samplerPrecision: Exclude<Precision, "half">) {
  const run = riseCot({
    task: moods,
    trainer: () => onnxTrainer({ model: checkpointDir, device: "cpu", lora: { rank: 4 }, samplerPrecision }),
    dataset: dataset.map((example, i) => ({ ...example, image: imagePath(reference.pictures[i]!.file) })),
    ...{
      groupSize: 4,
      examplesPerStep: 1,
      steps: 2,
      learningRate: 1e-3,
      sampling: { cotMaxTokens: 8, reconstructionMaxTokens: 8 },
      finalPass: false,
    },
    // A random network's cots earn nothing; what they happen to be made of does, so that there is something to learn.
    reward: function letters(_, { cot }) {
      const sum = [...cot].reduce((total, letter) => total + letter.codePointAt(0)!, 0);
      const reward = { reward: (sum % 11) / 10, similarity: 0, leaks: [], format: { ok: true } } as const;
      return { prediction: null, reward };
    },
  });
  return (await collect(run)).flatMap((event) =>
    event.type === "step-end" && event.metrics.stage === "train" ? [event.metrics] : [],
  );
}

describe("a run whose sampler is rounded", () => {
  it("logs at every step how far the sampler is from what is trained; without rounding that is nothing", async () => {
    const difference = "sampling/sampling_logp_difference/mean";
    const [exact, int8, int4] = [await metricsOf("float32"), await metricsOf("int8"), await metricsOf("int4")];
    for (const steps of [exact, int8, int4]) expect(steps.length).toBe(2);
    for (const metrics of exact) expect(metrics[difference]).toBeLessThan(1e-5);
    for (const [steps, corrects] of [[exact, false] as const, [int8, true] as const, [int4, true] as const])
      for (const metrics of steps) expect("rise/sampler_masked" in metrics).toBe(corrects);
    for (const metrics of int8) expect(metrics[difference]).toBeGreaterThan(1e-3);
    int4.forEach((metrics, i) => {
      expect(metrics[difference]).toBeGreaterThan(int8[i]![difference] as number);
      expect(metrics["sampling/importance_sampling_ratio/mean"]).not.toBe(1);
      expect(metrics.grad_norm).toBeGreaterThan(0);
    });
  });
});
