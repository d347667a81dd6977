import { describe, expect, it } from "vitest";
import {
  checkMemory,
  estimateMemory,
  foresee,
  keepsTooMuch,
  type MemoryWork,
  memoryLimit,
} from "../../../src/engine/memory/estimate";
import { imaginedPolicy, imaginedRounding } from "../../../src/engine/memory/shape-only-policy";
import { compiledAtOnce, copiedBytes } from "../../../src/engine/weight-storage";
import { ConfigError } from "../../../src/errors";
import { loadConfig } from "../../../src/models/families/qwen2-vl/config";
import { qwen2VlArchitecture } from "../../../src/models/families/qwen2-vl/family";
import { openModel } from "../../../src/models/open-model";
import { visionShape } from "../../../src/models/parts/vision-inputs";
import { checkpointDir, promptOf, reference } from "../../models/reference";

const config = await loadConfig(checkpointDir);
const architecture = qwen2VlArchitecture(config);
const training = { batch: 4, time: 64, targets: 256, pictures: [], featureRows: 0, recompute: false, temperature: 1 };
const one = { prompts: 2, count: 4, maxTokens: 32 };
const prompt = { tokens: 40, grids: [[1, 8, 8] as const] };
const sideBySide = { sampledAtOnce: 8, rowsAtOnce: 4, gradientCheckpointing: false };
const numbers = (shapes: Iterable<{ readonly shape: readonly number[] }>) =>
  [...shapes].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

describe("estimateMemory", () => {
  const everything = imaginedPolicy(architecture, "everything", "F32");

  it("holds every trained weight as four bytes twice, and sixteen more to train it with AdamW", () => {
    const trained = numbers(everything.trainable.values());
    const { weights, optimizer } = estimateMemory(everything, { training });
    expect(optimizer).toBe(16 * trained);
    expect(weights).toBeGreaterThanOrEqual(8 * trained);
    expect(weights).toBeLessThan(8.4 * trained);
  });

  it("grows with rows and tokens, and faster than tokens: attention is a square", () => {
    const activations = (rows: number, tokens: number) =>
      estimateMemory(everything, { training: { ...training, batch: rows, time: tokens } }).activations;
    const [few, more, most] = [32, 64, 128].map((rows) => activations(rows, 64)) as [number, number, number];
    expect((most - more) / (more - few)).toBeCloseTo(2, 1);
    expect(most / more).toBeGreaterThan(1.9);
    expect(activations(4, 512) / activations(4, 64)).toBeGreaterThan(9);
  });

  it("of layers that are computed again is less", () => {
    const deep = imaginedPolicy(
      qwen2VlArchitecture({ ...config, text: { ...config.text, layers: 12 } }),
      { rank: 4 },
      "F32",
    );
    const of = (recompute: boolean) => estimateMemory(deep, { training: { ...training, time: 256, recompute } });
    expect(of(true).activations).toBeLessThan(0.4 * of(false).activations);
  });

  it("sums to its total, whatever is asked", () => {
    for (const trained of ["nothing", "everything", { rank: 4 }] as const)
      for (const dtype of ["F32", "BF16"] as const) {
        const estimate = foresee(imaginedPolicy(architecture, trained, dtype), one, prompt, sideBySide);
        const { total, available, ...parts } = estimate;
        expect(Object.values(parts).reduce((a, b) => a + b, 0)).toBe(total);
        expect(available).toBe(memoryLimit());
        expect(parts.optimizer > 0).toBe(trained !== "nothing");
      }
  });

  it("has a prompt once for all of its completions", () => {
    const lora = imaginedPolicy(architecture, { rank: 4 }, "F32");
    const long = { tokens: 1600, grids: [[1, 8, 8] as const] };
    const activations = (prompts: number, count: number) =>
      foresee(lora, { prompts, count, maxTokens: 32 }, long, { ...sideBySide, sampledAtOnce: 1, rowsAtOnce: 8 })
        .activations;
    expect(activations(1, 8) / activations(8, 1)).toBeLessThan(0.25);
  });

  it("of an adapter counts few trained weights: sixteen bytes for each of its own", () => {
    const adapted = imaginedPolicy(architecture, { rank: 4 }, "BF16");
    const adapter = numbers([...adapted.trainable.values()]);
    expect(estimateMemory(adapted, { training }).optimizer).toBe(16 * adapter);
    expect(adapter).toBeLessThan(0.2 * numbers(everything.trainable.values()));
  });
});

describe("a large checkpoint", () => {
  const large = imaginedPolicy(
    qwen2VlArchitecture({ ...config, text: { ...config.text, vocabSize: 6e6 } }),
    "nothing",
    "BF16",
  );
  const vision = visionShape(architecture, [1, 8, 8], 1);
  const generation = {
    ...{ prompts: 1, rows: 8, time: 64, featureRows: 16, maxTokens: 8, penalised: false },
    ...{ resumable: false, sampling: "full" as const },
  };

  it("has its vision tower, or its language model, and not both at a time", () => {
    const of = (work: MemoryWork) => estimateMemory(large, work).total;
    expect(of({ vision, generation })).toBe(Math.max(of({ vision }), of({ generation })));
  });

  it("takes less rounded: a matrix twice, rearranged for the prompt and for what follows, and never as float32", () => {
    const of = (precision: "int8" | "int4") => {
      const policy = imaginedRounding(large, precision);
      return estimateMemory(large, { generation: { ...generation, policy } }).weights;
    };
    const matrices = numbers([...large.checkpoint.tensors.values()].filter(({ shape }) => shape.length === 2));
    const embedding = 2 * 6e6 * config.text.hiddenSize;
    expect(of("int8") / (2 * matrices + embedding)).toBeCloseTo(1, 0);
    expect(of("int4") / (1.25 * matrices + embedding)).toBeCloseTo(1, 0);
    expect(of("int8")).toBeLessThan(0.75 * estimateMemory(large, { generation }).weights);
  });

  it("of rounded matrices has few compiled graphs at a time, a small one many", () => {
    expect(compiledAtOnce(imaginedRounding(large, "int8"), {})).toBeLessThan(6);
    expect(compiledAtOnce(imaginedRounding(imaginedPolicy(architecture, "nothing", "F32"), "int8"), {})).toBe(64);
    expect(compiledAtOnce(large, {})).toBe(64);
  });

  it("has copies of a gigabyte at most in its compiled graphs, however many prompts differ in length", () => {
    const middle = qwen2VlArchitecture({ ...config, text: { ...config.text, vocabSize: 600_000 } });
    const frozen = imaginedPolicy(middle, "nothing", "BF16");
    const count = compiledAtOnce(frozen, {}, "language");
    expect(count).toBeGreaterThan(2);
    expect(count * copiedBytes(frozen, "language")).toBeLessThanOrEqual(2 ** 30);
    expect(copiedBytes(frozen, "language")).toBeGreaterThan(4 * 600_000 * config.text.hiddenSize);
    // Trained weights are fed, once for all graphs.
    expect(compiledAtOnce(imaginedPolicy(middle, "everything", "BF16"), {})).toBe(64);
  });

  it("counts all copies of frozen weights that one compiled graph has", () => {
    const wide = qwen2VlArchitecture({ ...config, text: { ...config.text, intermediateSize: 60_000 } });
    const policy = imaginedPolicy(wide, { rank: 4 }, "BF16");
    const adapter = 8 * numbers(policy.trainable.values());
    const begun = { ...generation, resumable: false };
    for (const work of [{ generation: begun }, { training }]) {
      const held = estimateMemory(policy, work).weights - adapter;
      expect(held / copiedBytes(policy, "language"), JSON.stringify(Object.keys(work))).toBeCloseTo(1, 0);
    }
  });

  it("has as many compiled graphs on a GPU as fit half of it, and at least the one that begins and the one that continues", () => {
    const tensors = numbers([...large.checkpoint.tensors.values()]);
    const on = (memory: number, halfProducts = false) =>
      compiledAtOnce({ ...large, halfProducts }, { provider: "cuda", memory });
    expect(on(2 * 5.5 * 6 * tensors)).toBe(5);
    expect(on(2 * 5.5 * 6 * tensors, true)).toBe(16);
    expect(on(6 * tensors)).toBe(2);
    expect(on(2 ** 50)).toBe(64);
  });
});

describe("gradient checkpointing", () => {
  it("is for batches that would take more than half of the memory if all were kept", () => {
    const policy = imaginedPolicy(architecture, "everything", "F32");
    const taken = (batch: number) => estimateMemory(policy, { training: { ...training, batch } }).total;
    const each = (taken(2000) - taken(1000)) / 1000;
    const fitting = Math.floor((memoryLimit() / 2 - taken(0)) / each);
    expect(keepsTooMuch(policy, { ...training, batch: Math.floor(0.9 * fitting) })).toBe(false);
    expect(keepsTooMuch(policy, { ...training, batch: Math.ceil(1.1 * fitting) })).toBe(true);
    // On a GPU with less memory than the machine has.
    expect(keepsTooMuch(policy, { ...training, batch: Math.floor(0.9 * fitting) }, memoryLimit() / 2)).toBe(true);
  });
});

describe("checkMemory", () => {
  it("tells before a run what it takes, and refuses what cannot fit with the numbers and what to change", async () => {
    const model = await openModel(checkpointDir);
    const policy = { architecture, checkpoint: model.checkpoint, trainable: new Map() };
    const check = (count: number) =>
      checkMemory(
        model,
        policy,
        { prompt: promptOf(reference.cases[0]!), prompts: 1, count, maxTokens: 100 },
        { sampledAtOnce: count },
        ["fewer rows at once"],
      );
    const { total, available } = await check(4);
    expect(total).toBeLessThan(available);
    const error = await check(1e7).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as Error).message).toMatch(
      /: 1 × 10000000 completions of 100 tokens after \d+ would take about [\d.]+ GB of memory \(.*logits [\d.]+ GB.*\), and there are [\d.]+ GB\. It helps to have fewer rows at once$/,
    );
  });
});
