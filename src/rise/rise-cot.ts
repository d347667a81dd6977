import type { VlmBackend } from "../backend";
import { checkThreshold, selectHighQuality } from "../cots/select";
import { ConfigError } from "../errors";
import type { BestCheckpoint, RunEvent, StepMetrics } from "../events";
import { type GrpoSettings, grpoPresets } from "../grpo/presets";
import { checkChoice } from "../options/choice";
import type { Names } from "../options/options";
import { checkBooleans, checkOptions, checkSeed } from "../options/options";
import { paperReward } from "../reward/paper";
import type { RewardFunction } from "../reward/reward";
import { deriveSeed } from "../rng";
import type { Rollout } from "../rollouts";
import { openRunDirectory, trainedIn } from "../runs/directory/directory";
import { type Owned, withOwned } from "../runs/disposable";
import {
  checkCounts,
  checkExamples,
  checkHeldOut,
  fingerprint,
  given,
  orderedBatch,
  promptsFingerprint,
  shuffledBatch,
} from "../runs/examples/check-examples";
import {
  checkFailureOptions,
  createRunFailures,
  type FailedExample,
  type FailureOptions,
  failureNames,
  type RunFailures,
} from "../runs/examples/failures";
import { policyIdentity } from "../runs/examples/policy-identity";
import { type ReadableOptions, readableExamples } from "../runs/examples/readable-examples";
import { generateEach } from "../runs/generate";
import { checkLearningRate, describeLearningRate, type LearningRate } from "../runs/learning-rate";
import { createRun, type Run } from "../runs/run";
import { runStages, type Stage } from "../runs/stages";
import type { Task } from "../task";
import type { Trainer } from "../trainer";
import type { Example } from "../types";
import { type CotMemory, createCotMemory, type RiseCotRow, rememberFailures, rowOf } from "./best-cots";
import { checkGrpo } from "./grpo-step";
import { type Demand, preflight } from "./preflight";
import { checkSampling, heldOutMetrics, rolloutStage } from "./rollout-stage";
import {
  checkReward,
  type RolloutSamplingOptions,
  reconstructionSampling,
  sampleRollouts,
  samplingNames,
} from "./sample";
import { withSamplerCorrection } from "./sampler-gap";

export interface RiseCotOptions<A> extends FailureOptions, ReadableOptions {
  readonly task: Task<A>;
  readonly dataset: readonly Example<A>[];
  /** The policy to train. A function makes it when the run starts, and the run disposes of it. */
  readonly trainer?: Owned<Trainer>;
  /** A model that cannot be trained: best-of-G with it as it is, the paper's Base-Model-CoT and GPT-4o-CoT (Table 3). */
  readonly backend?: Owned<VlmBackend>;
  /** `paperReward`. */
  readonly reward?: RewardFunction<A>;
  /** G, rollouts for each example (8). */
  readonly groupSize?: number;
  /** Examples whose groups make up one update (2, the paper's batch of 1 times 2). */
  readonly examplesPerStep?: number;
  /** Updates (200). */
  readonly steps?: number;
  /** `grpoPresets["rise-paper"]`. */
  readonly grpo?: GrpoSettings;
  /** A constant or a schedule (2e-5). */
  readonly learningRate?: LearningRate;
  /** τ (0.75). */
  readonly threshold?: number;
  /** How rollouts are drawn (at temperature 1, from all tokens), their lengths, and reconstructions a cot. */
  readonly sampling?: RolloutSamplingOptions;
  /** Which tokens learn: cot and reconstruction, or, as in the published code, the reconstruction alone ("both"). */
  readonly credit?: "both" | "reconstruction";
  /** Sequences in one forward and backward pass (all of a step). */
  readonly microBatch?: number;
  /** Steps from one checkpoint to the next (50). */
  readonly checkpointEvery?: number;
  /** Newest checkpoints that are kept; the best one stays as well (3). */
  readonly keepCheckpoints?: number;
  /** Examples to measure the policy with at every checkpoint, one greedy rollout each; the best `eval_reward` is the best checkpoint. */
  readonly heldOut?: readonly Example<A>[];
  /** Decode every image and try every stage on one example before the first step (true): what must fail fails at once, and `preflight.html` shows what was seen. */
  readonly preflight?: boolean;
  /** Sample all examples once more with the trained policy (true). */
  readonly finalPass?: boolean;
  readonly seed?: number;
  /** Where the run is written; without it nothing is. */
  readonly runDir?: string;
  /** Go on with the run in `runDir`, if there is one (false). */
  readonly resume?: boolean;
  /** Finishes the step under way, writes a checkpoint, and rejects with this signal's reason: `stopOnInterrupt`. */
  readonly stop?: AbortSignal;
  /** Stops as soon as possible; what came after the last checkpoint is lost. */
  readonly signal?: AbortSignal;
}

export interface RiseCotResult<A> {
  /** D_RISE = {(I, R*, A, r)}: the best rollout of every example that had one, in the order of the dataset. */
  readonly dataset: readonly RiseCotRow<A>[];
  /** Examples that could not be sampled, or not in full, the last time they were asked about; empty if there are none. */
  readonly failed: readonly FailedExample[];
  /** Rows with r ≥ τ. */
  readonly kept: readonly RiseCotRow<A>[];
  readonly metrics: readonly StepMetrics[];
  /** Directory of the trained weights, in `runDir`. */
  readonly adapter?: string;
  /** The checkpoint that earned most on `heldOut`. */
  readonly best?: BestCheckpoint;
}

export type { RiseCotRow } from "./best-cots";

export type RiseCotEvent<A> = RunEvent<Rollout<A>, RiseCotResult<A>>;

/**
 * Stage 1: learns to justify annotations so that they can be told from the justification, and keeps the best one for each.
 *
 * For (I, A): sample G cots from π(R | I, A), for each a reconstruction from π(Â | I, R), reward the pair, and improve both by GRPO.
 * D_RISE is the best rollout of each example, in training or in a final pass with the trained policy (ties: the shorter cot).
 *
 * @throws ConfigError, DataError before any compute is spent; TrainingError, CheckpointError
 * Source: RISE, stage 1, Eqs. 1–7. Departure: recorded for each row is what the image alone would have earned.
 */
export function riseCot<A>(options: RiseCotOptions<A>): Run<RiseCotEvent<A>, RiseCotResult<A>> {
  return createRun((signal) => {
    checkOptions("riseCot", options, riseCotNames);
    const { task, dataset, heldOut = [], trainer, backend } = options;
    // Before a model is loaded, or fetched, for nothing.
    checkExamples(task, dataset);
    checkHeldOut(task, heldOut, dataset);
    const settings = withDefaults(options);
    if (trainer && !backend)
      return withOwned("trainer", trainer, "backward", (owned) => run(settings, signal, owned.sampler(), owned));
    if (backend && !trainer) return withOwned("backend", backend, "generate", (owned) => run(settings, signal, owned));
    throw new ConfigError(`riseCot: expected a trainer or a backend, got ${trainer ? "both" : "neither"}`);
  }, options?.signal);
}

async function* run<A>(
  asked: Settings<A>,
  signal: AbortSignal,
  backend: VlmBackend,
  trainer?: Trainer,
): AsyncGenerator<RiseCotEvent<A>, RiseCotResult<A>, void> {
  const readable = asked.preflight ? { ...asked, ...(yield* readableExamples(asked, backend, signal)) } : asked;
  const settings = trainer ? { ...readable, grpo: withSamplerCorrection(readable.grpo, trainer) } : readable;
  const { dataset, threshold, checkpointEvery, keepCheckpoints, runDir, resume, stop } = settings;
  const memory = createCotMemory();
  const failures = rememberFailures(createRunFailures("riseCot", settings), memory);
  const stages = trainer
    ? [training(settings, memory, failures, trainer), closing(settings, memory, failures, backend)]
    : [closing({ ...settings, finalPass: true }, memory, failures, backend, cotRehearsal(settings, backend))];
  const policy = runDir === undefined ? "" : await policyIdentity(backend);
  const config = (steps: number) => describe({ ...settings, steps }, policy, trainer !== undefined);
  const directory = await openRunDirectory(runDir, config(settings.steps), {
    ...{ resume, keep: keepCheckpoints },
    length: { stages, checkpointEvery, config: (steps) => config(steps.get("steps") ?? settings.steps) },
  });
  try {
    if (settings.preflight && !directory.resumed) {
      const { task } = settings;
      yield* preflight({ stages, task, dataset, directory, signal });
    }
    yield* runStages(stages, { directory, memory, trainer, checkpointEvery, stop, signal });

    const rows = dataset.flatMap((example) => rowOf(example, memory));
    if (rows.length === 0) failures.checkAny();
    await directory.writeCots(rows);
    const result: RiseCotResult<A> = {
      dataset: rows,
      failed: [...memory.failed].map(([exampleId, message]) => ({ exampleId, message })),
      kept: selectHighQuality(rows, { threshold }),
      metrics: directory.metrics,
      ...trainedIn(directory),
    };
    yield { type: "run-end", result };
    return result;
  } finally {
    await directory.close();
  }
}

/** GRPO on a few examples at a time. */
function training<A>(
  settings: Settings<A>,
  memory: CotMemory,
  failures: RunFailures,
  trainer: Trainer,
): Stage<Rollout<A>> {
  const { steps, dataset, examplesPerStep, seed, credit, grpo, learningRate, microBatch, heldOut } = settings;
  const examples = (step: number) => shuffledBatch(dataset, step, examplesPerStep, seed);
  const sampler = trainer.sampler();
  const stage = rolloutStage({
    ...cotSampling(settings, sampler, { name: "train", examples, failures }),
    rehearsal: cotRehearsal(settings, sampler),
    steps,
    tokens: memory,
    learning: {
      ...{ trainer, grpo, learningRate, microBatch },
      credit: credit === "both" ? "all" : "last",
    },
    seen: async (rollouts) => memory.keepBest(rollouts),
  });
  return {
    ...stage,
    setting: "steps",
    ...(heldOut.length > 0 && { evaluate: (signal) => evaluation(settings, sampler, signal) }),
  };
}

/** The likeliest cot and reconstruction of each held-out example. */
async function evaluation<A>(
  { task, reward, sampling, heldOut, seed, ...options }: Settings<A>,
  backend: VlmBackend,
  signal: AbortSignal,
) {
  const failures = createRunFailures("riseCot: heldOut", options);
  const sampled = await sampleRollouts({
    ...{ task, reward, backend, signal },
    sampling: {
      ...{ ...sampling, temperature: 0, reconstructionsPerCot: 1 },
      reconstruction: { ...reconstructionSampling(sampling), temperature: 0 },
    },
    groupSize: 1,
    ...{ examples: heldOut, onSampled: failures.onSampled },
    seed: deriveSeed(seed, "evaluation"),
  });
  return heldOutMetrics(sampled, reward.name, failures.drain().length);
}

/** Once over all examples: new rollouts (the final pass), and for each row of D_RISE a reconstruction without its cot. */
function closing<A>(
  settings: Settings<A>,
  memory: CotMemory,
  failures: RunFailures,
  backend: VlmBackend,
  rehearsal?: ReturnType<typeof cotRehearsal<A>>,
): Stage<Rollout<A>> {
  const { task, dataset, examplesPerStep, seed, finalPass, sampling } = settings;
  const examples = (step: number) => orderedBatch(dataset, step, examplesPerStep);
  return rolloutStage({
    ...cotSampling(settings, backend, {
      ...{ name: "final", failures },
      examples: (step) => (finalPass ? examples(step) : []),
    }),
    steps: Math.ceil(dataset.length / examplesPerStep),
    ...(rehearsal && { rehearsal }),
    tokens: memory,
    async seen(rollouts, step, signal) {
      memory.keepBest(rollouts);
      const rated = examples(step).filter(({ id }) => memory.best.has(id));
      if (rated.length === 0) return {};
      const answers = await generateEach(
        backend,
        rated.map((example) => task.reconstructionPrompt(example, "")),
        {
          ...reconstructionSampling(sampling),
          maxTokens: sampling.reconstructionMaxTokens ?? 256,
          temperature: 0,
          seed: deriveSeed(seed, "image-only", step),
          signal,
        },
      );
      for (const [i, { id, annotation }] of rated.entries()) {
        const outcome = answers[i]!;
        if (outcome instanceof Error) {
          failures.onSampled(id, outcome, 0);
          continue;
        }
        const prediction = task.parse(outcome[0]!.text);
        memory.imageOnly.set(id, prediction === null ? 0 : task.similarity(annotation, prediction));
      }
      const similarities = rated.flatMap(({ id }) => memory.imageOnly.get(id) ?? []);
      if (similarities.length === 0) return {};
      const sum = similarities.reduce((total, value) => total + value, 0);
      return { "rise/image_only_similarity": sum / similarities.length };
    },
  });
}

function cotSampling<A>(
  { task, reward, groupSize, sampling, seed }: Settings<A>,
  backend: VlmBackend,
  {
    name,
    examples,
    failures,
  }: {
    readonly name: "train" | "final";
    readonly examples: (step: number) => readonly Example<A>[];
    readonly failures: RunFailures;
  },
) {
  return {
    ...{ name, failures },
    groupSize: groupSize * (sampling.reconstructionsPerCot ?? 1),
    rewardName: reward.name,
    sample: (step: number, signal: AbortSignal) =>
      sampleRollouts({
        ...{ task, reward, groupSize, sampling, backend, signal },
        ...{ keepsParts: name === "final", onSampled: failures.onSampled },
        examples: examples(step),
        seed: deriveSeed(seed, name, step),
      }),
  };
}

/** All prompts of stage 1, and one group of rollouts of one example. */
function cotRehearsal<A>(settings: Settings<A>, backend: VlmBackend) {
  const { task, dataset, reward, groupSize, sampling, seed, examplesPerStep } = settings;
  const { cotMaxTokens = 256, reconstructionMaxTokens = 256 } = sampling;
  return {
    ...{ backend, examplesPerStep },
    demands: () =>
      dataset.flatMap((example): Demand[] => [
        { exampleId: example.id, prompt: task.cotPrompt(example), completionTokens: cotMaxTokens },
        // The cot is in the prompt.
        {
          exampleId: example.id,
          prompt: task.reconstructionPrompt(example, ""),
          completionTokens: cotMaxTokens + reconstructionMaxTokens,
        },
      ]),
    sample: (exampleId: string, signal: AbortSignal) =>
      sampleRollouts({
        ...{ task, reward, groupSize, sampling, backend, signal },
        examples: dataset.filter(({ id }) => id === exampleId),
        seed: deriveSeed(seed, "preflight"),
      }),
  };
}

type Settings<A> = ReturnType<typeof withDefaults<A>>;

function withDefaults<A>(options: RiseCotOptions<A>) {
  const settings = {
    reward: paperReward as RewardFunction<A>,
    groupSize: 8,
    examplesPerStep: 2,
    steps: 200,
    grpo: grpoPresets["rise-paper"] as GrpoSettings,
    learningRate: 2e-5 as LearningRate,
    threshold: 0.75,
    sampling: {} as RolloutSamplingOptions,
    credit: "both" as const,
    checkpointEvery: 50,
    keepCheckpoints: 3,
    heldOut: [] as readonly Example<A>[],
    preflight: true,
    finalPass: true,
    seed: 0,
    resume: false,
    ...given(options),
  };
  const { groupSize, examplesPerStep, steps, checkpointEvery, keepCheckpoints, microBatch } = settings;
  const { reward, grpo, learningRate, credit, sampling, threshold, preflight, finalPass, resume, seed } = settings;
  checkReward("reward", reward);
  checkCounts({ groupSize }, options.trainer ? 2 : 1);
  checkCounts({ examplesPerStep, checkpointEvery, keepCheckpoints, microBatch });
  const { cotMaxTokens, reconstructionMaxTokens, reconstructionsPerCot } = sampling;
  checkCounts({
    "sampling.cotMaxTokens": cotMaxTokens,
    "sampling.reconstructionMaxTokens": reconstructionMaxTokens,
    "sampling.reconstructionsPerCot": reconstructionsPerCot,
  });
  checkCounts({ steps }, 0);
  checkSampling("sampling", sampling);
  checkSampling("sampling.reconstruction", reconstructionSampling(sampling));
  checkChoice("credit", credit, ["both", "reconstruction"]);
  checkThreshold(threshold);
  checkFailureOptions(options);
  checkBooleans("riseCot", { preflight, finalPass, resume });
  checkSeed("riseCot", seed);
  if (options.trainer) {
    checkLearningRate("learningRate", learningRate, steps);
    checkGrpo("grpo", grpo, { groupSize: groupSize * (reconstructionsPerCot ?? 1), groups: examplesPerStep });
  }
  return settings;
}

/** What decides the run, for `config.json`. */
function describe<A>(settings: Settings<A>, policy: object | string, trains: boolean): object {
  const { task, dataset, reward, groupSize, examplesPerStep, steps, grpo, learningRate, threshold, sampling } =
    settings;
  const { credit, microBatch, checkpointEvery, heldOut, finalPass, seed } = settings;
  return {
    pipeline: "rise-cot",
    task: task.name,
    dataset: fingerprint(dataset),
    prompts: promptsFingerprint(
      [...dataset, ...heldOut].flatMap((example) => [task.cotPrompt(example), task.reconstructionPrompt(example, "")]),
    ),
    policy,
    reward: reward.name,
    groupSize,
    examplesPerStep,
    ...(trains && {
      ...{ steps, grpo, credit, microBatch, finalPass },
      learningRate: describeLearningRate(learningRate, steps),
      ...(heldOut.length > 0 && { heldOut: fingerprint(heldOut) }),
    }),
    threshold,
    sampling,
    checkpointEvery,
    seed,
  };
}

const riseCotNames: Names<RiseCotOptions<unknown>> = {
  task: true,
  dataset: true,
  trainer: true,
  backend: true,
  reward: true,
  groupSize: true,
  examplesPerStep: true,
  steps: true,
  grpo: true,
  learningRate: true,
  threshold: true,
  sampling: {
    ...samplingNames,
    cotMaxTokens: true,
    reconstructionMaxTokens: true,
    reconstruction: samplingNames,
    reconstructionsPerCot: true,
  },
  credit: true,
  microBatch: true,
  checkpointEvery: true,
  keepCheckpoints: true,
  heldOut: true,
  preflight: true,
  ...failureNames,
  onOmission: true,
  finalPass: true,
  seed: true,
  runDir: true,
  resume: true,
  stop: true,
  signal: true,
};
