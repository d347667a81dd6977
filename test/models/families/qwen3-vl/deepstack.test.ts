import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { createAdapter, type TrainableTensor } from "../../../../src/engine/adapter";
import { trainingGraph } from "../../../../src/engine/graphs/training";
import { imaginedPolicy } from "../../../../src/engine/memory/shape-only-policy";
import { bindWeights, type Policy } from "../../../../src/engine/policy";
import { createSampler } from "../../../../src/engine/sampling/sampler";
import { microBatches, planBatch } from "../../../../src/engine/shared-prefixes";
import { createTrainingPass, type TrainingPass } from "../../../../src/engine/training/pass";
import type { Qwen3VlConfig } from "../../../../src/models/families/qwen3-vl/config";
import { qwen3VlArchitecture } from "../../../../src/models/families/qwen3-vl/family";
import type { Row } from "../../../../src/models/inputs/row";
import { openModel } from "../../../../src/models/open-model";
import { visionShape } from "../../../../src/models/parts/vision-inputs";
import type { Prompt } from "../../../../src/types";
import { largestError, type ReferenceCase } from "../../reference";

const data = fileURLToPath(new URL("../../../reference/data/families", import.meta.url));
const dir = `${data}/qwen3-vl/tied`;
const { cases }: { readonly cases: readonly ReferenceCase[] } = JSON.parse(readFileSync(`${dir}/cases.json`, "utf8"));
const model = await openModel(`${dir}/checkpoint`);
const { architecture, checkpoint } = model;

const trainable = new Map<string, TrainableTensor>();
for (const [name, { shape }] of checkpoint.tensors) trainable.set(name, { shape, data: await checkpoint.read(name) });
const everything: Policy = { architecture, checkpoint, trainable };
const lora = { rank: 2 };
const languageOnly: Policy = { architecture, checkpoint, lora, trainable: createAdapter(architecture, lora, 1) };
const deeper = [...trainable.keys()].filter((name) => name.includes("deepstack"));

const sampler = createSampler(model, everything, { rowsAtOnce: 8 });
const passOf = (policy: Policy, rowsAtOnce: number, gradientCheckpointing: boolean) =>
  createTrainingPass(model, policy, { rowsAtOnce, gradientCheckpointing, features: sampler.features });
const passes = {
  alone: passOf(everything, 1, false),
  together: passOf(everything, 16, false),
  computedAgain: passOf(everything, 16, true),
  towerFrozen: passOf(languageOnly, 16, false),
};
afterAll(() => Promise.all([sampler, ...Object.values(passes)].map((owner) => owner.dispose())));

const promptOf = ({ messages }: ReferenceCase): Prompt =>
  messages.map(({ role, content }) => ({
    role,
    content: content.map((part) => (part.type === "image" ? { ...part, image: `${data}/images/${part.image}` } : part)),
  }));
/** One image, two images, none: three completions of each prompt, so that their prompts are computed once. */
const chosen = ["hall.jpg", "two pictures", "words only"].map((name) => cases.find((each) => each.name === name)!);
const rows = (
  await Promise.all(
    chosen.map(async (example): Promise<Row[]> => {
      const { tokens, images } = await model.encodePrompt(promptOf(example));
      const completion = example.completionIds;
      return [completion, [...completion].reverse(), completion.slice(2)].map((own) => {
        return { tokens: [...tokens, ...own], images, promptLength: tokens.length };
      });
    }),
  )
).flat();
const cotangents = rows.map(({ tokens, promptLength }, r) =>
  Float32Array.from({ length: tokens.length - promptLength }, (_, i) => Math.sin(7 * r + i)),
);

describe("the features of deeper blocks", () => {
  it("go in at shared prompts with images as they do row by row", async () => {
    const plans = microBatches(rows, 16).map((batch) => planBatch(rows, batch));
    expect(plans.some(({ prefixes }) => prefixes.some(({ row }) => row.images.length === 2))).toBe(true);
    const expected = await passes.alone.logProbs(rows);
    for (const pass of [passes.together, passes.towerFrozen])
      for (const [i, logProbs] of (await pass.logProbs(rows)).entries())
        expect(largestError(logProbs, expected[i]!)).toBeLessThan(1e-5);
  });

  it("have the same gradients row by row, with shared prompts, and with layers computed again", async () => {
    const expected = await gradientsOf(passes.alone);
    expect([...expected.keys()].sort()).toEqual([...trainable.keys()].sort());
    for (const name of deeper) expect(norm(expected.get(name)!), name).toBeGreaterThan(1e-4);
    for (const pass of [passes.together, passes.computedAgain])
      for (const [name, gradient] of await gradientsOf(pass)) {
        const gap = gradient.map((x, i) => x - expected.get(name)![i]!);
        expect(norm(gap) / norm(expected.get(name)!), name).toBeLessThan(1e-5);
      }
  });

  it("are differentiated once through the tower, whether layers are computed again or not", () => {
    const { config } = architecture;
    const nodesOf = (depth: number, recompute: boolean) => {
      const tower = { ...(config as Qwen3VlConfig).vision, depth, deepstack: [depth - 2, depth - 1] };
      const deep = qwen3VlArchitecture({ ...(config as Qwen3VlConfig), vision: tower });
      const policy = imaginedPolicy(deep, "everything", "F32");
      const shape = { batch: 1, time: 16, targets: 8, featureRows: 4, temperature: 1, recompute };
      const pictures = [visionShape(deep, [1, 4, 4], 1)];
      return trainingGraph(deep, { ...shape, pictures }, (g) => bindWeights(policy, g)).graph.nodes.size;
    };
    const [few, many] = [3, 9];
    expect(nodesOf(many, true) - nodesOf(few, true)).toBe(nodesOf(many, false) - nodesOf(few, false));
  });

  it("decide what a prompt with an image says, and nothing of one without", async () => {
    const before = await passes.alone.logProbs(rows);
    const weights = deeper.map((name) => trainable.get(name)!.data);
    const kept = weights.map((each) => each.slice());
    for (const each of weights) each.fill(0);
    const after = await passes.alone.logProbs(rows);
    for (const [i, each] of weights.entries()) each.set(kept[i]!);
    for (const [i, { images }] of rows.entries()) {
      const change = largestError(after[i]!, before[i]!);
      if (images.length > 0) expect(change).toBeGreaterThan(1e-3);
      else expect(change).toBe(0);
    }
  });
});

async function gradientsOf(pass: TrainingPass): Promise<Map<string, Float64Array>> {
  const sums = new Map<string, Float64Array>();
  await pass.backward(rows, cotangents, (name, part) => {
    const sum = sums.get(name) ?? new Float64Array(part.length);
    for (const [i, x] of part.entries()) sum[i]! += x;
    sums.set(name, sum);
  });
  return sums;
}

const norm = (x: Float64Array) => Math.hypot(...x);
