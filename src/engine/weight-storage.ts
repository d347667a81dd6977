import { totalmem } from "node:os";
import { elementCount } from "../onnx/graph/shapes";
import type { Placement, SessionOptions } from "../onnx/runtime/session";
import type { Policy } from "./policy";

/** Frozen weights beyond this, in bytes of float32, are not copied into every compiled graph. */
const mostCopied = 2 ** 30;

/** How the graphs of a policy find its frozen weights. */
type WeightStorage = Required<Pick<SessionOptions, "folder" | "weightsStayInFiles">>;

const known = new WeakMap<Policy, WeightStorage>();

/** How the graphs of this policy find its frozen weights; computed once for each policy. */
export function weightStorage(policy: Policy): WeightStorage {
  const before = known.get(policy);
  if (before) return before;
  const { checkpoint, trainable } = policy;
  const frozen = [...checkpoint.tensors].filter(([name]) => !trainable.has(name));
  const bytes = sum(frozen.map(([, { shape }]) => 4 * elementCount(shape, "weight")));
  // Quantized matrices are small, and slow unless they are rearranged.
  const storage = { folder: checkpoint.folder, weightsStayInFiles: !checkpoint.rounded && bytes > mostCopied };
  known.set(policy, storage);
  return storage;
}

/**
 * Bytes of rearranged copies that compiled graphs may hold together: of rounded matrices, which take long to arrange …
 */
const mostHeld = 2 ** 32;
/** … and of weights in float32; of a small machine's memory, an eighth. */
const mostCopies = 2 ** 30;

/** Compiled graphs that are kept where weights are few. */
const mostCompiled = 64;

/** Bytes of a compiled graph without weights. */
const graphBytes = 2 ** 23;

/** A tower whose graphs are of its own. */
type Part = "vision" | "language";

/**
 * How many compiled graphs of this policy are kept, two at least: one for the prompt and one for what follows. Each has
 * copies of its rounded matrices, or of its frozen weights unless they stay in their files; on a GPU all of its
 * weights, and in float32 as long as it runs.
 * @param part whose weights the graphs have; both by default
 */
export function compiledAtOnce(policy: Policy, { memory }: Placement, part?: Part): number {
  const { checkpoint, halfProducts } = policy;
  const rounded = [...(checkpoint.rounded?.values() ?? [])].map(
    ({ numbers, scale }) => 2 * (numbers.bytes + scale.bytes),
  );
  const whole = [...checkpoint.tensors.values()].map(
    ({ shape }) => (halfProducts ? 2 : 6) * elementCount(shape, "weight"),
  );
  const copies = Math.min(mostCopies, memoryLimit() / 8) / copiedBytes(policy, part);
  const fit = memory === undefined ? Math.min(mostHeld / sum(rounded), copies) : memory / 2 / sum(whole);
  return Math.min(mostCompiled, Math.max(2, Math.floor(fit)));
}

/** Bytes of weights that each compiled graph copies on the CPU: those in float32 that are not quantized. */
export function copiedBytes(policy: Policy, part?: Part): number {
  const { architecture, checkpoint, trainable } = policy;
  if (checkpoint.rounded || weightStorage(policy).weightsStayInFiles) return graphBytes;
  const isOf = (name: string) =>
    part === undefined || name.startsWith(architecture.visionPrefix) === (part === "vision");
  const frozen = [...checkpoint.tensors].filter(([name]) => isOf(name) && !trainable.has(name));
  return graphBytes + sum(frozen.map(([, { shape }]) => 4 * elementCount(shape, "weight")));
}

/** Memory of the machine or of the container, whichever is less; without a limit the latter is 0 or astronomical. */
export function memoryLimit(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

const sum = (sizes: readonly number[]) => sizes.reduce((a, b) => a + b, 0);
