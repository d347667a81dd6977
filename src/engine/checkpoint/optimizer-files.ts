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

const tensorsFile = "optimizer.safetensors";
const stepFile = "optimizer.json";

/** Writes an optimizer's state beside the weights. */
export async function saveOptimizer(dir: string, state: OptimizerState): Promise<void> {
  await writeSafetensors(join(dir, tensorsFile), tensorsOf(state));
  await writeFile(join(dir, stepFile), `${JSON.stringify({ step: state.step })}\n`);
}

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
  const stepPath = join(dir, stepFile);
  const first = fresh();
  if (!(await exists(tensorsPath)) && !(await exists(stepPath))) return first;
  const step = await readStep(stepPath);
  const tensors = await readTensors(tensorsPath, tensorsOf(first));
  checkFinite(tensorsPath, tensors);
  const problem = optimizer.problemWith?.({ step, tensors });
  if (problem !== undefined) throw new CheckpointError(`${tensorsPath}: ${problem}`);
  return { tensors, step };
}

/** @throws CheckpointError naming the file's first tensor with a number that is not finite */
export function checkFinite(path: string, tensors: ReadonlyMap<string, Float32Array>): void {
  for (const [name, data] of tensors)
    if (!Number.isFinite(sumOfSquares(data)))
      throw new CheckpointError(
        `${path}: expected finite numbers in ${name}, found ${data.find((x) => !Number.isFinite(x))}`,
      );
}

const tensorsOf = ({ tensors }: OptimizerState) =>
  new Map([...tensors].map(([name, data]) => [name, { shape: [data.length], data }]));

async function readStep(path: string): Promise<number> {
  const stored = (await readJson(path).catch(unusable)) as { readonly step?: unknown } | null;
  const step = stored?.step;
  if (!(Number.isSafeInteger(step) && (step as number) >= 0))
    throw new CheckpointError(`${path}: expected { "step": integer } from 0 on, found ${shown(stored)}`);
  return step as number;
}
