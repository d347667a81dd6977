import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { type LoraConfig, loraNames, targetLayers } from "../../engine/adapter";
import { BackendError, EngineError } from "../../errors";
import { expectedTensors } from "../../models/checkpoint/recorded";
import type { VisionLanguageModel } from "../../models/open-model";
import { listed } from "../../options/display";
import type { Trainable } from "./files";
import type { TorchSettings } from "./options";
import { joinWorkers, startWorkers } from "./process";
import { type Ask, openWire } from "./wire";

/** Workers that were found to hold the right model. */
export interface Engine {
  readonly ask: Ask;
  readonly ranks: number;
  readonly isSharded: boolean;
  /** The packages of the workers, and their device. */
  readonly versions: Readonly<Record<string, string>>;
  readonly lora: LoraConfig | undefined;
  readonly trainable: Trainable;
  close(): Promise<void>;
}

const infoSchema = z.object({
  protocol: z.literal(1),
  versions: z.record(z.string(), z.string()),
  config: z.string(),
  processes: z.array(z.tuple([z.string(), z.int()])).min(1),
  device: z.string(),
  shard: z.enum(["none", "fsdp"]),
  lora: z
    .object({
      rank: z.int(),
      alpha: z.number(),
      rsLora: z.boolean(),
      targetModules: z.union([z.string(), z.array(z.string())]),
    })
    .nullable(),
  trainable: z.record(z.string(), z.array(z.int())),
  parameters: z.int(),
  local: z.array(z.int()),
  steps: z.int(),
});

/**
 * Starts workers, or joins them, and checks what they say of themselves.
 * @throws EngineError for workers that do not start; BackendError for workers that train something else
 */
export async function openEngine(model: VisionLanguageModel, settings: TorchSettings): Promise<Engine> {
  const { connect, startMs, callMs } = settings;
  const workers = connect === undefined ? await startWorkers(model.dir, settings) : await joinWorkers(connect, startMs);
  const ask = openWire(workers, callMs);
  const close = async () => {
    // A call that hangs must not hold up the end.
    await ask("stop", {}, AbortSignal.timeout(10_000)).catch(() => {});
    await workers.close();
  };
  try {
    const info = readInfo(await ask("info"));
    const { processes, shard, lora: given, device } = info;
    if (connect === undefined && settings.device === "auto" && device === "cpu") warnOfCpu();
    workers.pids.push(...processes.map(([, pid]) => pid));
    const lora: LoraConfig | undefined = given ? loraOf(given) : undefined;
    const isSharded = shard === "fsdp" && processes.length > 1;
    const trainable = await checkInfo(model, info, lora, connect === undefined ? settings.processes : undefined);
    const versions = { ...info.versions, device };
    return { ask, ranks: processes.length, isSharded, versions, lora, trainable, close };
  } catch (error) {
    await close();
    throw error;
  }
}

const warnOfCpu = () =>
  process.emitWarning('torchTrainer runs on the CPU: PyTorch sees no GPU (device: "cpu" says that this is meant)', {
    code: "RISE_DEVICE",
  });

type Info = z.infer<typeof infoSchema>;

function readInfo(answer: unknown): Info {
  const read = infoSchema.safeParse(answer);
  if (read.success) return read.data;
  const { path, message } = read.error.issues[0]!;
  throw new BackendError(
    `torchTrainer: expected workers of this version's rise_torch.py, got others: ${path.join(".")}: ${message}`,
    { scope: "backend" },
  );
}

function loraOf({ rank, alpha, rsLora, targetModules }: NonNullable<Info["lora"]>): LoraConfig {
  if (targetModules === "language") return { rank, alpha, rsLora };
  return {
    rank,
    alpha,
    rsLora,
    targetModules: targetModules === "all-linear" ? targetModules : [targetModules].flat(),
  };
}

/** @returns the trained tensors, which are those that `onnxTrainer` would train */
async function checkInfo(
  { architecture, dir }: VisionLanguageModel,
  { config, processes, shard, trainable: found, parameters, local, steps }: Info,
  lora: LoraConfig | undefined,
  expectedProcesses: number | undefined,
): Promise<Trainable> {
  const refuse = (expected: string, got: unknown, advice: string): never => {
    throw new EngineError(`torchTrainer: expected ${expected}, got ${got}; ${advice}`);
  };
  if (expectedProcesses !== undefined && processes.length !== expectedProcesses)
    refuse(`${expectedProcesses} processes`, processes.length, "see the output of torchrun");
  if (steps > 0) refuse("workers that nobody has trained", `workers after step ${steps}`, "start new ones");
  const own = createHash("sha256")
    .update(await readFile(join(dir, "config.json")))
    .digest("hex");
  if (config !== own) refuse(`workers of ${dir}`, "workers of another config.json", "give both the same model");
  if (shard === "fsdp" && processes.length > 1 && Math.max(...local) >= parameters)
    refuse(`a part of ${parameters} parameters in each process`, local.join(" and "), "FSDP did not shard the model");
  const trainable = new Map(
    Object.entries(found).map(([name, shape]) => [name, { canonical: architecture.canonicalName(name), shape }]),
  );
  const wanted = lora
    ? targetLayers(architecture, lora).flatMap(({ name }) => Object.values(loraNames(name)))
    : [...expectedTensors(architecture).keys()];
  const names = new Set([...trainable.values()].map(({ canonical }) => canonical));
  const odd = [...wanted.filter((name) => !names.has(name)), ...[...names].filter((name) => !wanted.includes(name))];
  if (odd.length > 0) refuse("the tensors that onnxTrainer trains", `a difference in ${listed(odd)}`, "report this");
  return trainable;
}
