import { totalmem } from "node:os";
import { ConfigError } from "../../errors";
import { type SessionMemory, sessionMemory } from "../../onnx/memory";
import type { Value } from "../../onnx/value";
import type { MemoryEstimate, Workload } from "../../types";
import { roundUp } from "./batch";
import type { Qwen2VlConfig } from "./config";
import { type GenerationShape, generationGraph, promptStep } from "./generation-graph";
import type { Qwen2Vl } from "./model";
import { bindWeights, type Policy, trainsVision, weightStorage } from "./policy";
import { padded, type TrainingShape, trainingGraph } from "./training-graph";
import { picturesAtOnce, visionGraph } from "./vision-graph";

/** What a process does with a policy, one thing after the other. */
export interface MemoryWork {
  /** Pictures that go through the frozen tower together. */
  readonly vision?: Parameters<typeof visionGraph>[1];
  readonly generation?: GenerationShape & { readonly maxTokens: number };
  /** A micro-batch, forward and backward, and the optimiser's step behind it. */
  readonly training?: TrainingShape;
}

/**
 * What `work` takes at most, foreseen from the graphs that would run: within a fifth of what was measured on a small model (docs/models.md).
 * Nothing is loaded, and only shapes of the policy's weights are read.
 */
export function estimateMemory(policy: Policy, { vision, generation, training }: MemoryWork): MemoryEstimate {
  const { config } = policy;
  const { weightsStayInFiles = false } = weightStorage(policy);
  const bind = (g: Parameters<typeof bindWeights>[1]) => bindWeights(policy, g);
  const foresee = ({ graph, outputs }: ReturnType<typeof visionGraph>, runtimeSize?: number) =>
    sessionMemory(graph, outputs, weightsStayInFiles, runtimeSize);
  const sessions: SessionMemory[] = [];
  if (vision) sessions.push(foresee(visionGraph(config, vision, bind)));
  if (generation)
    sessions.push(foresee(generationGraph(config, generation, bind), generation.time + generation.maxTokens));
  if (training) sessions.push(foresee(trainingGraph(config, training, bind)));

  const trained = [...policy.trainable.values()].reduce((sum, { shape }) => sum + floats(shape), 0);
  const files = Math.max(0, ...sessions.map((session) => session.files));
  const held = sessions.map(({ constants }) => byKind(constants, config, "weights")).reduce(plus, nothing);
  const busiest = sessions
    .map(({ atPeak }) => byKind(atPeak, config, "activations"))
    .reduce((a, b) => (sumOf(b) > sumOf(a) ? b : a), nothing);
  const parts = {
    ...plus(held, busiest),
    // The thread that runs graphs has a copy of its own.
    weights: 2 * trained + files + held.weights + busiest.weights,
    // The gradient, two moments, and the last micro-batch's gradient on its way out of onnxruntime.
    optimizer: training ? 4 * trained : 0,
    runtime: runtimeBytes,
  };
  return { ...parts, total: Object.values(parts).reduce((a, b) => a + b, 0), available: memoryLimit() };
}

/** Whether a micro-batch that keeps all it computes for the way back would take more than half of the memory there is. */
export function keepsTooMuch(policy: Policy, shape: TrainingShape): boolean {
  const { total, available } = estimateMemory(policy, { training: { ...shape, recompute: false } });
  return total > available / 2;
}

/** How much of a workload goes side by side. */
export interface SideBySide {
  readonly sampledAtOnce: number;
  /** Rows of a micro-batch; absent where nothing is trained. */
  readonly rowsAtOnce?: number;
  readonly gradientCheckpointing?: boolean | undefined;
}

/** The largest parts of a workload whose prompts have this many tokens and pictures of these numbers of patches. */
export function foresee(
  policy: Policy,
  { prompts, count, maxTokens }: Omit<Workload, "prompt">,
  { tokens, patches }: { readonly tokens: number; readonly patches: readonly number[] },
  { sampledAtOnce, rowsAtOnce, gradientCheckpointing }: SideBySide,
): MemoryEstimate {
  const merged = policy.config.vision.spatialMergeSize ** 2;
  const largest = Math.max(0, ...patches);
  const picturesOf = (rows: number) => Math.min(prompts, rows) * patches.length;
  const featureRows = (rows: number) => (Math.min(prompts, rows) * patches.reduce((a, b) => a + b, 0)) / merged;
  const sampled = Math.min(prompts * count, sampledAtOnce);
  const sampling: MemoryWork = {
    ...(largest > 0 && { vision: { pictures: Math.min(picturesOf(prompts), picturesAtOnce), patches: largest } }),
    generation: {
      ...{ prompts: Math.min(prompts, sampled), rows: sampled, featureRows: featureRows(sampled), maxTokens },
      ...{ time: roundUp(tokens, promptStep), sampling: "full", penalised: false },
    },
  };
  if (rowsAtOnce === undefined) return estimateMemory(policy, sampling);
  const batch = Math.min(prompts * count, rowsAtOnce);
  const kept: TrainingShape = {
    ...padded(policy.config, { time: tokens + maxTokens, targets: batch * maxTokens }),
    ...{ batch, featureRows: featureRows(batch), recompute: false, temperature: 1 },
    pictures: trainsVision(policy) && largest > 0 ? [{ count: picturesOf(batch), patches: largest }] : [],
  };
  const recompute = gradientCheckpointing ?? keepsTooMuch(policy, kept);
  return estimateMemory(policy, { ...sampling, training: { ...kept, recompute } });
}

/**
 * `foresee`, refused where it cannot fit.
 * @throws ConfigError when the estimate, less a quarter for its error, is more than there is: its numbers, and `smaller`, what to change
 */
export async function checkMemory(
  model: Pick<Qwen2Vl, "name" | "encodePrompt">,
  policy: Policy,
  work: Workload,
  sideBySide: SideBySide,
  smaller: readonly string[],
): Promise<MemoryEstimate> {
  const { tokens, images } = await model.encodePrompt(work.prompt);
  const patches = images.map(({ grid: [t, h, w] }) => t * h * w);
  const estimate = foresee(policy, work, { tokens: tokens.length, patches }, sideBySide);
  const { total, available, ...parts } = estimate;
  if (total / 1.25 <= available) return estimate;
  const list = Object.entries(parts).map(([name, bytes]) => `${name} ${gigabytes(bytes)}`);
  throw new ConfigError(
    `${model.name}: ${work.prompts} × ${work.count} completions of ${work.maxTokens} tokens after ${tokens.length} would take about ` +
      `${gigabytes(total)} of memory (${list.join(", ")}), and there are ${gigabytes(available)}. It helps to have ${smaller.join(", ")}`,
  );
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

/** Node, this library and its native code: bytes. */
const runtimeBytes = 0.4e9;

/** Of the machine or of the container, whichever is less; without a limit the latter is 0 or astronomical. */
export function memoryLimit(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

type Kinds = Readonly<Record<"weights" | "activations" | "logits", number>>;

const nothing: Kinds = { weights: 0, activations: 0, logits: 0 };
const plus = (a: Kinds, b: Kinds): Kinds => ({
  weights: a.weights + b.weights,
  activations: a.activations + b.activations,
  logits: a.logits + b.logits,
});
const sumOf = ({ weights, activations, logits }: Kinds) => weights + activations + logits;
const floats = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 4);

/** @param given what a value is that nothing computes: a constant's data, or what a Loop carries from step to step */
function byKind(bytes: ReadonlyMap<Value, number>, { text }: Qwen2VlConfig, given: keyof Kinds): Kinds {
  const sums = { ...nothing };
  for (const [{ node, shape }, size] of bytes) {
    // A half-precision weight, turned to float32 where it is used.
    const isWeight = node?.op === "Cast" && node.in[0].dtype.endsWith("16");
    const kind = isWeight ? "weights" : shape.at(-1) === text.vocabSize ? "logits" : node ? "activations" : given;
    sums[kind] += size;
  }
  return sums;
}
