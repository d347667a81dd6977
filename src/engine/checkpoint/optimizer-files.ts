import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../../errors";
import { exists, readJson } from "../../models/files/directory";
import { writeSafetensors } from "../../models/files/safetensors";
import type { GradientTransform, OptimizerState } from "../../optim";
import { sumOfSquares } from "../../optim/clip";
import { shown } from "../../options/display";
import { unusable } from "./peft";
import { readTensors } from "./policy-files";

export const tensorsFile = "optimizer.safetensors";
const stepFile = "optimizer.json";

/** Writes an optimizer's state beside the weights. */
export async function saveOptimizer(dir: string, state: OptimizerState): Promise<void> {
  await writeSafetensors(join(dir, tensorsFile), tensorsOf(state));
  await saveStep(dir, state.step);
}

export const saveStep = (dir: string, step: number): Promise<void> =>
  writeFile(join(dir, stepFile), `${JSON.stringify({ step })}\n`);

/**
 * Reads what `saveOptimizer` wrote. Weights from other programs, such as PEFT, lack a state and get a fresh one.
 * @param fresh makes the optimizer's first state
 * @throws CheckpointError for an incomplete state, or one that no run of this optimizer can produce
 */
export async function readOptimizer(
  dir: string,
  optimizer: GradientTransform,
  fresh: () => OptimizerState,
): Promise<OptimizerState> {
  const tensorsPath = join(dir, tensorsFile);
  const first = fresh();
  const step = await storedStep(dir);
  if (step === undefined) return first;
  const tensors = await readTensors(tensorsPath, tensorsOf(first));
  checkFinite(tensorsPath, tensors);
  const problem = optimizer.problemWith?.({ step, tensors });
  if (problem !== undefined) throw new CheckpointError(`${tensorsPath}: ${problem}`);
  return { tensors, step };
}

/**
 * The number of updates that a stored state has seen; undefined if the folder has no state.
 * @throws CheckpointError for a part of a state
 */
export async function storedStep(dir: string): Promise<number | undefined> {
  const paths = [join(dir, tensorsFile), join(dir, stepFile)] as const;
  const there = await Promise.all(paths.map(exists));
  return there.includes(true) ? readStep(paths[1]) : undefined;
}

/** @throws CheckpointError naming the file's first tensor with a number that is not finite */
export function checkFinite(path: string, tensors: ReadonlyMap<string, Float32Array>): void {
  for (const [name, data] of tensors)
    if (!Number.isFinite(sumOfSquares(data)))
      throw new CheckpointError(
        `${path}: expected finite numbers in ${name}, got ${data.find((x) => !Number.isFinite(x))}`,
      );
}

const tensorsOf = ({ tensors }: OptimizerState) =>
  new Map([...tensors].map(([name, data]) => [name, { shape: [data.length], data }]));

async function readStep(path: string): Promise<number> {
  const stored = (await readJson(path).catch(unusable)) as { readonly step?: unknown } | null;
  const step = stored?.step;
  if (!(Number.isSafeInteger(step) && (step as number) >= 0))
    throw new CheckpointError(`${path}: expected { "step": integer } from 0 on, got ${shown(stored)}`);
  return step as number;
}
