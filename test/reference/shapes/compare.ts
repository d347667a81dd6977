import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createAdapter, type LoraConfig, type TrainableTensor } from "../../../src/engine/adapter";
import { readPolicy } from "../../../src/engine/checkpoint/policy-files";
import type { Policy } from "../../../src/engine/policy";
import { createSampler } from "../../../src/engine/sampling/sampler";
import { createTrainingPass } from "../../../src/engine/training/pass";
import { readSafetensors } from "../../../src/models/files/safetensors";
import type { Row } from "../../../src/models/inputs/row";
import { openModel, type VisionLanguageModel } from "../../../src/models/open-model";
import type { Placement } from "../../../src/onnx/runtime/session";
import type { Prompt } from "../../../src/types";
import { largestError, type ReferenceCase, sha256 } from "../../models/reference";
import { type Comparison, worst } from "../compare";

type Arrays = Awaited<ReturnType<typeof readSafetensors>>;
type Differences = Map<string, number>;

/**
 * This library against transformers and PEFT, on one checkpoint that qwen2-vl/shapes.py or families/record.py made.
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
  const exactly = { tokens: new Map(), positions: new Map(), pixels: new Map() } as Record<
    "tokens" | "positions" | "pixels",
    Differences
  >;
  const rows: Row[] = [];
  for (const example of cases) {
    const { name, completionIds } = example;
    const { tokens, images: pictures } = await model.encodePrompt(promptOf(example, images));
    const grids = pictures.map(({ grid }) => grid);
    const row = { tokens: [...tokens, ...completionIds], images: pictures, promptLength: tokens.length };
    const { t, h, w, next } = model.architecture.positions(row.tokens, grids, row.promptLength);
    exactly.tokens.set(name, unlike([tokens, grids], [example.ids, example.grids]));
    exactly.positions.set(name, unlike([[...t], [...h], [...w], next], [...example.positions, example.next]));
    if (pictures.length > 0) {
      const digest = sha256(...pictures.map(({ pixelValues }) => pixelValues));
      exactly.pixels.set(name, unlike(digest, example.pixelValuesSha256));
    }
    rows.push(row);
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
    named("prompts: token ids, image grids", exactly.tokens, exact),
    named("positions", exactly.positions, exact),
    named("pixel values, to the bit", exactly.pixels, exact),
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
  readonly rows: readonly Row[];
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
async function vocabularyLogProbs(pass: Pass, { tokens, images, promptLength }: Row, { config }: VisionLanguageModel) {
  const ids = Array.from({ length: config.text.vocabSize }, (_, id) => id);
  const rows = ids.map((id) => ({ tokens: [...tokens.slice(0, promptLength), id], images, promptLength }));
  return { ids, logProbs: (await pass.logProbs(rows)).map(([logProb]) => logProb!) };
}

function logProbsOf(logits: Float32Array, ids: readonly number[]): number[] {
  const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
  return ids.map((id) => logits[id]! - total);
}

async function gradientsOf(pass: Pass, row: Row, cotangent: Float32Array): Promise<Map<string, Float32Array>> {
  const gradients = new Map<string, Float32Array>();
  await pass.backward([row], [cotangent], (name, gradient) => gradients.set(name, gradient.slice()));
  return gradients;
}

/** No difference, or one that no tolerance allows. */
const unlike = (ours: unknown, theirs: unknown) =>
  JSON.stringify(ours) === JSON.stringify(theirs) ? 0 : Number.POSITIVE_INFINITY;

/** ‖a − b‖ / ‖b‖. */
const apart = (a: Float32Array, b: Float32Array) => norm(a.map((x, i) => x - b[i]!)) / norm(b);
const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));

const promptOf = ({ messages }: ReferenceCase, images: string): Prompt =>
  messages.map(({ role, content }) => ({
    role,
    content: content.map((part) => (part.type === "image" ? { ...part, image: join(images, part.image) } : part)),
  }));
