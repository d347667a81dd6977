import { ConfigError } from "../../errors";
import type { VisionLanguageModel } from "../../models/open-model";
import { mergedTokens, type VlmConfig } from "../../models/parts/config";
import type { Grid } from "../../models/parts/positions";
import { type VisionShape, visionShape } from "../../models/parts/vision-inputs";
import type { Value } from "../../onnx/graph/value";
import { type SessionMemory, sessionMemory } from "../../onnx/runtime/memory";
import type { MemoryEstimate, Workload } from "../../types";
import { roundUp } from "../batch";
import { continuationGraph, type GenerationShape, generationGraph, promptStep } from "../graphs/generation";
import { planShape, type TrainingShape, trainingGraph } from "../graphs/training";
import { imagesAtOnce, visionGraph } from "../graphs/vision";
import { bindWeights, type Policy, trainsVision } from "../policy";
import { microBatches, planBatch } from "../shared-prefixes";
import { type BuildGraph, compiledAtOnce, copiedBytes, memoryLimit, weightStorage } from "../weight-storage";

export { memoryLimit } from "../weight-storage";

/** A process's work with a policy, one part after the other. */
export interface MemoryWork {
  /** Images that go through the frozen tower together. */
  readonly vision?: VisionShape;
  readonly generation?: GenerationShape & {
    readonly maxTokens: number;
    /** The policy that is sampled, if its frozen weights differ from the trained one's by quantization. */
    readonly policy?: Policy;
  };
  /** A micro-batch, forward and backward, and the optimizer's step after it. */
  readonly training?: TrainingShape;
}

/**
 * Estimates the most memory that `work` takes from the graphs that would run, within a fifth of measurements on a small
 * model (docs/models.md). Nothing is loaded, and only shapes of the policy's weights are read.
 */
export function estimateMemory(policy: Policy, { vision, generation, training }: MemoryWork): MemoryEstimate {
  const { architecture } = policy;
  const tower: Compiled[] = vision ? [compiled(policy, (bind) => visionGraph(architecture, vision, bind))] : [];
  const language: Compiled[] = [];
  if (generation) {
    const { policy: sampled = policy, time, maxTokens, resumable } = generation;
    const add = (build: BuildGraph) => language.push(compiled(sampled, build, time + maxTokens));
    add((bind) => generationGraph(architecture, generation, bind));
    if (resumable) add((bind) => continuationGraph(architecture, generation, bind));
  }
  if (training) language.push(compiled(policy, (bind) => trainingGraph(architecture, training, bind)));

  const trained = [...policy.trainable.values()].reduce((sum, { shape }) => sum + floats(shape), 0);
  const besides = {
    // The thread that runs graphs has its own copy.
    weights: 2 * trained,
    // The gradient, two moments, and the last micro-batch's gradient as onnxruntime returns it.
    optimizer: training ? 4 * trained : 0,
    runtime: runtimeBytes,
  };
  // A large tower is freed before the language model runs.
  const apart = weightStorage(policy).weightsStayInFiles && language.length > 0;
  const phases = apart ? [tower, language] : [[...tower, ...language]];
  return phases
    .map((phase): MemoryEstimate => {
      const sums = takenBy(phase, architecture.config);
      const parts = { ...besides, ...sums, weights: besides.weights + sums.weights };
      return { ...parts, total: Object.values(parts).reduce((a, b) => a + b, 0), available: memoryLimit() };
    })
    .reduce((a, b) => (b.total > a.total ? b : a));
}

interface Compiled extends SessionMemory {
  /** Folder of the mapped files. */
  readonly folder: string;
}

function compiled(policy: Policy, build: BuildGraph, runtimeSize?: number): Compiled {
  const { graph, outputs } = build((g) => bindWeights(policy, g));
  const { folder, weightsStayInFiles } = weightStorage(policy);
  return { folder, ...sessionMemory(graph, outputs, weightsStayInFiles, runtimeSize) };
}

/** Memory of graphs that all exist, one of which runs. */
function takenBy(graphs: readonly Compiled[], config: VlmConfig): Kinds {
  // A file that several graphs map counts once.
  const files = new Map<string, number>();
  for (const each of graphs) files.set(each.folder, Math.max(each.files, files.get(each.folder) ?? 0));
  const mapped = { ...nothing, weights: [...files.values()].reduce((a, b) => a + b, 0) };
  const held = graphs.map(({ constants }) => byKind(constants, config, "weights")).reduce(plus, mapped);
  const busiest = graphs
    .map(({ atPeak }) => byKind(atPeak, config, "activations"))
    .reduce((a, b) => (sumOf(b) > sumOf(a) ? b : a), nothing);
  return plus(held, busiest);
}

/** Whether a micro-batch that keeps all intermediate values would take more than half of the available bytes. */
export function keepsTooMuch(policy: Policy, shape: TrainingShape, available = memoryLimit()): boolean {
  return estimateMemory(policy, { training: { ...shape, recompute: false } }).total > available / 2;
}

/** How much of a workload runs side by side. */
export interface SideBySide {
  readonly sampledAtOnce: number;
  readonly sampled?: Policy;
  /** Rows of a micro-batch; absent without training. */
  readonly rowsAtOnce?: number;
  readonly gradientCheckpointing?: boolean | undefined;
}

/** The largest parts of a workload with prompts of this many tokens and images of these grids. */
export function foresee(
  policy: Policy,
  { prompts, count, maxTokens, entropies }: Omit<Workload, "prompt">,
  { tokens, grids }: { readonly tokens: number; readonly grids: readonly Grid[] },
  { sampledAtOnce, sampled: sampledPolicy = policy, rowsAtOnce, gradientCheckpointing }: SideBySide,
): MemoryEstimate {
  const { architecture } = policy;
  const imageTokens = (grid: Grid) => mergedTokens(grid, architecture.config);
  const [largest] = [...grids].sort((a, b) => imageTokens(b) - imageTokens(a));
  const picturesOf = (rows: number) => Math.min(prompts, rows) * grids.length;
  const featureRows = (rows: number) =>
    Math.min(prompts, rows) * grids.reduce((sum, grid) => sum + imageTokens(grid), 0);
  const sampled = Math.min(prompts * count, sampledAtOnce);
  const sampling: MemoryWork = {
    ...(largest && { vision: visionShape(architecture, largest, Math.min(picturesOf(prompts), imagesAtOnce)) }),
    generation: {
      prompts: Math.min(prompts, sampled),
      time: roundUp(tokens, promptStep),
      rows: sampled,
      featureRows: featureRows(sampled),
      maxTokens,
      sampling: "full",
      penalised: false,
      resumable: true,
      policy: sampledPolicy,
    },
  };
  if (rowsAtOnce === undefined) return estimateMemory(policy, sampling);
  const plan = firstBatch({ prompts, count, maxTokens }, tokens, rowsAtOnce);
  const trained = new Set(plan.rows.map(({ row }) => row.tokens[0])).size;
  const kept: TrainingShape = {
    ...planShape(architecture, plan),
    featureRows: featureRows(trained),
    recompute: false,
    temperature: 1,
    entropies,
    pictures: trainsVision(policy) && largest ? [visionShape(architecture, largest, picturesOf(trained))] : [],
  };
  const recompute = gradientCheckpointing ?? keepsTooMuch(policy, kept);
  return estimateMemory(policy, { ...sampling, training: { ...kept, recompute } });
}

/** The first micro-batch of a workload, with the number of its prompt for every token of a row. */
function firstBatch({ prompts, count, maxTokens }: Omit<Workload, "prompt">, tokens: number, rowsAtOnce: number) {
  const rows = Array.from({ length: Math.min(prompts * count, rowsAtOnce) }, (_, i) => ({
    tokens: new Array<number>(tokens + maxTokens).fill(Math.floor(i / count)),
    promptLength: tokens,
    images: [],
  }));
  return planBatch(rows, microBatches(rows, rowsAtOnce)[0]!);
}

/**
 * Estimates like `foresee`, plus graphs kept for prompts of other lengths.
 * @throws ConfigError when the estimate, less a fifth for its error, exceeds the memory: it gives the numbers, and
 * `smaller`, the changes that help
 */
export async function checkMemory(
  model: Pick<VisionLanguageModel, "name" | "encodePrompt">,
  policy: Policy,
  work: Workload,
  sideBySide: SideBySide,
  smaller: readonly string[],
): Promise<MemoryEstimate> {
  const { tokens, images } = await model.encodePrompt(work.prompt);
  const grids = images.map(({ grid }) => grid);
  const foreseen = foresee(policy, work, { tokens: tokens.length, grids }, sideBySide);
  const graphs =
    keptCopies(sideBySide.sampled ?? policy, 2) + (sideBySide.rowsAtOnce === undefined ? 0 : keptCopies(policy, 1));
  const estimate = { ...foreseen, graphs, total: foreseen.total + graphs };
  const { total, available, ...parts } = estimate;
  if (total / 1.25 <= available) return estimate;
  const list = Object.entries(parts).map(([name, bytes]) => `${name} ${gigabytes(bytes)}`);
  throw new ConfigError(
    `${model.name}: ${work.prompts} × ${work.count} completions of ${work.maxTokens} tokens after ${tokens.length} would take about ` +
      `${gigabytes(total)} of memory (${list.join(", ")}), and there are ${gigabytes(available)}. It helps to have ${smaller.join(", ")}`,
  );
}

/** The share of graphs kept besides the counted ones. */
const keptCopies = (policy: Policy, counted: number) =>
  (compiledAtOnce(policy, {}, "language") - counted) * copiedBytes(policy, "language");

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

/** Bytes of Node, this library and its native code. */
const runtimeBytes = 0.4e9;

type Kinds = Readonly<Record<"weights" | "activations" | "logits", number>>;

const nothing: Kinds = { weights: 0, activations: 0, logits: 0 };
const plus = (a: Kinds, b: Kinds): Kinds => ({
  weights: a.weights + b.weights,
  activations: a.activations + b.activations,
  logits: a.logits + b.logits,
});
const sumOf = ({ weights, activations, logits }: Kinds) => weights + activations + logits;
const floats = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 4);

/** @param given the kind of values that no node computes: constants, or values that a Loop carries between steps */
function byKind(bytes: ReadonlyMap<Value, number>, { text }: VlmConfig, given: keyof Kinds): Kinds {
  const sums = { ...nothing };
  for (const [{ node, shape }, size] of bytes) {
    // A half-precision weight, cast to float32 right before its use.
    const isWeight = node ? node.op === "Cast" && node.in[0].dtype.endsWith("16") : given === "weights";
    const kind = isWeight ? "weights" : shape.at(-1) === text.vocabSize ? "logits" : node ? "activations" : given;
    sums[kind] += size;
  }
  return sums;
}
