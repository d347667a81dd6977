import { totalmem } from "node:os";
import { checkUnchanged } from "../models/checkpoint/weights";
import type { Graph } from "../onnx/graph/graph";
import { elementCount } from "../onnx/graph/shapes";
import type { Value } from "../onnx/graph/value";
import { createSession, type Placement, type Session, type SessionOptions } from "../onnx/runtime/session";
import { onceEach } from "../options/once";
import { bindWeights, type Policy } from "./policy";

/** Frozen weights of more bytes than this, in float32, are not copied into every compiled graph. */
const mostCopied = 2 ** 30;

/** How the graphs of a policy find its frozen weights. */
type WeightStorage = Required<Pick<SessionOptions, "folder" | "weightsStayInFiles">>;

/** How the graphs of this policy find its frozen weights; computed once for each policy. */
export const weightStorage = onceEach(({ checkpoint, trainable }: Policy): WeightStorage => {
  const frozen = [...checkpoint.tensors].filter(([name]) => !trainable.has(name));
  const bytes = sum(frozen.map(([, { shape }]) => 4 * elementCount(shape, "weight")));
  // Quantized matrices are small, and slow unless they are rearranged.
  return { folder: checkpoint.folder, weightsStayInFiles: !checkpoint.rounded && bytes > mostCopied };
});

/** Builds a graph over weights that `bind` puts into it. */
export type BuildGraph = (bind: (g: Graph) => ReturnType<typeof bindWeights>) => {
  readonly graph: Graph;
  readonly outputs: Readonly<Record<string, Value>>;
};

/**
 * Compiles a graph over a policy's weights.
 * @throws BackendError if it would read frozen weights from a file that was replaced after it was opened
 */
export async function compileOver(policy: Policy, placement: Placement, build: BuildGraph): Promise<Session> {
  const { checkpoint, trainable } = policy;
  if ([...checkpoint.tensors.keys()].some((name) => !trainable.has(name))) await checkUnchanged(checkpoint);
  const { graph, outputs } = build((g) => bindWeights(policy, g));
  return createSession(graph, outputs, { ...weightStorage(policy), ...placement });
}

/** Bytes that rearranged copies of quantized matrices, slow to make, may take in all compiled graphs together. */
const mostHeld = 2 ** 32;
/** Bytes that copies of float32 weights may take: an eighth of a small machine's memory. */
const mostCopies = 2 ** 30;

/** Compiled graphs that are kept when weights are few. */
const mostCompiled = 64;

/** Bytes of a compiled graph without weights. */
const graphBytes = 2 ** 23;

/** A tower with graphs of its own. */
type Part = "vision" | "language";

/**
 * The number of this policy's compiled graphs to keep, at least two: one for the prompt and one for its continuation.
 * Each has copies of its quantized matrices, or of its frozen weights unless they stay in their files; on a GPU, of all
 * its weights, and in float32 while it runs.
 * @param part limits it to the graphs of one tower
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

/**
 * Bytes of weights that each compiled graph copies on the CPU: float32 ones that are not quantized. The language
 * model's graphs rearrange them twice: for the prompt and its continuation, or for the forward and the backward pass.
 */
export function copiedBytes(policy: Policy, part?: Part): number {
  const { architecture, checkpoint, trainable } = policy;
  if (checkpoint.rounded || weightStorage(policy).weightsStayInFiles) return graphBytes;
  const isOf = (name: string) =>
    part === undefined || name.startsWith(architecture.visionPrefix) === (part === "vision");
  const frozen = [...checkpoint.tensors].filter(([name]) => isOf(name) && !trainable.has(name));
  const copies = part === "vision" ? 1 : 2;
  return graphBytes + copies * sum(frozen.map(([, { shape }]) => 4 * elementCount(shape, "weight")));
}

/** Memory of the machine or of the container, whichever is less; without a limit the latter is 0 or astronomical. */
export function memoryLimit(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

const sum = (sizes: readonly number[]) => sizes.reduce((a, b) => a + b, 0);
