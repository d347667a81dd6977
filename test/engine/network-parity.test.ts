import { afterAll, describe, expect, it } from "vitest";
import type { TrainableTensor } from "../../src/engine/adapter";
import { groupImages } from "../../src/engine/batch";
import type { Policy } from "../../src/engine/policy";
import { createSampler } from "../../src/engine/sampling/sampler";
import { microBatches, planBatch } from "../../src/engine/shared-prefixes";
import { createTrainingPass } from "../../src/engine/training/pass";
import { ShapeError } from "../../src/errors";
import type { Row } from "../../src/models/inputs/row";
import { openModel } from "../../src/models/open-model";
import {
  checkpointDir,
  largestError,
  promptOf,
  type ReferenceCase,
  reference,
  referenceArrays,
} from "../models/reference";

const { cases } = reference;
const arrays = await referenceArrays();
const recorded = (name: string) => arrays.get(name)!.data;

const model = await openModel(checkpointDir);
const trainable = new Map<string, TrainableTensor>();
for (const [name, { shape }] of model.checkpoint.tensors)
  trainable.set(name, { shape, data: await model.checkpoint.read(name) });
const policy: Policy = { architecture: model.architecture, checkpoint: model.checkpoint, trainable };
const frozen: Policy = { ...policy, trainable: new Map() };

/** Weights from memory, as in training, and straight from the file, as in serving. */
const samplers = {
  memory: createSampler(model, policy, { rowsAtOnce: 8 }),
  file: createSampler(model, frozen, { rowsAtOnce: 8 }),
};
const passes = [1, 16].map((rowsAtOnce) =>
  createTrainingPass(model, policy, { rowsAtOnce, features: samplers.memory.features }),
) as [ReturnType<typeof createTrainingPass>, ReturnType<typeof createTrainingPass>];
const [alone, together] = passes;
afterAll(() => Promise.all([...Object.values(samplers), ...passes].map((owner) => owner.dispose())));

async function scoredRow(from: ReferenceCase): Promise<Row> {
  const { tokens, images } = await model.encodePrompt(promptOf(from));
  return { tokens: [...tokens, ...from.completionIds], images, promptLength: tokens.length };
}

describe.each(cases)("a prompt with $name, against transformers", (example) => {
  const { name, ids, completionIds, greedy, penalised } = example;
  const expected = (what: string) => recorded(`${name}/${what}`);
  const vocabulary = model.config.text.vocabSize;

  it.skipIf(example.grids.length === 0)("has the same picture features, to 1e-5", async () => {
    const { images } = await model.encodePrompt(promptOf(example));
    const groups = groupImages([{ tokens: [], images }], model.architecture);
    for (const sampler of Object.values(samplers)) {
      const { data } = await sampler.features(groups);
      // Features of a batch lie by size; transformers' lie in the order of the prompt.
      const width = model.config.text.hiddenSize;
      const inOrder = images.flatMap((image) => {
        const rows = (image.grid[0] * image.grid[1] * image.grid[2]) / 4;
        return [...data.subarray(groups.offsets.get(image)! * width, (groups.offsets.get(image)! + rows) * width)];
      });
      expect(largestError(inOrder, expected("features"))).toBeLessThan(1e-5);
    }
  });

  it("gives the completion the same log-probs, to 1e-5", async () => {
    const [logProbs] = await alone.logProbs([await scoredRow(example)]);
    expect(largestError(logProbs!, expected("logProbs"))).toBeLessThan(1e-5);
  });

  it.each([0, completionIds.length - 1])(
    "gives every token of the vocabulary the same log-prob at place %i, to 1e-5",
    async (t) => {
      const { tokens, images, promptLength } = await scoredRow(example);
      const words = Array.from({ length: vocabulary }, (_, id) => id);
      const before = tokens.slice(0, promptLength + t);
      const rows = words.map((id) => ({ tokens: [...before, id], images, promptLength: before.length }));
      const logProbs = (await together.logProbs(rows)).map(([logProb]) => logProb!);
      const logits = expected("logits").subarray(t * vocabulary, (t + 1) * vocabulary);
      const normaliser = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
      expect(
        largestError(
          logProbs,
          words.map((id) => logits[id]! - normaliser),
        ),
      ).toBeLessThan(1e-5);
    },
  );

  it("has the same gradient norm by every parameter, to 1e-4", async () => {
    const gradients = await gradientsOf(alone, [await scoredRow(example)], [expected("cotangent")]);
    for (const [parameter, norm] of Object.entries(example.gradientNorms))
      expect(Math.abs(norm2(gradients.get(parameter)!) / norm - 1), parameter).toBeLessThan(1e-4);
    // Without pictures transformers has no gradient for the vision tower; here it is zero.
    for (const [parameter, gradient] of gradients)
      if (!(parameter in example.gradientNorms)) expect(norm2(gradient), parameter).toBe(0);
  });

  it.each(["memory", "file"] as const)("is continued by the same greedy tokens, weights from %s", async (from) => {
    const options = { temperature: 0, maxTokens: greedy.ids.length, seed: 0 };
    const written = (await samplers[from].generate([promptOf(example)], options))[0]![0]!;
    expect(written.tokenIds).toEqual(greedy.ids);
    expect(largestError(written.logProbs!, greedy.logProbs)).toBeLessThan(1e-5);
  });

  it("is continued by other, the same, greedy tokens where repetition is penalised", async () => {
    expect(penalised.ids).not.toEqual(greedy.ids);
    const options = { temperature: 0, repetitionPenalty: 1.5, maxTokens: penalised.ids.length, seed: 0 };
    const written = (await samplers.memory.generate([promptOf(example)], options))[0]![0]!;
    expect(written.tokenIds).toEqual(penalised.ids);
    expect(largestError(written.logProbs!, penalised.logProbs)).toBeLessThan(1e-5);
  });

  it("gives picture tokens that the model wrote the log-probs of generate, as words, to 1e-5", async () => {
    const { tokens, images } = await model.encodePrompt(promptOf(example));
    const row = { tokens: [...tokens, ...example.written.ids], images, promptLength: tokens.length };
    for (const pass of passes) {
      const [logProbs] = await pass.logProbs([row]);
      expect(largestError(logProbs!, example.written.logProbs)).toBeLessThan(1e-5);
    }
  });

  it("encodes to the same tokens", async () => {
    expect((await model.encodePrompt(promptOf(example))).tokens).toEqual(ids);
    expect(await model.countTokens(promptOf(example))).toBe(ids.length);
  });
});

describe("the gradient of a completion after two pictures and four turns", () => {
  const name = "two pictures";
  const prefix = `${name}/gradient/`;
  const parameters = [...arrays.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));

  it("is PyTorch's by every one of the 57 parameters: worst relative difference below 1e-5", async () => {
    const example = cases.find((one) => one.name === name)!;
    const gradients = await gradientsOf(alone, [await scoredRow(example)], [recorded(`${name}/cotangent`)]);
    expect([...gradients.keys()].sort()).toEqual(parameters.sort());
    expect(parameters).toHaveLength(57);
    const worst = parameters
      .map((parameter) => ({ parameter, error: difference(gradients.get(parameter)!, recorded(prefix + parameter)) }))
      .reduce((a, b) => (b.error <= a.error ? a : b));

    expect(worst.error, `worst: ${worst.parameter}, ${worst.error}`).toBeLessThan(1e-5);
  });
});

const rows = await Promise.all(cases.map(scoredRow));

describe("rows that begin alike", () => {
  /** Three completions of each prompt, one of which continues in its prompt's words, and is shared as well. */
  const alike = rows.flatMap(({ tokens, images, promptLength }) => {
    const [prompt, completion] = [tokens.slice(0, promptLength), tokens.slice(promptLength)];
    const backwards = [...completion].reverse();
    return [
      { tokens, images, promptLength },
      { tokens: [...prompt, ...backwards.slice(1)], images, promptLength },
      { tokens: [...tokens, ...backwards], images, promptLength: tokens.length },
    ];
  });
  const cotangents = alike.map(({ tokens, promptLength }, r) =>
    Float32Array.from({ length: tokens.length - promptLength }, (_, i) => Math.sin(7 * r + i)),
  );

  it("are computed once where they are alike", () => {
    const plans = microBatches(alike, 16).map((batch) => planBatch(alike, batch));
    expect(plans.some(({ prefixes }) => prefixes.length > 0)).toBe(true);
  });

  it("have the log-probs that they have alone, to 1e-5", async () => {
    const batch = await together.logProbs(alike);
    for (const [i, row] of alike.entries())
      expect(largestError(batch[i]!, (await alone.logProbs([row]))[0]!)).toBeLessThan(1e-5);
  });

  it("have the sum of their gradients, to 1e-5", async () => {
    const sum = await gradientsOf(alone, alike, cotangents);
    for (const [parameter, gradient] of await gradientsOf(together, alike, cotangents))
      expect(difference(gradient, sum.get(parameter)!), parameter).toBeLessThan(1e-5);
  });
});

describe("rows of different prompts and pictures in one batch", () => {
  const cotangents = cases.map(({ name }) => recorded(`${name}/cotangent`));

  it("have the log-probs that they have alone, to 1e-5", async () => {
    const batch = await together.logProbs(rows);
    for (const [i, row] of rows.entries())
      expect(largestError(batch[i]!, (await alone.logProbs([row]))[0]!)).toBeLessThan(1e-5);
  });

  it("come back in the order in which they were given", async () => {
    const backwards = await together.logProbs([...rows].reverse());
    (await together.logProbs(rows)).forEach((logProbs, i) => {
      expect(largestError(backwards[rows.length - 1 - i]!, logProbs)).toBeLessThan(1e-5);
    });
  });

  it("have the sum of their gradients, to 1e-5", async () => {
    const sum = await gradientsOf(alone, rows, cotangents);
    const batch = await gradientsOf(together, rows, cotangents);
    expect([...batch.keys()].sort()).toEqual([...sum.keys()].sort());
    for (const [parameter, gradient] of batch)
      expect(difference(gradient, sum.get(parameter)!), parameter).toBeLessThan(1e-5);
  });

  it("need a token before the first that is scored", async () => {
    const headless = { tokens: [1, 2], images: [], promptLength: 0 };
    await expect(alone.logProbs([headless])).rejects.toThrow(ShapeError);
    await expect(alone.logProbs([headless])).rejects.toThrow("row 0: expected at least one token before those");
  });

  it("are continued by the greedy tokens of transformers, each by its own", async () => {
    const maxTokens = Math.max(...cases.map(({ greedy }) => greedy.ids.length));
    const written = await samplers.memory.generate(cases.map(promptOf), { temperature: 0, maxTokens, seed: 0 });
    expect(written.map(([completion]) => completion!.tokenIds)).toEqual(cases.map(({ greedy }) => greedy.ids));
    const others = await samplers.memory.generate(cases.map(promptOf), {
      temperature: 0,
      repetitionPenalty: 1.5,
      maxTokens,
      seed: 0,
    });
    expect(others.map(([completion]) => completion!.tokenIds)).toEqual(cases.map(({ penalised }) => penalised.ids));
  });

  it("are more than sixteen sizes of pictures at once, if need be", async () => {
    const sides = Array.from({ length: 12 }, (_, i) => i + 1);
    const sizes = sides.flatMap((h) =>
      sides.filter((w) => h * w >= 4 && h * w <= 12).map((w) => [28 * h, 28 * w] as const),
    );
    expect(sizes.length).toBeGreaterThan(16);
    const prompts = sizes.map(([height, width]) => [
      { role: "user" as const, content: [{ type: "image" as const, image: plain(height, width) }] },
    ]);
    const sampler = createSampler(model, frozen, { rowsAtOnce: 32 });
    try {
      const options = { temperature: 0, maxTokens: 1, seed: 0 };
      const [last] = await sampler.generate(prompts.slice(-1), options);
      expect((await sampler.generate(prompts, options)).at(-1)![0]!.tokenIds).toEqual(last![0]!.tokenIds);
    } finally {
      await sampler.dispose();
    }
  });
});

const plain = (height: number, width: number) => ({
  width,
  height,
  data: new Uint8Array(width * height * 3).fill(height),
});

/** ∂⟨cotangents, logProbs⟩/∂w of every parameter, summed over micro-batches. */
async function gradientsOf(
  pass: typeof alone,
  rows: readonly Row[],
  cotangents: readonly ArrayLike<number>[],
): Promise<Map<string, Float64Array>> {
  const sums = new Map<string, Float64Array>();
  await pass.backward(rows, cotangents, (name, part) => {
    const sum = sums.get(name) ?? new Float64Array(part.length);
    part.forEach((x, i) => {
      sum[i]! += x;
    });
    sums.set(name, sum);
  });
  return sums;
}

const norm2 = (x: ArrayLike<number>) => Math.hypot(...Array.from(x));

/** ‖a − b‖ / ‖b‖; the length of `a` where b is zero. */
function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return norm2(Array.from(a, (x, i) => x - b[i]!)) / (norm2(b) || 1);
}
