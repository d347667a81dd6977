import { copyFile, mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { readSafetensors, writeSafetensors } from "rise-ts/models/qwen2-vl";

/** A training's state as it lies in its folder of work: `step-20`, there whole or not at all. */
export interface State {
  readonly step: number;
  readonly folder: string;
}

/** The state that training continues from, if any was kept. */
export async function lastState(work: string): Promise<State | undefined> {
  const step = Math.max(...(await keptSteps(work)));
  return step > 0 ? { step, folder: join(work, `step-${step}`) } : undefined;
}

/** Renames a state that was written aside, and removes those before it. */
export async function keepState(work: string, step: number, aside: string): Promise<void> {
  const before = await keptSteps(work);
  await rename(aside, join(work, `step-${step}`));
  await removeSteps(work, before);
}

/** An earlier training in the same folder is no state of this one. */
export const forgetStates = async (work: string): Promise<void> => removeSteps(work, await keptSteps(work));

async function keptSteps(work: string): Promise<number[]> {
  const names = await readdir(work).catch(() => []);
  return names.flatMap((name) => /^step-(\d+)$/.exec(name)?.slice(1).map(Number) ?? []);
}

async function removeSteps(work: string, steps: readonly number[]): Promise<void> {
  for (const step of steps) await rm(join(work, `step-${step}`), { recursive: true });
}

/** Writes a model from the files of one folder and the weights of another, the last norm times `factor`. */
export async function writeModel(
  out: string,
  { files, weights, factor, dtype }: { files: string; weights: string; factor: number; dtype: "F16" | "F32" },
): Promise<void> {
  await mkdir(out, { recursive: true });
  for (const file of await readdir(files, { withFileTypes: true }))
    if (file.isFile() && file.name !== "model.safetensors" && files !== out)
      await copyFile(join(files, file.name), join(out, file.name));
  const tensors = await readSafetensors(join(weights, "model.safetensors"));
  const { data } = tensors.get("model.norm.weight")!;
  data.forEach((value, i) => void (data[i] = factor * value));
  await writeSafetensors(join(out, "model.safetensors"), tensors, dtype);
}

/** Gives the folders of all workers the mean of their weights. */
export async function averageWeights(folders: readonly string[]): Promise<void> {
  const files = folders.map((folder) => join(folder, "model.safetensors"));
  const [mean, ...others] = await Promise.all(files.map((file) => readSafetensors(file)));
  for (const [name, { data }] of mean!)
    data.forEach((value, i) => {
      data[i] = others.reduce((sum, other) => sum + other.get(name)!.data[i]!, value) / files.length;
    });
  for (const file of files) await writeSafetensors(file, mean!, "F32");
}
