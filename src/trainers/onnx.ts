import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError, ShapeError, TrainingError } from "../errors";
import { createAdapter, type LoraConfig, type TrainableTensor } from "../models/qwen2-vl/adapter";
import { defaultModel, openQwen2Vl, type Qwen2Vl } from "../models/qwen2-vl/model";
import type { Policy } from "../models/qwen2-vl/policy";
import { copyTensors, loadPolicy, savePolicy } from "../models/qwen2-vl/policy-files";
import { readSafetensors, writeSafetensors } from "../models/qwen2-vl/safetensors";
import { createSampler } from "../models/qwen2-vl/sampler";
import { createTrainingPass, type ScoredRow } from "../models/qwen2-vl/training";
import { adamw, chain, clipByGlobalNorm, type GradientTransform, globalNorm } from "../optim";
import type { LossFn, Trainer, TrainSequence } from "./trainer";

export interface OnnxTrainerOptions {
  /** A Hugging Face directory of a Qwen2-VL checkpoint (`defaultModel`). */
  readonly model?: string;
  /** Train an adapter instead of every weight. */
  readonly lora?: LoraConfig;
  /** Chained onto the gradient before each step: clip to norm 1, then AdamW (β 0.9, 0.999; weight decay 0.1) by default. */
  readonly optimizer?: GradientTransform;
  /** Sequences in one backward pass (16): more is faster until memory is short. */
  readonly rowsAtOnce?: number;
  /** Completions sampled side by side (64). */
  readonly sampledAtOnce?: number;
  /** Of LoRA's initial matrices (0). */
  readonly seed?: number;
  /** Threads of one operator; all cores by default. */
  readonly threads?: number;
}

/**
 * Trains a Qwen2-VL checkpoint in this process, on onnxruntime's CPU provider.
 * @throws ConfigError or DataError for a checkpoint that cannot be used, naming the file and what was expected
 */
export async function onnxTrainer(options: OnnxTrainerOptions = {}): Promise<Trainer> {
  const model = await openQwen2Vl(options.model ?? defaultModel);
  const policy = await createPolicy(model, options);
  const sampler = createSampler(model, policy, { rowsAtOnce: options.sampledAtOnce ?? 64, ...threads(options) });
  const pass = createTrainingPass(model, policy, {
    rowsAtOnce: options.rowsAtOnce ?? 16,
    features: sampler.features,
    ...threads(options),
  });
  const optimizer = options.optimizer ?? chain(clipByGlobalNorm(1), adamw({ weightDecay: 0.1 }));
  const parameters = new Map([...policy.trainable].map(([name, { data }]) => [name, data]));
  const gradients = new Map([...policy.trainable].map(([name, { data }]) => [name, new Float32Array(data.length)]));
  const state = optimizer.init(parameters);
  let touched = false;

  return {
    sampler: () => sampler,
    encode: (text) => [...model.tokenizer.encode(text), model.config.tokens.eos[0]!],

    async forwardBackward(sequences, lossFn, { assumedLogProbs, signal } = {}) {
      const rows = await Promise.all(sequences.map((sequence) => scoredRow(model, sequence)));
      const assumed = assumedLogProbs?.map((row) => Float64Array.from(row)) ?? (await pass.logProbs(rows, signal));
      const { gradient } = checkedLoss(lossFn, assumed, sequences);
      touched = true;
      const logProbs = await pass.backward(rows, gradient, (name, part) => addInto(gradients.get(name)!, part), signal);
      const { loss } = lossFn(logProbs);
      return { loss, logProbs };
    },

    async optimStep({ learningRate }) {
      if (!touched) throw new TrainingError("optimStep: there is no gradient; call forwardBackward first");
      const gradNorm = globalNorm(gradients);
      if (!Number.isFinite(gradNorm))
        throw new TrainingError(`optimStep: the gradient's norm is ${gradNorm}; weights were left as they were`);
      optimizer.update(gradients, state, parameters, { learningRate });
      for (const gradient of gradients.values()) gradient.fill(0);
      touched = false;
      sampler.weightsChanged();
      return { gradNorm };
    },

    async save(dir) {
      await savePolicy(model, policy, dir);
      const tensors = new Map([...state.tensors].map(([name, data]) => [name, { shape: [data.length], data }]));
      await writeSafetensors(join(dir, "optimizer.safetensors"), tensors);
      await writeFile(join(dir, "optimizer.json"), `${JSON.stringify({ step: state.step })}\n`);
    },

    async load(dir) {
      await loadPolicy(policy, dir);
      const file = join(dir, "optimizer.safetensors");
      const stored = await readSafetensors(file);
      copyTensors(
        stored,
        new Map([...state.tensors].map(([name, data]) => [name, { shape: [data.length], data }])),
        "",
        file,
      );
      state.step = await readStep(join(dir, "optimizer.json"));
      for (const gradient of gradients.values()) gradient.fill(0);
      touched = false;
      sampler.weightsChanged();
    },

    async dispose() {
      await sampler.dispose();
      await pass.dispose();
    },
  };
}

const threads = ({ threads }: OnnxTrainerOptions) => (threads === undefined ? {} : { threads });

async function createPolicy(model: Qwen2Vl, { lora, seed = 0 }: OnnxTrainerOptions): Promise<Policy> {
  const { config, checkpoint } = model;
  if (lora) return { config, checkpoint, lora, trainable: createAdapter(config, lora, seed) };
  const trainable = new Map<string, TrainableTensor>();
  for (const [name, { shape }] of checkpoint.tensors) trainable.set(name, { shape, data: await checkpoint.read(name) });
  return { config, checkpoint, trainable };
}

async function scoredRow(model: Qwen2Vl, { prompt, completion }: TrainSequence): Promise<ScoredRow> {
  const { tokens, images } = await model.encodePrompt(prompt);
  return { tokens: [...tokens, ...completion], images, promptLength: tokens.length };
}

function checkedLoss(lossFn: LossFn, logProbs: readonly Float64Array[], sequences: readonly TrainSequence[]) {
  const result = lossFn(logProbs);
  if (result.gradient.length !== sequences.length)
    throw new ShapeError(`loss gradient: expected ${sequences.length} rows, got ${result.gradient.length}`);
  result.gradient.forEach((row, i) => {
    const expected = sequences[i]!.completion.length;
    if (row.length !== expected)
      throw new ShapeError(`loss gradient, row ${i}: expected ${expected} numbers, got ${row.length}`);
    const bad = row.findIndex((x) => !Number.isFinite(x));
    if (bad >= 0)
      throw new TrainingError(`loss gradient, row ${i}, token ${bad}: expected a finite number, got ${row[bad]}`);
  });
  return result;
}

function addInto(sum: Float32Array, part: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += part[i]!;
}

async function readStep(path: string): Promise<number> {
  const { step } = JSON.parse(await readFile(path, "utf8")) as { step?: unknown };
  if (!Number.isInteger(step)) throw new CheckpointError(`${path}: expected { "step": integer }`);
  return step as number;
}
