import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createAdapter, type LoraConfig, type TrainableTensor } from "../../../src/engine/adapter";
import { readPolicy } from "../../../src/engine/checkpoint/policy-files";
import type { Policy } from "../../../src/engine/policy";
import { createSampler } from "../../../src/engine/sampling/sampler";
import type { ScoredRow } from "../../../src/engine/shared-prefixes";
import { createTrainingPass } from "../../../src/engine/training/pass";
import { readSafetensors } from "../../../src/models/files/safetensors";
import { openModel, type VisionLanguageModel } from "../../../src/models/open-model";
import type { Placement } from "../../../src/onnx/runtime/session";
import type { Prompt } from "../../../src/types";
import { largestError, type ReferenceCase } from "../../models/reference";
import { type Comparison, worst } from "../compare";

type Arrays = Awaited<ReturnType<typeof readSafetensors>>;
type Differences = Map<string, number>;

/**
 * This library against transformers and PEFT, on one checkpoint that qwen2-vl/shapes.py made.
 * @param placement what computes: one thread of the CPU
 * @param halfProducts with frozen matrices, in the precision that they are stored in
 */
export async function compareShape(
  dir: string,
  images: string,
  placement: Placement = { threads: 1 },
  halfProducts = false,
): Promise<Comparison[]> {
  const { cases }: { cases: ReferenceCase[] } = JSON.parse(await readFile(join(dir, "cases.json"), "utf8"));
  const arrays = await readSafetensors(join(dir, "arrays.safetensors"));
  const model = await openModel(join(dir, "checkpoint"));
  const found = { tokens: new Map(), pixelMean: new Map(), pixelMost: new Map() } as Record<string, Differences>;
  const rows: ScoredRow[] = [];
  for (const example of cases) {
    const { tokens, images: pictures } = await model.encodePrompt(promptOf(example, images));
    const grids = pictures.map(({ grid }) => grid);
    const alike = JSON.stringify([tokens, grids]) === JSON.stringify([example.ids, example.grids]);
    found.tokens!.set(example.name, alike ? 0 : Number.POSITIVE_INFINITY);
    const pixels = arrays.get(`${example.name}/pixelValues`)?.data;
    if (pixels) {
      const apart = pixelDifferences(
        pictures.flatMap(({ pixelValues }) => [...pixelValues]),
        pixels,
      );
      found.pixelMean!.set(example.name, apart.reduce((sum, x) => sum + x, 0) / apart.length);
      found.pixelMost!.set(
        example.name,
        apart.reduce((most, x) => Math.max(most, x), 0),
      );
    }
    rows.push({ tokens: [...tokens, ...example.completionIds], images: pictures, promptLength: tokens.length });
  }
  const set: Comparing = { dir, images, cases, arrays, model, rows, placement, halfProducts };
  const { logits, logProbs, greedy, gradients } = await withEveryWeight(set);
  const lora = await withAdapter(set);
  const exact = 0;
  const named = (what: string, differences: Differences, tolerance: number) => ({
    ...worst(`${what} (${differences.size})`, differences),
    tolerance,
  });
  return [
    named("prompts: token ids, image grids", found.tokens!, exact),
    // The recording has no pixels.
    ...(found.pixelMean!.size > 0
      ? [
          named("pixels, of 255: mean difference", found.pixelMean!, 1),
          named("pixels, of 255: largest difference", found.pixelMost!, 3),
        ]
      : []),
    named("first token's log-probs, every token's", logits, 1e-4),
    named("log-probs", logProbs, 1e-4),
    named("64 greedy tokens", greedy, exact),
    named("gradients of parameters", gradients, 1e-3),
    named("LoRA: log-probs", lora.logProbs, 1e-4),
    named("LoRA: gradients of matrices", lora.gradients, 1e-3),
  ];
}

interface Comparing {
  readonly dir: string;
  readonly images: string;
  readonly cases: readonly ReferenceCase[];
  readonly arrays: Arrays;
  readonly model: VisionLanguageModel;
  readonly rows: readonly ScoredRow[];
  readonly placement: Placement;
  readonly halfProducts: boolean;
}

async function withEveryWeight({ cases, arrays, model, images, rows, placement }: Comparing) {
  const { architecture, checkpoint } = model;
  const trainable = new Map<string, TrainableTensor>();
  for (const [name, { shape }] of checkpoint.tensors) trainable.set(name, { shape, data: await checkpoint.read(name) });
  const differences = { logits: new Map(), logProbs: new Map(), greedy: new Map(), gradients: new Map() } as Record<
    "logits" | "logProbs" | "greedy" | "gradients",
    Differences
  >;
  await withPass(model, { architecture, checkpoint, trainable }, placement, async (pass) => {
    const logProbs = await pass.logProbs(rows);
    for (const [i, { name }] of cases.entries()) {
      differences.logProbs.set(name, largestError(logProbs[i]!, arrays.get(`${name}/logProbs`)!.data));
      const ours = await vocabularyLogProbs(pass, rows[i]!, model);
      const logits = arrays.get(`${name}/logits`)!.data;
      differences.logits.set(name, largestError(ours.logProbs, logProbsOf(logits, ours.ids)));
      if (!arrays.has(`${name}/gradient/model.norm.weight`)) continue;
      const gradients = await gradientsOf(pass, rows[i]!, arrays.get(`${name}/cotangent`)!.data);
      for (const [parameter, gradient] of gradients)
        differences.gradients.set(
          `${name}, ${parameter}`,
          apart(gradient, arrays.get(`${name}/gradient/${parameter}`)!.data),
        );
    }
  });
  // As in serving: weights from the file, all prompts at once.
  const sampler = createSampler(
    model,
    { architecture, checkpoint, trainable: new Map() },
    { rowsAtOnce: 64, ...placement },
  );
  try {
    const prompts = cases.map((example) => promptOf(example, images));
    const written = await sampler.generate(prompts, {
      temperature: 0,
      maxTokens: Math.max(...cases.map(({ greedy }) => greedy.ids.length)),
      seed: 0,
    });
    for (const [i, { name, greedy }] of cases.entries()) {
      const same = written[i]![0]!.tokenIds!.join() === greedy.ids.join();
      differences.greedy.set(`${name}, smallest lead ${greedy.smallestMargin}`, same ? 0 : Number.POSITIVE_INFINITY);
    }
  } finally {
    await sampler.dispose();
  }
  return differences;
}

/** The adapter that PEFT made of every linear layer, after two pictures. */
async function withAdapter({ dir, cases, arrays, model, rows, placement, halfProducts }: Comparing) {
  const settings = JSON.parse(await readFile(join(dir, "adapter/adapter_config.json"), "utf8"));
  const lora: LoraConfig = {
    rank: settings.r,
    alpha: settings.lora_alpha,
    rsLora: settings.use_rslora,
    targetModules: "all-linear",
  };
  const { architecture, checkpoint } = model;
  const policy: Policy = {
    architecture,
    checkpoint,
    lora,
    trainable: createAdapter(architecture, lora, 0),
    halfProducts,
  };
  for (const [name, data] of await readPolicy(policy, join(dir, "adapter"))) policy.trainable.get(name)!.data.set(data);
  const row = rows[cases.findIndex(({ name }) => name === "two pictures")]!;
  const [logProbs, gradients]: [Differences, Differences] = [new Map(), new Map()];
  await withPass(model, policy, placement, async (pass) => {
    const [ours] = await pass.logProbs([row]);
    logProbs.set("two pictures", largestError(ours!, arrays.get("lora/logProbs")!.data));
    for (const [name, gradient] of await gradientsOf(pass, row, arrays.get("two pictures/cotangent")!.data)) {
      const theirs = name
        .replace(/^visual\./, "model.visual.")
        .replace(/^model\.layers/, "model.language_model.layers");
      gradients.set(name, apart(gradient, arrays.get(`lora/gradient/base_model.model.${theirs}`)!.data));
    }
  });
  return { logProbs, gradients };
}

type Pass = ReturnType<typeof createTrainingPass>;

async function withPass(
  model: VisionLanguageModel,
  policy: Policy,
  placement: Placement,
  use: (pass: Pass) => Promise<void>,
): Promise<void> {
  const sampler = createSampler(model, policy, { rowsAtOnce: 64, ...placement });
  const pass = createTrainingPass(model, policy, { rowsAtOnce: 128, features: sampler.features, ...placement });
  try {
    await use(pass);
  } finally {
    await pass.dispose();
    await sampler.dispose();
  }
}

/** log π of every token after the prompt. */
async function vocabularyLogProbs(
  pass: Pass,
  { tokens, images, promptLength }: ScoredRow,
  { config }: VisionLanguageModel,
) {
  const ids = Array.from({ length: config.text.vocabSize }, (_, id) => id);
  const rows = ids.map((id) => ({ tokens: [...tokens.slice(0, promptLength), id], images, promptLength }));
  return { ids, logProbs: (await pass.logProbs(rows)).map(([logProb]) => logProb!) };
}

function logProbsOf(logits: Float32Array, ids: readonly number[]): number[] {
  const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
  return ids.map((id) => logits[id]! - total);
}

async function gradientsOf(pass: Pass, row: ScoredRow, cotangent: Float32Array): Promise<Map<string, Float32Array>> {
  const gradients = new Map<string, Float32Array>();
  await pass.backward([row], [cotangent], (name, gradient) => gradients.set(name, gradient.slice()));
  return gradients;
}

/** |a − b| of normalised pixels in steps of a byte. */
function pixelDifferences(ours: readonly number[], theirs: Float32Array): number[] {
  // CLIP's largest standard deviation: no channel's difference is understated.
  const byte = 255 * 0.27577711;
  return Array.from(theirs, (x, i) => Math.abs(ours[i]! - x) * byte);
}

/** ‖a − b‖ / ‖b‖. */
const apart = (a: Float32Array, b: Float32Array) => norm(a.map((x, i) => x - b[i]!)) / norm(b);
const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));

const promptOf = ({ messages }: ReferenceCase, images: string): Prompt =>
  messages.map(({ role, content }) => ({
    role,
    content: content.map((part) => (part.type === "image" ? { ...part, image: join(images, part.image) } : part)),
  }));
