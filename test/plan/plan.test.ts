import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors";
import { type PlanOptions, plannedRuns, planRun, planTable } from "../../src/plan";

const onGpu: PlanOptions = { model: "7B", device: "h100", steps: 10 };
const ratio = (actual: number, expected: number) => Math.max(actual / expected, expected / actual);

describe("planRun", () => {
  it("counts the tokens of both completions of stage 1, and of one in stage 2", () => {
    const sizes = { ...onGpu, examplesPerStep: 3, groupSize: 4, promptTokens: 500, completionTokens: 100 };
    expect(planRun(sizes).tokens).toEqual({ sampled: 10 * 24 * 100, trained: 10 * 24 * 600 });
    expect(planRun({ ...sizes, stage: "answer" }).tokens).toEqual({ sampled: 10 * 12 * 100, trained: 10 * 12 * 600 });
  });

  it("foresees what was measured with 2B's shape on two cores, which is half of its laptop", () => {
    const measured: PlanOptions = { model: "2B", device: "laptop", stage: "answer", examplesPerStep: 1, steps: 1 };
    // docs/performance.md: a step over 8 completions of 160 tokens after 700 took 97.9 s.
    const step = planRun({ ...measured, promptTokens: 700, imageTokens: 512, completionTokens: 160 });
    expect(ratio(2 * step.secondsPerStep.training, 97.9)).toBeLessThan(1.4);
    // int8, 8 completions after 540 tokens: 51.6 tokens a second.
    const at = (completionTokens: number) =>
      planRun({ ...measured, promptTokens: 540, completionTokens }).secondsPerStep.sampling;
    expect(ratio((8 * 100) / (2 * (at(200) - at(100))), 51.6)).toBeLessThan(1.4);
  });

  it("takes 6 FLOPs a weight and token with LoRA and 8 without, and the vision tower's", () => {
    const one = { ...onGpu, steps: 1, examplesPerStep: 1, groupSize: 2, stage: "answer", imageTokens: 0 } as const;
    const tokens = 2 * (400 + 256);
    expect(planRun(one).flops.training).toBe(6 * 7.071e9 * tokens);
    expect(planRun({ ...one, lora: false }).flops.training).toBe(8 * 7.071e9 * tokens);
    expect(planRun({ ...one, imageTokens: 100 }).flops.training).toBeGreaterThan(planRun(one).flops.training);
  });

  it("trains no faster with more GPUs than sequences", () => {
    const few = { ...onGpu, examplesPerStep: 1, groupSize: 2 };
    const [four, sixtyFour] = [4, 64].map((gpus) => planRun({ ...few, gpus }).secondsPerStep);
    expect(sixtyFour!.training).toBe(four!.training);
  });

  it("computes a prompt for each row with transformers, and for each group with vLLM", () => {
    const one = {
      ...onGpu,
      steps: 1,
      stage: "answer",
      examplesPerStep: 1,
      imageTokens: 0,
      completionTokens: 1,
    } as const;
    const decoding = 2 * 7.071e9 * 8;
    const prompt = 2 * 7.071e9 * 400;
    expect(planRun({ ...one, sampler: "transformers" }).flops.sampling).toBe(8 * prompt + decoding);
    expect(planRun({ ...one, sampler: "vllm" }).flops.sampling).toBe(prompt + decoding);
  });

  it("holds keys and values in the precision of the weights, and no weight twice in float32", () => {
    const sizes: PlanOptions = { model: "2B", device: "laptop", stage: "answer", examplesPerStep: 1 };
    const laptop = planRun(sizes).memory;
    expect(laptop.keyValueCache).toBe(2 * planRun({ ...sizes, device: "h100" }).memory.keyValueCache);
    // The frozen weights, and the sampler's in int8.
    expect(laptop.weights).toBeCloseTo(4 * 2.209e9 + 1.544e9, -3);
    expect(planRun({ ...sizes, lora: false }).memory.weights).toBeCloseTo(1.544e9, -3);
  });

  it("gathers sharded weights in every pass, and whole for sampling", () => {
    const plan = planRun({ ...onGpu, lora: false, gpus: 8, examplesPerStep: 16 });
    const all = 7.616e9 + 0.676e9;
    // 32 rows of a GPU in 8 passes, each with two gatherings in bfloat16 and a sum in float32; two rounds of sampling.
    expect(plan.secondsPerStep.exchange).toBeCloseTo((8 * (2 * 2 + 4) * all + 2 * 2 * all) / 450e9, 6);
    expect(plan.memory.weights).toBeCloseTo(2 * all, -3);
  });

  it("grows with the steps in everything but memory and a step's seconds", () => {
    const [one, two] = [planRun(onGpu), planRun({ ...onGpu, steps: 20 })];
    expect(two.seconds).toBeCloseTo(2 * one.seconds, 6);
    expect(two.gpuHours).toBeCloseTo(2 * one.gpuHours, 6);
    expect([two.memory, two.secondsPerStep]).toEqual([one.memory, one.secondsPerStep]);
  });

  it("is no slower with more GPUs, and costs more GPU-hours", () => {
    const plans = [1, 2, 8, 64].map((gpus) => planRun({ ...onGpu, examplesPerStep: 16, gpus }));
    for (const [i, plan] of plans.entries()) {
      if (i === 0) continue;
      expect(plan.secondsPerStep.total).toBeLessThanOrEqual(plans[i - 1]!.secondsPerStep.total);
      expect(plan.gpuHours).toBeGreaterThan(plans[i - 1]!.gpuHours);
    }
  });

  it("shards when a GPU cannot hold all weights, and says when nothing helps", () => {
    const full: PlanOptions = { ...onGpu, lora: false };
    expect(planRun(full)).toMatchObject({
      fits: false,
      isSharded: false,
      bottleneck: expect.stringMatching(/^memory/),
    });
    expect(planRun({ ...full, gpus: 8 })).toMatchObject({ fits: true, isSharded: true });
    expect(planRun({ ...onGpu, gpus: 8 })).toMatchObject({ fits: true, isSharded: false });
    const { memory } = planRun(full);
    expect(memory.total).toBeCloseTo(memory.weights + memory.optimizer + memory.activations + memory.keyValueCache, 0);
  });

  it.each<[Partial<PlanOptions>, RegExp]>([
    [{}, /^decoding steps.*vLLM$/],
    [{ sampler: "vllm", examplesPerStep: 64, completionTokens: 32 }, /^matrix products: more GPUs$/],
    [{ gpus: 64 }, /^GPUs without work: 16 rows for 64 GPUs; raise examplesPerStep$/],
    [{ sampler: "vllm", completionTokens: 8, promptTokens: 10, imageTokens: 0 }, /^exchange of weights/],
    [{ device: "laptop", model: "2B" }, /^matrix products: a GPU$/],
    [{ device: "laptop" }, /^memory: it does not fit; a GPU$/],
    [{ completionTokens: 60_000 }, /^memory: it does not fit; shorter prompts and completions$/],
  ])("names the next bottleneck of %j", (options, words) => {
    expect(planRun({ ...onGpu, ...options }).bottleneck).toMatch(words);
  });

  it("costs no GPU-hours on a laptop, and prints every assumption", () => {
    const { gpuHours, assumptions } = planRun({ model: "2B", device: "laptop" });
    expect(gpuHours).toBe(0);
    expect(assumptions.join("\n")).toMatch(/measured: 240.*\n.*int8.*\n.*400 tokens.*\n.*6 FLOPs.*\n.*16 bytes/);
  });

  it.each<[object, string]>([
    [{ model: "3B" }, "expected model to be one of 2B, 7B"],
    [{ device: "laptop", gpus: 2 }, "expected gpus to be 1 on a laptop, got 2"],
    [{ imageTokens: 500 }, "expected at most 400 imageTokens (promptTokens), got 500"],
    [{ gpu: 2 }, 'unknown option "gpu"; did you mean "gpus"?'],
  ])("refuses %j", (options, words) => {
    expect(() => planRun({ ...onGpu, ...options } as PlanOptions)).toThrow(ConfigError);
    expect(() => planRun({ ...onGpu, ...options } as PlanOptions)).toThrow(words);
  });
});

describe("plannedRuns", () => {
  it("are those of planRun for their options", () => {
    for (const { options, plan } of plannedRuns()) expect(planRun(options)).toEqual(plan);
  });
});

describe("planTable", () => {
  it("has both models on a laptop, 1, 8 and 64 GPUs, and each assumption once", () => {
    const table = planTable();
    const rows = table.split("\n").filter((line) => /^[27]B/.test(line));
    expect(rows).toHaveLength(20);
    for (const device of ["laptop", "1 × h100", "8 × h100", "64 × h100"])
      expect(rows.filter((row) => row.includes(` ${device} `)).length).toBeGreaterThanOrEqual(2);
    const assumptions = table.slice(table.indexOf("Assumptions:")).trim().split("\n").slice(1);
    expect(new Set(assumptions).size).toBe(assumptions.length);
    expect(assumptions.length).toBeGreaterThanOrEqual(8);
  });
});
