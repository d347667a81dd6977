import { readdir } from "node:fs/promises";
import type { VlmBackend } from "../backend";
import { onnxBackend } from "../backends/onnx";
import { openaiBackend } from "../backends/openai";
import { CheckpointError, ConfigError } from "../errors";
import { adamw } from "../optim";
import { trainedWeights } from "../runs/directory/checkpoints";
import { holdsRun } from "../runs/directory/claim";
import type { Trainer } from "../trainer";
import { onnxTrainer } from "../trainers/onnx";
import type { Config } from "./read";

/** Opens the policy that a config trains. @throws ConfigError, DataError, BackendError as its engine does */
export function openTrainer({ trainer = {}, model, seed }: Config): Promise<Trainer> {
  const { kind: _, optimizer, ...options } = trainer;
  return onnxTrainer({
    ...(model !== undefined && { model }),
    ...options,
    ...(optimizer !== undefined && { optimizer: adamw({ weightDecay: 0.1, clipNorm: 1, ...optimizer }) }),
    seed,
  });
}

/** Opens the model that a config's backend names, or the model that its trainer starts from. */
export async function openBackend({ kinds, backend = {}, trainer = {}, model }: Config): Promise<VlmBackend> {
  const { kind: _, apiKeyVariable, ...options } = backend;
  const base = model ?? (trainer.model as string | undefined);
  const settings = { ...(base !== undefined && { model: base }), ...options };
  if (kinds.backend === "onnx") {
    const place = Object.fromEntries(
      ["device", "threads"].flatMap((name) => (name in trainer ? [[name, trainer[name]]] : [])),
    );
    return onnxBackend({ ...place, ...settings });
  }
  const apiKey = apiKeyVariable === undefined ? undefined : process.env[String(apiKeyVariable)];
  if (apiKeyVariable !== undefined && !apiKey)
    throw new ConfigError(`backend: expected a key in the environment variable ${apiKeyVariable}, got none; export it`);
  return openaiBackend({ ...settings, ...(apiKey && { apiKey }) } as Parameters<typeof openaiBackend>[0]);
}

/**
 * Opens the model that answers, lets `ask` ask it, and closes it.
 * @param policy `"base"`: the backend, or the model before training; else a run's folder or a checkpoint of one
 * @param runDir the folder of the answers
 * @param ask receives the model, and words for its weights
 * @throws CheckpointError for a folder without trained weights, and, before anything is loaded, for a used `runDir`
 */
export async function withPolicy<T>(
  config: Config,
  policy: string,
  runDir: string,
  ask: (backend: VlmBackend, name: string) => Promise<T>,
): Promise<T> {
  await holdsRun(runDir, config.resume);
  const weights = policy === "base" ? undefined : await weightsOf(policy, "train first, or pass --policy base");
  const opened = await (weights === undefined ? openBackend(config) : openTrainer(config));
  try {
    if (!("sampler" in opened)) return await ask(opened, "base");
    await opened.load(weights!);
    return await ask(opened.sampler(), weights!);
  } finally {
    await opened.dispose();
  }
}

/**
 * Finds the trained weights of a run: its best checkpoint's if one was measured, else its newest.
 * @param folder a run, or a checkpoint
 * @throws CheckpointError for a folder without trained weights
 */
export async function weightsOf(folder: string, advice = "train first"): Promise<string> {
  const names = await readdir(folder).catch((): string[] => []);
  const weights = names.includes("checkpoints") ? await trainedWeights(folder) : folder;
  if (names.length > 0 && weights !== undefined) return weights;
  throw new CheckpointError(`${folder}: expected a run with a checkpoint, or a checkpoint, got none; ${advice}`);
}
