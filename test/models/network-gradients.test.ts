import { describe, expect, it } from "vitest";
import { createAdapter, type LoraConfig, type TrainableTensor } from "../../src/models/qwen2-vl/adapter";
import { groupImages, layOut, type ModelRow, visionFeeds } from "../../src/models/qwen2-vl/batch";
import type { Qwen2VlConfig } from "../../src/models/qwen2-vl/config";
import { bindWeights, type Policy } from "../../src/models/qwen2-vl/policy";
import type { Grid } from "../../src/models/qwen2-vl/positions";
import { trainingGraph } from "../../src/models/qwen2-vl/training-graph";
import { type Checkpoint, expectedTensors } from "../../src/models/qwen2-vl/weights";
import { createSession, type Tensor } from "../../src/onnx/session";
import { createRng, type Rng } from "../../src/rng";
import { gradientError, relativeError } from "../onnx/differences";
import { evaluate } from "../onnx/interpreter";
import { type NdArray, ndarray, sizeOf } from "../onnx/ndarray";

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

/** Two rows of different length, so that one is padded; they share a picture, and one has a second of another size. */
const rows: readonly ModelRow[] = [
  { tokens: [8, image, 7, 1, 8, image, image, 7, 2, 3], images: [square, broad] },
  { tokens: [0, 8, image, 7, 4, 4], images: [square] },
];
const time = 11;
/** [place, token that follows]: two in one row, one in the other; the last is filled up, as a batch is. */
const scored = [
  [7, 2],
  [8, 3],
  [time + 4, 4],
  [0, 0],
] as const;

/** Random weights near what a trained network has: norms around one, everything else around zero. */
function randomWeights(config: Qwen2VlConfig, draw: Draw): Map<string, TrainableTensor> {
  return new Map(
    [...expectedTensors(config)].map(([name, shape]) => {
      const data = draw(sizeOf(shape), 0.3);
      const isNorm = /(norm\d?|layernorm|ln_q)\.weight$/.test(name);
      return [name, { shape, data: isNorm ? data.map((x) => 1 + x) : data }];
    }),
  );
}

/** The library's own training graph and everything it is fed with: all weights trained, or an adapter. */
function build(config: Qwen2VlConfig, lora?: LoraConfig, recompute = false, temperature = 1, draw = normal) {
  const weights = randomWeights(config, draw);
  const adapter = lora && createAdapter(config, lora, 1);
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
  const policy: Policy = { config, checkpoint, trainable, ...(lora && { lora }) };

  const groups = groupImages(rows, config);
  const pictures = groups.groups.map(({ grid, images }) => ({ count: images.length, patches: sizeOf(grid) }));
  const shape = {
    batch: rows.length,
    time,
    targets: scored.length,
    pictures: lora ? [] : pictures,
    featureRows: groups.featureRows,
    recompute,
    temperature,
  };
  const { graph, outputs } = trainingGraph(config, shape, (g) => bindWeights(policy, g));

  const { tokenIds, source, cos, sin } = layOut(rows, time, "right", groups, config);
  const column = (i: 0 | 1) => BigInt64Array.from(scored, (pair) => BigInt(pair[i]));
  const inputs: Record<string, Tensor> = { tokenIds, source, cos, sin, ...Object.fromEntries(trainable) };
  inputs.rows = { data: column(0), shape: [scored.length] };
  inputs.chosen = { data: column(1), shape: [scored.length, 1] };
  inputs.cotangent = { data: Float32Array.of(1, -0.5, 2, 0), shape: [scored.length] };
  const width = config.text.hiddenSize;
  if (lora) inputs.features = { data: draw(groups.featureRows * width, 1), shape: [groups.featureRows, width] };
  else
    groups.groups.forEach((group, k) => {
      const feeds = visionFeeds(group, config);
      inputs[`patches.${k}`] = feeds.patches;
      inputs[`visionCos.${k}`] = feeds.cos;
      inputs[`visionSin.${k}`] = feeds.sin;
    });

  const wide = ({ data, shape }: Tensor): NdArray => ndarray(Array.from<number | bigint, number>(data, Number), shape);
  const feeds = new Map(Object.entries({ ...Object.fromEntries(weights), ...inputs }).map(([k, v]) => [k, wide(v)]));
  return { graph, outputs, inputs, feeds, trainable };
}

const policies = [
  ["all weights, embeddings tied", tiny(true), undefined, false, 1],
  ["all weights, with a head of its own", tiny(false), undefined, false, 1],
  ["LoRA on every linear layer", tiny(true), { rank: 2 }, false, 1],
  ["LoRA on some layers", tiny(false), { rank: 3, alpha: 3, targetModules: ["q_proj", "down_proj"] }, false, 1],
  ["all weights, layers computed again", tiny(true), undefined, true, 1],
  ["LoRA, layers computed again", tiny(false), { rank: 2 }, true, 1],
  ["all weights, at temperature 0.7", tiny(false), undefined, false, 0.7],
] as const;

describe.each(policies)("the gradient of the whole network: %s", (name, config, lora, recompute, temperature) => {
  const { graph, outputs, feeds, trainable } = build(
    config,
    lora,
    recompute,
    temperature,
    normalFrom(createRng(3, name)),
  );
  const names = [...trainable.keys()];
  const values = names.map((name) => outputs[`gradient:${name}`]!);
  const gradients = () => new Map(evaluate(graph, values, feeds).map((gradient, i) => [names[i]!, gradient]));

  it("has one gradient for each trained tensor, of its shape", () => {
    expect(Object.keys(outputs).sort()).toEqual(["logProbs", ...names.map((name) => `gradient:${name}`)].sort());
    expect(values.map(({ shape }) => shape)).toEqual(names.map((name) => trainable.get(name)!.shape));
  });

  it("is what central differences of the float64 network say, for every tensor, to one in ten million", () => {
    const cotangent = feeds.get("cotangent")!.data;
    const loss = (at: ReadonlyMap<string, NdArray>) =>
      evaluate(graph, [outputs.logProbs!], at)[0]!.data.reduce((sum, logProb, i) => sum + logProb * cotangent[i]!, 0);
    expect(gradientError(loss, feeds, gradients(), { elementwise: 8 })).toBeLessThan(1e-7);
  });
});

it.each([
  ["at full optimisation", false],
  ["with weights that stay in files, layers computed again", true],
])(
  "onnxruntime computes log-probabilities and gradients in float32 as the interpreter does in float64, %s",
  async (_, small) => {
    const { graph, outputs, inputs, feeds } = build(tiny(true), undefined, small);
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
