import type { Placement, SessionOptions } from "../../onnx/session";
import { elementCount } from "../../onnx/shapes";
import type { Policy } from "./policy";

/** Frozen weights beyond this, in bytes of float32, are not copied into every compiled graph. */
const mostCopied = 2 ** 30;

/** How graphs of this policy find their frozen weights. */
export function weightStorage({
  checkpoint,
  trainable,
}: Policy): Pick<SessionOptions, "folder" | "weightsStayInFiles"> {
  const frozen = [...checkpoint.tensors].filter(([name]) => !trainable.has(name));
  const bytes = sum(frozen.map(([, { shape }]) => 4 * elementCount(shape, "weight")));
  // Rounded matrices are small, and slow unless they are rearranged.
  return { folder: checkpoint.folder, weightsStayInFiles: !checkpoint.rounded && bytes > mostCopied };
}

/** Bytes of rearranged copies that compiled graphs may hold together. */
const mostHeld = 2 ** 32;

/** Compiled graphs that are kept where weights are few. */
const mostCompiled = 64;

/**
 * How many compiled graphs of this policy are kept, two at least: one for the prompt and one for what follows. Each has copies of its rounded matrices; on
 * a GPU all of its weights, and in float32 as long as it runs.
 */
export function compiledAtOnce({ checkpoint, halfProducts }: Policy, { memory }: Placement): number {
  const rounded = [...(checkpoint.rounded?.values() ?? [])].map(
    ({ numbers, scale }) => 2 * (numbers.bytes + scale.bytes),
  );
  const whole = [...checkpoint.tensors.values()].map(
    ({ shape }) => (halfProducts ? 2 : 6) * elementCount(shape, "weight"),
  );
  const fit = memory === undefined ? mostHeld / sum(rounded) : memory / 2 / sum(whole);
  return Math.min(mostCompiled, Math.max(2, Math.floor(fit)));
}

const sum = (sizes: readonly number[]) => sizes.reduce((a, b) => a + b, 0);
