import { type TrainedModelOptions, trainedModelSpec } from "../../engine/adapter";
import { type AdamWOptions, adamwSpec } from "../../optim/adamw";
import { refuseIdle } from "../../options/arguments";
import { milliseconds } from "../../options/milliseconds";
import {
  choice,
  count,
  flag,
  group,
  number,
  positive,
  readOptions,
  type Settings,
  specOf,
  text,
} from "../../options/spec";

/** AdamW as `adamw` has it, for all parameters alike. */
export interface TorchOptimizerOptions extends Pick<AdamWOptions, "beta1" | "beta2" | "epsilon"> {
  /** λ (0.1, as in the paper). */
  readonly weightDecay?: number;
  /** Clips to this joint norm first (1). */
  readonly clipNorm?: number;
}

/** Options of `torchTrainer`. */
export interface TorchTrainerOptions extends TrainedModelOptions {
  /** Processes, one for each GPU (1). */
  readonly processes?: number;
  /** "none": each process has all weights. "fsdp": each has a share of them and of the optimizer's state ("none"). */
  readonly shard?: "none" | "fsdp";
  /**
   * Precision of the network ("float32"); "bfloat16" is the choice on GPUs. Trained weights and their optimizer are
   * float32 in both.
   */
  readonly precision?: "float32" | "bfloat16";
  /** The attention kernel ("sdpa"). FlashAttention 2 needs bfloat16, a GPU and the package flash-attn. */
  readonly attention?: "sdpa" | "flash_attention_2" | "eager";
  /** Computes a layer's insides again on the way back instead of keeping them (false). */
  readonly gradientCheckpointing?: boolean;
  /** The optimizer's settings. */
  readonly optimizer?: TorchOptimizerOptions;
  /** Sequences in one pass of one process (16): more is faster until memory is short. */
  readonly rowsAtOnce?: number;
  /** Completions that one process samples side by side (64). */
  readonly sampledAtOnce?: number;
  /** The device ("auto": CUDA if PyTorch has it, else the CPU). */
  readonly device?: "auto" | "cpu" | "cuda";
  /** The Python that has the packages of requirements-torch.txt (RISE_PYTHON, else "python3"). */
  readonly python?: string;
  /**
   * The ready file of workers that others started, for example SLURM. They have their own processes, precision and so
   * on; the variable RISE_TORCH_TOKEN is theirs and this program's.
   */
  readonly connect?: string;
  /** Milliseconds that the workers may take to start (600 000). */
  readonly startMs?: number;
  /** Milliseconds that one call may take before the workers count as hanging (3 600 000). */
  readonly callMs?: number;
}

export const torchTrainerSpec = specOf<TorchTrainerOptions>()(() => ({
  ...trainedModelSpec(),
  processes: count().default(1).describe("Processes, one for each GPU"),
  shard: choice(["none", "fsdp"]).default("none").describe("Whether each process has all weights, or a share"),
  precision: choice(["float32", "bfloat16"])
    .default("float32")
    .describe("Precision of the network; trained weights are float32"),
  attention: choice(["sdpa", "flash_attention_2", "eager"])
    .default("sdpa")
    .describe("The attention kernel; FlashAttention 2 needs bfloat16, a GPU and the package flash-attn"),
  gradientCheckpointing: flag().default(false).describe("Compute a layer's insides again on the way back"),
  optimizer: group({
    beta1: adamwSpec().beta1,
    beta2: adamwSpec().beta2,
    epsilon: adamwSpec().epsilon,
    weightDecay: number("a finite number of at least 0", (value) => value >= 0 && Number.isFinite(value))
      .default(0.1)
      .describe("λ"),
    clipNorm: positive().default(1).describe("Clips to this joint norm first"),
  }).describe("The settings of AdamW"),
  rowsAtOnce: count().default(16).describe("Sequences in one pass of one process"),
  sampledAtOnce: count().default(64).describe("Completions that one process samples side by side"),
  device: choice(["auto", "cpu", "cuda"]).default("auto").describe("CUDA if PyTorch has it, else the CPU"),
  python: text().optional().describe("The Python with the packages; RISE_PYTHON, else python3, without it"),
  connect: text().optional().describe("The ready file of workers that others started"),
  startMs: milliseconds().default(600_000).describe("Milliseconds that the workers may take to start"),
  callMs: milliseconds().default(3_600_000).describe("Milliseconds that one call may take"),
}));

export type TorchSettings = Settings<TorchTrainerOptions, typeof torchTrainerSpec>;

/** Options that workers are started with. */
const ofWorkers = [
  "lora",
  "processes",
  "shard",
  "precision",
  "attention",
  "gradientCheckpointing",
  "seed",
  "device",
  "python",
] as const;

/** @throws ConfigError for an option out of range, or one that workers of others were started with */
export function torchSettings(options: TorchTrainerOptions): TorchSettings {
  const settings = readOptions("torchTrainer", options, torchTrainerSpec);
  const given = Object.fromEntries(ofWorkers.map((name) => [name, options[name]]));
  if (settings.connect !== undefined)
    refuseIdle("torchTrainer", "beside connect, since the workers have theirs", given);
  return settings;
}
