import { ConfigError } from "../errors";
import { count, flag, keyOf, readOptions, type Settings, specOf } from "../options/spec";
import { type DeviceSpeed, devices, links, type ModelSize, models, reloadSeconds, samplers } from "./constants";

/** Options of `planRun`. */
export interface PlanOptions {
  /** Qwen2-VL's size. */
  readonly model: keyof typeof models;
  /** The machine, or the kind of GPU. */
  readonly device: keyof typeof devices;
  /** GPUs in all (1). */
  readonly gpus?: number;
  /** Trains an adapter of rank 16 (true), or every weight. */
  readonly lora?: boolean;
  /** The program that samples ("onnx" on a laptop, else "transformers"). */
  readonly sampler?: keyof typeof samplers;
  /** Stage 1 samples a cot and a reconstruction; stage 2 an answer ("cot"). */
  readonly stage?: "cot" | "answer";
  readonly steps?: number;
  readonly examplesPerStep?: number;
  readonly groupSize?: number;
  /** Tokens of a prompt, its image's included (400). */
  readonly promptTokens?: number;
  /** Tokens of the image among them (324: 504 × 504 pixels). */
  readonly imageTokens?: number;
  /** Tokens of each completion (256). */
  readonly completionTokens?: number;
}

const stages = { cot: 2, answer: 1 } as const;

export const planRunSpec = specOf<PlanOptions>()(() => ({
  model: keyOf(models).describe("Qwen2-VL's size"),
  device: keyOf(devices).describe("The machine, or the kind of GPU"),
  gpus: count().default(1).describe("GPUs in all"),
  lora: flag().default(true).describe("Train an adapter of rank 16, or every weight"),
  sampler: keyOf(samplers).optional().describe("The program that samples; onnx on a laptop, else transformers"),
  stage: keyOf(stages).default("cot").describe("Stage 1 samples a cot and a reconstruction; stage 2 an answer"),
  steps: count().default(1000).describe("Steps of the run"),
  examplesPerStep: count().default(2).describe("Examples in a step"),
  groupSize: count(2).default(8).describe("G, rollouts of each example"),
  promptTokens: count().default(400).describe("Tokens of a prompt, its image's included"),
  imageTokens: count(0).default(324).describe("Tokens of the image among them"),
  completionTokens: count().default(256).describe("Tokens of each completion"),
}));

/** The cost of a run. Memory is a GPU's, or the laptop's, in bytes; everything else is of all together. */
export interface Plan {
  readonly tokens: { readonly sampled: number; readonly trained: number };
  readonly flops: { readonly sampling: number; readonly training: number };
  readonly memory: {
    readonly weights: number;
    readonly optimizer: number;
    readonly activations: number;
    readonly keyValueCache: number;
    readonly total: number;
    readonly available: number;
  };
  /** Whether weights and optimizer state are divided among the GPUs, because they do not fit into each. */
  readonly isSharded: boolean;
  readonly fits: boolean;
  readonly secondsPerStep: {
    readonly sampling: number;
    readonly training: number;
    readonly exchange: number;
    readonly total: number;
  };
  readonly seconds: number;
  /** 0 on a laptop. */
  readonly gpuHours: number;
  readonly bottleneck: string;
  readonly assumptions: readonly string[];
}

/**
 * Estimates the tokens, FLOPs, memory and time of a run from stated constants, without a model or a GPU.
 *
 * A step samples sequences · completionTokens tokens, one after the other in each sequence, and trains on prompts and
 * completions. Sampling takes the larger of memory traffic and products for each token; training takes its FLOPs, 6
 * (LoRA) or 8 (all weights) for each weight and token, with checkpointing.
 *
 * The laptop's constants were measured on a CPU; the GPUs' are datasheets and assumptions, never measured as a whole.
 *
 * @throws ConfigError for an option out of range, or several GPUs in a laptop
 * @example
 * const { gpuHours, bottleneck } = planRun({ model: "7B", device: "h100", gpus: 8, examplesPerStep: 16 });
 */
export function planRun(options: PlanOptions): Plan {
  const settings = readOptions("planRun", options, planRunSpec);
  const { device: kind, gpus, imageTokens, promptTokens, steps } = settings;
  if (kind === "laptop" && gpus > 1) throw new ConfigError(`planRun: expected gpus to be 1 on a laptop, got ${gpus}`);
  if (imageTokens > promptTokens)
    throw new ConfigError(`planRun: expected at most ${promptTokens} imageTokens (promptTokens), got ${imageTokens}`);
  const work = workOf(settings);
  const memory = memoryOf(work);
  const { sampling, idle } = samplingOf(work);
  const training = (trainingFlops(work) * work.rowsOfGpu) / (work.sequences * speedOf(work));
  const exchange = exchangeSeconds(work, memory.isSharded);
  const total = sampling.seconds + training + exchange;
  const seconds = steps * total;
  const isLaptop = kind === "laptop";
  return {
    tokens: {
      sampled: steps * work.sequences * settings.completionTokens,
      trained: steps * work.sequences * (promptTokens + settings.completionTokens),
    },
    flops: { sampling: steps * sampling.flops, training: steps * trainingFlops(work) },
    ...memory,
    secondsPerStep: { sampling: sampling.seconds, training, exchange, total },
    seconds,
    gpuHours: isLaptop ? 0 : (gpus * seconds) / 3600,
    bottleneck: bottleneckOf({ ...memory, idle, sampling: sampling.seconds, training, exchange }, work),
    assumptions: assumptionsOf(work, memory.isSharded),
  };
}

interface Work {
  readonly settings: Settings<PlanOptions, typeof planRunSpec>;
  readonly size: ModelSize;
  readonly device: DeviceSpeed;
  readonly sampler: keyof typeof samplers;
  /** Completions of a step, and how many one after another. */
  readonly sequences: number;
  readonly rounds: number;
  /** Sequences that a GPU trains on in a step. */
  readonly rowsOfGpu: number;
  readonly trained: number;
}

/** FLOP/s that a GPU reaches, or the laptop. */
const speedOf = ({ device }: Work) => device.flops * device.efficiency;

function workOf(settings: Work["settings"]): Work {
  const { model, device, lora, stage, examplesPerStep, groupSize, gpus } = settings;
  const size = models[model];
  const sequences = stages[stage] * examplesPerStep * groupSize;
  return {
    settings,
    size,
    device: devices[device],
    sampler: settings.sampler ?? (device === "laptop" ? "onnx" : "transformers"),
    sequences,
    rounds: stages[stage],
    rowsOfGpu: Math.ceil(sequences / gpus),
    trained: lora ? size.lora : size.language + size.vision,
  };
}

/** Patches of an image: four for each of its tokens. */
const visionFlops = ({ settings, size }: Work) => 2 * size.vision * 4 * settings.imageTokens;

/** The first round's groups share a prompt; each reconstruction has its own. */
const distinctPrompts = ({ settings, sequences, rounds }: Work) =>
  settings.examplesPerStep + ((rounds - 1) * sequences) / rounds;

function trainingFlops(work: Work): number {
  const { promptTokens, completionTokens, lora } = work.settings;
  const prompts = work.device.sharesPrompts ? distinctPrompts(work) : work.sequences;
  const tokens = prompts * promptTokens + work.sequences * completionTokens;
  return (lora ? 6 : 8) * work.size.perToken * tokens + (lora ? 1 : 4) * prompts * visionFlops(work);
}

function samplingOf(work: Work) {
  const { settings, size, device, sampler, sequences, rounds } = work;
  const { gpus, promptTokens, completionTokens } = settings;
  const rowsPerRound = sequences / rounds;
  const rows = Math.ceil(rowsPerRound / gpus);
  const prompts = samplers[sampler].sharesPrompts ? distinctPrompts(work) : sequences;
  const prefill = prompts * (2 * size.perToken * promptTokens + visionFlops(work));
  const decoding = 2 * size.perToken * sequences * completionTokens;
  const reading = (samplers[sampler].bytesRead * size.perToken + rows * cacheBytes(work)) / device.bandwidth;
  const multiplying = (rows * 2 * size.perToken) / speedOf(work);
  const step = Math.max(reading, multiplying) + samplers[sampler].overhead;
  const prefillSeconds = (prefill * Math.ceil(prompts / gpus)) / (prompts * speedOf(work));
  return {
    sampling: { flops: prefill + decoding, seconds: prefillSeconds + rounds * completionTokens * step },
    idle: gpus > rowsPerRound,
  };
}

/** Bytes of keys and values of one row. */
const cacheBytes = ({ settings, size, device }: Work) =>
  2 * device.weightBytes * size.keyValueWidth * size.layers * (settings.promptTokens + settings.completionTokens);

function memoryOf(work: Work): Pick<Plan, "memory" | "isSharded" | "fits"> {
  const { settings, size, device, sampler, sequences, rounds, trained } = work;
  const { gpus, promptTokens, completionTokens } = settings;
  const tokens = device.rowsAtOnce * (promptTokens + completionTokens);
  // Each layer keeps its input; besides, there are one layer's insides, and the vocabulary's scores and gradient.
  const activations =
    device.weightBytes * tokens * size.hidden * (size.layers + 34) +
    8 * device.rowsAtOnce * completionTokens * size.vocabulary;
  const keyValueCache = Math.ceil(sequences / rounds / gpus) * cacheBytes(work);
  const available = device.bytes;
  const all = size.language + size.vision;
  const { holds, bytesRead } = samplers[sampler];
  // The 16 bytes of a trained weight have its value in float32; it is held a second time if it is used in another form.
  const used = settings.lora || device.weightBytes < 4 ? device.weightBytes * all : 0;
  const besides = { none: 0, language: bytesRead * size.language, all: bytesRead * all }[holds];
  const held = (shards: number) => {
    // A sampler without weights of its own gathers the shards while it samples.
    const weights = (holds === "none" ? used : used / shards) + besides;
    const optimizer = (16 * trained) / shards;
    const total = weights + optimizer + activations + keyValueCache;
    return { weights, optimizer, activations, keyValueCache, total, available };
  };
  // A tenth is left to the runtime and to fragments.
  const fitsInto = ({ total }: Plan["memory"]) => total <= 0.9 * available;
  const whole = held(1);
  const isSharded = gpus > 1 && !fitsInto(whole);
  const memory = isSharded ? held(gpus) : whole;
  return { memory, isSharded, fits: fitsInto(memory) };
}

/**
 * The gradients' sum over all GPUs, and a new adapter in a sampler of its own. With sharding, every pass gathers the
 * weights twice and sums the gradients, and sampling without weights of its own gathers them once more.
 */
function exchangeSeconds({ settings: { gpus }, size, device, sampler, trained, ...work }: Work, isSharded: boolean) {
  const bandwidth = gpus > links.gpusOfNode ? links.betweenNodes : device.link;
  const gathered = device.weightBytes * (size.language + size.vision);
  const passes = Math.ceil(work.rowsOfGpu / device.rowsAtOnce);
  const sampling = samplers[sampler].holds === "none" ? work.rounds * gathered : 0;
  // A sum is a reduction and its distribution; with sharding, the next pass gathers what it needs.
  const bytes = isSharded ? passes * (2 * gathered + 4 * trained) + sampling : 2 * 4 * trained;
  return (gpus > 1 ? bytes / bandwidth : 0) + (sampler === "vllm" ? reloadSeconds : 0);
}

function bottleneckOf(
  part: Readonly<Record<"sampling" | "training" | "exchange", number>> &
    Pick<Plan, "memory" | "fits"> & { readonly idle: boolean },
  { settings, sampler }: Work,
): string {
  const { gpus, examplesPerStep, groupSize, device } = settings;
  if (!part.fits) return `memory: it does not fit; ${moreMemory(part.memory, settings)}`;
  if (part.idle)
    return `GPUs without work: ${examplesPerStep * groupSize} rows for ${gpus} GPUs; raise examplesPerStep`;
  const largest = Math.max(part.sampling, part.training, part.exchange);
  if (largest === part.exchange) return "exchange of weights and gradients: raise examplesPerStep";
  if (largest === part.training) return device === "laptop" ? "matrix products: a GPU" : "matrix products: more GPUs";
  if (sampler === "transformers") return "decoding steps, one after another: sample with vLLM";
  if (device === "laptop") return "decoding steps, one after another: a GPU";
  return "decoding steps, one after another: raise examplesPerStep";
}

/** The remedy for too little memory. More GPUs share weights, and a sequence is on one. */
function moreMemory(
  { activations, keyValueCache, available }: Plan["memory"],
  { device, gpus, lora }: Work["settings"],
): string {
  if (device === "laptop") return "a GPU";
  if (activations + keyValueCache > 0.9 * available) return "shorter prompts and completions";
  if (gpus > 1) return "more GPUs";
  return lora ? "several GPUs" : "lora, or several GPUs";
}

function assumptionsOf({ settings, device, sampler }: Work, isSharded: boolean): readonly string[] {
  const { promptTokens, imageTokens, completionTokens, gpus } = settings;
  return [
    device.words,
    samplers[sampler].words,
    `prompts of ${promptTokens} tokens, ${imageTokens} of them the image's; completions of ${completionTokens}, all of full length`,
    "6 FLOPs (LoRA) or 8 (all weights) a weight and token in training, with checkpointing; 2 in sampling; attention's products are left out",
    "16 bytes a trained weight: float32 value, gradient and two moments; 4 rows in a pass on a GPU, 1 on a laptop",
    ...(gpus > 1
      ? [
          `${device.link / 1e9} GB/s between the ${links.gpusOfNode} GPUs of a node, ${links.betweenNodes / 1e9} between nodes (datasheets)`,
        ]
      : []),
    ...(isSharded
      ? [
          "sharded: each pass gathers the weights twice and sums the gradients, and sampling gathers them, at no time together with products",
        ]
      : []),
    ...(sampler === "vllm"
      ? [
          `vLLM shares the GPUs, with weights of its own; ${reloadSeconds} s to save an adapter and load it there (assumed)`,
        ]
      : []),
  ];
}
