import type { VlmBackend } from "../backend";
import { DataError } from "../errors";
import type { PreflightReport, RunEvent, WorkProgress } from "../events";
import { passes, type TemperedSegment } from "../runs/backpropagate";
import type { RunDirectory } from "../runs/directory/directory";
import type { Stage, Trial } from "../runs/stages";
import type { Task } from "../task";
import { oddScales } from "../tasks/text/scale";
import type { Trainer } from "../trainer";
import type { Example, Prompt } from "../types";

/** A prompt that a stage will send, and the tokens that may follow it. */
export interface Demand {
  readonly exampleId: string;
  readonly prompt: Prompt;
  readonly completionTokens: number;
}

interface PreflightOptions<A> {
  readonly stages: readonly Pick<Stage<unknown>, "name" | "steps" | "tryOut">[];
  readonly task: Task<A>;
  readonly dataset: readonly Example<A>[];
  readonly directory: RunDirectory;
  readonly signal: AbortSignal;
  readonly tell: (progress: WorkProgress) => void;
}

/**
 * Tries every stage before the first step: counts the tokens of all prompts, and takes the longest example once
 * through a whole step, forward and backward, without learning from it. `preflight.html` shows the samples, and
 * annotations drawn on their images.
 *
 * @throws DataError for an image that cannot be read, or a prompt that leaves too little room for its completion:
 * images are never cut off
 */
export async function* preflight<A>(options: PreflightOptions<A>): AsyncGenerator<RunEvent<never, never>, void, void> {
  const { task, dataset, directory, signal, tell } = options;
  const trials: Trial[] = [];
  const stages = options.stages.filter(({ steps, tryOut }) => steps > 0 && tryOut);
  for (const [done, stage] of stages.entries()) {
    signal.throwIfAborted();
    tell({ type: "progress", work: "preflight", stage: stage.name, done, total: stages.length });
    const trial = await stage.tryOut!(signal);
    trials.push(trial);
    yield { type: "preflight-end", report: trial.report };
    // Later stages begin with a policy that has learned from earlier ones.
    const message = trials.length === 1 ? formatProblem(trial) : undefined;
    if (message !== undefined) yield { type: "warning", guard: "format", step: 0, message };
  }
  // The page is loaded when it is written: the root would load it each time.
  await directory.write("preflight.html", async () =>
    (await import("../report/sections/preflight")).preflightPage(task, dataset, trials),
  );
}

/** The model that a stage samples from, and the sizes of a step. */
export interface Needing {
  readonly backend: VlmBackend;
  readonly trainer?: Trainer | undefined;
  readonly prompts: number;
  readonly count: number;
  /** Whether a step takes gradients of entropies. */
  readonly entropies?: boolean;
}

/**
 * Finds the demand with the longest prompt and completion together, counts its tokens if the backend can, and estimates
 * the memory of a step with such prompts if the model can.
 * @throws DataError for a prompt that leaves too little room, ConfigError for a step that does not fit into memory
 */
export async function needsOf(demands: readonly Demand[], { backend, trainer, ...sizes }: Needing): Promise<Needs> {
  const { demand, ...counted } = await largestDemand(backend, demands);
  const { prompt, completionTokens: maxTokens } = demand;
  const work = { prompt, ...sizes, maxTokens };
  const memory = await (trainer ? trainer.checkMemory?.(work) : backend.checkMemory?.(work));
  return { demand, ...counted, ...(memory && { memory }) };
}

interface Needs extends Pick<PreflightReport, "promptTokens" | "contextLength" | "memory"> {
  readonly demand: Demand;
}

async function largestDemand(backend: VlmBackend, demands: readonly Demand[]): Promise<Needs> {
  const counted = await backend.countTokens?.(demands.map(({ prompt }) => prompt));
  if (!counted) return { demand: demands[0]! };
  const { tokens, limit } = counted;
  const needed = demands.map(({ completionTokens }, i) => tokens[i]! + completionTokens);
  const tooLong = demands.filter((_, i) => needed[i]! > limit);
  const largest = needed.indexOf(needed.reduce((most, value) => Math.max(most, value)));
  const demand = demands[largest]!;
  if (tooLong.length > 0)
    throw new DataError(
      `prompts do not fit, ${tooLong.length} of ${demands.length}: expected at most ${limit} tokens of prompt and completion, but the prompt of example ` +
        `${demand.exampleId} has ${tokens[largest]} and up to ${demand.completionTokens} may follow. Lower the token limits of sampling, or have smaller ` +
        "images (max_pixels in preprocessor_config.json); nothing is cut off",
    );
  return { demand, promptTokens: tokens[largest]!, contextLength: limit };
}

/** Passes segments forward and backward with zero gradients: everything is tried, nothing is learned. */
export async function tryTraining(
  trainer: Trainer,
  segments: readonly TemperedSegment[],
  options: {
    readonly microBatch?: number | undefined;
    readonly entropies?: boolean;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { microBatch, entropies = false, signal } = options;
  for (const { temperature, indices } of passes(segments, [...segments.keys()], microBatch)) {
    const part = indices.map((i) => segments[i]!);
    const zeros = part.map(({ completion }) => new Float64Array(completion.length));
    await trainer.backward(part, zeros, { temperature, signal, ...(entropies && { entropyCotangents: zeros }) });
  }
}

/** Work that took less than this is worth doing again. */
const quickSeconds = 10;

/**
 * Does some work, and measures how long it takes once its graphs are compiled: what was quick is done a second time,
 * since much of the first was compiling.
 */
export async function timed<T>(
  work: () => Promise<T>,
  { mayRepeat = true } = {},
): Promise<{ readonly seconds: number; readonly result: T }> {
  const started = performance.now();
  const result = await work();
  const seconds = (performance.now() - started) / 1000;
  return mayRepeat && seconds < quickSeconds ? timed(work, { mayRepeat: false }) : { seconds, result };
}

function formatProblem({ report, sampled }: Trial): string | undefined {
  const odd = sampled.flatMap(({ reward }) => (reward.repairs ?? []).filter((repair) => oddScales.has(repair)));
  if (odd.length * 2 > sampled.length)
    return `stage ${report.stage}: ${odd[0]} in completions, ${odd.length} of the first ${sampled.length}: expected what the prompt asks for. Choose the task's \`space\` and \`boxFormat\` by what the model writes, or say it more plainly in the prompt`;
  if (sampled.length === 0 || sampled.some(({ reward }) => reward.format.ok)) return undefined;
  const { format } = sampled[0]!.reward;
  const earn = sampled.every(({ reward }) => reward.reward === 0) ? ", and what has not earns nothing" : "";
  const text = sampled[0]!.segments.at(-1)!.completion.text.slice(0, 200);
  return (
    `stage ${report.stage}: no completion of the first ${sampled.length} has the right form${earn}. The first one: ` +
    `${format.ok ? "" : format.reason}: ${JSON.stringify(text)}. Show the model the form in the prompt, or start from a policy that knows it (SFT)`
  );
}
