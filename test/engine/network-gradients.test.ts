import { describe, expect, it } from "vitest";
import { createAdapter, type LoraConfig, type TrainableTensor } from "../../src/engine/adapter";
import { groupImages, visionFeeds } from "../../src/engine/batch";
import { trainingGraph } from "../../src/engine/graphs/training";
import { bindWeights, type Policy } from "../../src/engine/policy";
import type { BatchPlan } from "../../src/engine/shared-prefixes";
import { targetFeeds, tokenFeeds } from "../../src/engine/training/feeds";
import { expectedTensors } from "../../src/models/checkpoint/recorded";
import type { Checkpoint } from "../../src/models/checkpoint/weights";
import type { Qwen2VlConfig } from "../../src/models/families/qwen2-vl/config";
import { qwen2VlArchitecture } from "../../src/models/families/qwen2-vl/family";
import type { Row } from "../../src/models/inputs/row";
import type { Architecture } from "../../src/models/parts/architecture";
import type { Grid } from "../../src/models/parts/positions";
import { visionShape } from "../../src/models/parts/vision-inputs";
import { createSession, type Tensor } from "../../src/onnx/runtime/session";
import { createRng, type Rng } from "../../src/rng";
import { gradientError, relativeError } from "../onnx/autodiff/differences";
import { evaluate } from "../onnx/graph/interpreter";
import { type NdArray, ndarray, sizeOf } from "../onnx/graph/ndarray";

/** Every part of the architecture, as small as it can be. */
const tiny = (tieWordEmbeddings: boolean): Qwen2VlConfig => ({
  text: {
    vocabSize: 11,
    hiddenSize: 12,
    intermediateSize: 10,
    layers: 2,
    heads: 2,
    kvHeads: 1,
    headDim: 6,
    rmsNormEps: 1e-6,
    ropeTheta: 1e4,
    mropeSection: [1, 1, 1],
    contextLength: 64,
    tieWordEmbeddings,
  },
  vision: {
    depth: 1,
    embedDim: 8,
    heads: 2,
    mlpRatio: 2,
    patchSize: 2,
    temporalPatchSize: 2,
    spatialMergeSize: 2,
    inChannels: 1,
  },
  tokens: { image: 10, video: 9, visionStart: 8, visionEnd: 7, eos: [6], pad: 5 },
});

const normalFrom = (rng: Rng) => (length: number, scale: number) =>
  Float32Array.from({ length }, () => scale * rng.normal());
type Draw = ReturnType<typeof normalFrom>;
const normal = normalFrom(createRng(3, "network gradients"));
const picture = (grid: Grid) => ({ grid, pixelValues: normal(sizeOf(grid) * 8, 1) });
const [square, broad] = [picture([1, 2, 2]), picture([1, 2, 4])];
const image = 10;

const whole = (row: Row) => ({ row, from: 0, to: row.tokens.length, prefix: 0 });

/** Two rows of different length, so that one is padded; they share a picture, and one has a second of another size. */
const apart: BatchPlan = {
  prefixes: [],
  prefixTime: 0,
  rows: [
    { tokens: [8, image, 7, 1, 8, image, image, 7, 2, 3], images: [square, broad], promptLength: 8 },
    { tokens: [0, 8, image, 7, 4, 4], images: [square], promptLength: 5 },
  ].map(whole),
  time: 11,
};

/** Two rows that continue the same tokens and picture, and one from fewer of others, so that its prefix is padded. */
const endingIn = (...end: number[]): Row => ({
  ...{ tokens: [8, image, image, 7, 1, ...end], images: [broad], promptLength: 5 },
});
const [first, second] = [endingIn(2), endingIn(3, 4)];
const third: Row = { tokens: [0, 8, image, 7, 4], images: [square], promptLength: 4 };
const behindPrefixes: BatchPlan = {
  prefixes: [
    { row: first, from: 0, to: 4 },
    { row: third, from: 0, to: 2 },
  ],
  prefixTime: 5,
  rows: [
    { row: first, from: 4, to: 6, prefix: 0 },
    { row: second, from: 4, to: 7, prefix: 0 },
    { row: third, from: 2, to: 5, prefix: 1 },
  ],
  time: 4,
};

/** Scored tokens, one more than there are: the last is filled up, as a batch is. */
const targets = (plan: BatchPlan) => plan.rows.reduce((n, { row }) => n + row.tokens.length - row.promptLength, 1);

/** Random weights near what a trained network has: norms around one, everything else around zero. */
function randomWeights(architecture: Architecture, draw: Draw): Map<string, TrainableTensor> {
  return new Map(
    [...expectedTensors(architecture)].map(([name, shape]) => {
      const data = draw(sizeOf(shape), 0.3);
      const isNorm = /(norm\d?|layernorm|ln_q)\.weight$/.test(name);
      return [name, { shape, data: isNorm ? data.map((x) => 1 + x) : data }];
    }),
  );
}

/** The library's own training graph and everything it is fed with: all weights trained, or an adapter. */
function build(
  config: Qwen2VlConfig,
  plan: BatchPlan,
  lora?: LoraConfig,
  recompute = false,
  temperature = 1,
  draw = normal,
  entropies = false,
) {
  const architecture = qwen2VlArchitecture(config);
  const weights = randomWeights(architecture, draw);
  const adapter = lora && createAdapter(architecture, lora, 1);
  // B starts at zero, where the gradient of A vanishes: move away from there.
  for (const [name, { data }] of adapter ?? []) if (name.includes("lora_B")) data.set(draw(data.length, 0.3));
  const trainable = adapter ?? weights;

  const tensors: Checkpoint["tensors"] = new Map(
    [...weights].map(([name, { shape }]) => [
      name,
      { shape, dtype: "F32", file: "none", offset: 0, bytes: 4 * sizeOf(shape) },
    ]),
  );
  const read = (name: string) => Promise.resolve(weights.get(name)!.data);
  const checkpoint: Checkpoint = { dir: "memory", folder: "memory", tensors, read };
  const policy: Policy = { architecture, checkpoint, trainable, ...(lora && { lora }) };

  const { prefixes, prefixTime, rows, time } = plan;
  const groups = groupImages(
    rows.map(({ row }) => row),
    architecture,
  );
  const pictures = groups.groups.map(({ grid, images }) => visionShape(architecture, grid, images.length));
  const shape = {
    batch: rows.length,
    ...(prefixes.length > 0 && { prefixes: { count: prefixes.length, time: prefixTime } }),
    time,
    targets: targets(plan),
    pictures: lora ? [] : pictures,
    featureRows: groups.featureRows,
    recompute,
    temperature,
    entropies,
  };
  const cotangents = () => rows.map(({ row }) => draw(row.tokens.length - row.promptLength, 1));
  const { graph, outputs } = trainingGraph(architecture, shape, (g) => bindWeights(policy, g));

  const inputs: Record<string, Tensor> = {
    ...tokenFeeds(plan, groups, architecture),
    ...targetFeeds(plan, shape.targets, cotangents(), entropies ? cotangents() : undefined),
    ...Object.fromEntries(trainable),
  };
  const width = config.text.hiddenSize;
  if (lora) inputs.features = { data: draw(groups.featureRows * width, 1), shape: [groups.featureRows, width] };
  else
    groups.groups.forEach((group, k) => {
      const feeds = visionFeeds(group, architecture);
      for (const [name, feed] of Object.entries(feeds)) inputs[`vision.${k}.${name}`] = feed;
    });

  const wide = ({ data, shape }: Tensor): NdArray => ndarray(Array.from<number | bigint, number>(data, Number), shape);
  const feeds = new Map(Object.entries({ ...Object.fromEntries(weights), ...inputs }).map(([k, v]) => [k, wide(v)]));
  return { graph, outputs, inputs, feeds, trainable };
}

const policies = [
  ["all weights, embeddings tied", tiny(true), apart, undefined, false, 1],
  ["all weights, with a head of its own", tiny(false), apart, undefined, false, 1],
  ["LoRA on every linear layer", tiny(true), apart, { rank: 2 }, false, 1],
  ["LoRA on some layers", tiny(false), apart, { rank: 3, alpha: 3, targetModules: ["q_proj", "down_proj"] }, false, 1],
  ["all weights, layers computed again", tiny(true), apart, undefined, true, 1],
  ["LoRA, layers computed again", tiny(false), apart, { rank: 2 }, true, 1],
  ["all weights, at temperature 0.7", tiny(false), apart, undefined, false, 0.7],
  ["all weights, behind prefixes", tiny(true), behindPrefixes, undefined, false, 1],
  ["LoRA, behind prefixes, layers computed again", tiny(true), behindPrefixes, { rank: 2 }, true, 1],
  ["all weights, of entropies too, at temperature 1.3", tiny(true), apart, undefined, false, 1.3, true],
  ["all weights, of entropies too, layers computed again", tiny(false), apart, undefined, true, 1, true],
  [
    "LoRA, of entropies too, behind prefixes, at temperature 0.7",
    tiny(true),
    behindPrefixes,
    { rank: 2 },
    false,
    0.7,
    true,
  ],
] as const;

describe.each(policies)("the gradient of the whole network: %s", (...policy) => {
  const [name, config, plan, lora, recompute, temperature, entropies = false] = policy;
  const draw = normalFrom(createRng(3, name));
  const { graph, outputs, feeds, trainable } = build(config, plan, lora, recompute, temperature, draw, entropies);
  const names = [...trainable.keys()];
  const values = names.map((name) => outputs[`gradient:${name}`]!);
  const gradients = () => new Map(evaluate(graph, values, feeds).map((gradient, i) => [names[i]!, gradient]));

  it("has one gradient for each trained tensor, of its shape", () => {
    const scores = ["logProbs", ...(entropies ? ["entropies"] : [])];
    expect(Object.keys(outputs).sort()).toEqual([...scores, ...names.map((name) => `gradient:${name}`)].sort());
    expect(values.map(({ shape }) => shape)).toEqual(names.map((name) => trainable.get(name)!.shape));
  });

  it("is what central differences of the float64 network say, for every tensor, to one in ten million", () => {
    const scores = [
      { output: outputs.logProbs!, cotangent: feeds.get("cotangent")!.data },
      ...(outputs.entropies ? [{ output: outputs.entropies, cotangent: feeds.get("entropyCotangent")!.data }] : []),
    ];
    const loss = (at: ReadonlyMap<string, NdArray>) =>
      scores.reduce((sum, { output, cotangent }) => {
        const [{ data }] = evaluate(graph, [output], at) as [NdArray];
        return data.reduce((total, score, i) => total + score * cotangent[i]!, sum);
      }, 0);
    expect(gradientError(loss, feeds, gradients(), { elementwise: 8 })).toBeLessThan(1e-7);
  });
});

it("equals the gradient of the same rows without prefixes", () => {
  const { rows } = behindPrefixes;
  const plans = [behindPrefixes, { prefixes: [], prefixTime: 0, rows: rows.map(({ row }) => whole(row)), time: 8 }];
  const [shared, alone] = plans.map((plan) => {
    const { graph, outputs, feeds } = build(tiny(true), plan, undefined, false, 1, normalFrom(createRng(5, "rows")));
    return evaluate(graph, Object.values(outputs), feeds);
  });
  for (const [i, { data }] of shared!.entries()) expect(relativeError(data, alone![i]!.data)).toBeLessThan(1e-12);
});

it("gives −Σ p log p of the distributions that the log-probabilities are of", () => {
  const { graph, outputs, feeds } = build(tiny(true), apart, undefined, false, 0.7, normal, true);
  const logProbs = outputs.logProbs!.node!.in[0]!.node!.in[0]!;
  const [rows, entropies] = evaluate(graph, [logProbs, outputs.entropies!], feeds) as [NdArray, NdArray];
  const width = 11;
  expect(entropies.data.length).toBe(targets(apart));
  for (const [i, entropy] of entropies.data.entries()) {
    const row = rows.data.slice(i * width, (i + 1) * width);
    expect(row.reduce((sum, log) => sum + Math.exp(log), 0)).toBeCloseTo(1, 12);
    expect(entropy).toBeCloseTo(-row.reduce((sum, log) => sum + Math.exp(log) * log, 0), 12);
  }
});

it.each([
  ["at full optimisation", apart, false],
  ["with weights that stay in files, layers computed again", apart, true],
  ["behind prefixes", behindPrefixes, false],
  ["behind prefixes, with weights that stay in files, layers computed again", behindPrefixes, true],
])(
  "onnxruntime computes log-probabilities, entropies and gradients in float32 as the interpreter does in float64, %s",
  async (_, plan, small) => {
    const { graph, outputs, inputs, feeds } = build(tiny(true), plan, undefined, small, 1, normal, true);
    const session = await createSession(graph, outputs, { threads: 1, weightsStayInFiles: small });
    try {
      const found = await session.run(inputs);
      const expected = evaluate(graph, Object.values(outputs), feeds);
      Object.keys(outputs).forEach((name, i) => {
        expect(relativeError(found[name]!.data as Float32Array, expected[i]!.data), name).toBeLessThan(1e-5);
      });
    } finally {
      await session.dispose();
    }
  },
);
