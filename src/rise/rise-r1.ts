import { checkCots, keptCots, sftSamples } from "../cots/check";
import { checkThreshold } from "../cots/select";
import { ConfigError } from "../errors";
import type { BestCheckpoint, RunEvent, StepMetrics } from "../events";
import { type GrpoSettings, grpoPresets } from "../grpo/presets";
import { checkChoice } from "../options/choice";
import type { Names } from "../options/options";
import { checkBooleans, checkNumber, checkOptions, checkSeed } from "../options/options";
import { type AnswerRewardFunction, answerReward } from "../reward/paper";
import { deriveSeed } from "../rng";
import type { AnswerRollout, RatedCot } from "../rollouts";
import { openRunDirectory, trainedIn } from "../runs/directory/directory";
import { type Owned, withOwned } from "../runs/disposable";
import {
  checkCounts,
  checkExamples,
  checkHeldOut,
  fingerprint,
  given,
  promptsFingerprint,
  shuffledBatch,
} from "../runs/examples/check-examples";
import { checkFailureOptions, createRunFailures, type FailureOptions, failureNames } from "../runs/examples/failures";
import { policyIdentity } from "../runs/examples/policy-identity";
import { type ReadableOptions, readableExamples } from "../runs/examples/readable-examples";
import { checkLearningRate, describeLearningRate, type LearningRate, learningRateAt } from "../runs/learning-rate";
import { createRun, type Run } from "../runs/run";
import { type Memory, runStages, type Stage } from "../runs/stages";
import type { Task } from "../task";
import type { Trainer } from "../trainer";
import type { Example } from "../types";
import { checkGrpo } from "./grpo-step";
import { needsOf, preflight, rehearseTraining } from "./preflight";
import { checkSampling, heldOutMetrics, rolloutStage } from "./rollout-stage";
import { checkReward, type SamplingOptions, sampleAnswers, samplingNames } from "./sample";
import { withSamplerCorrection } from "./sampler-gap";
import { supervisedStep } from "./sft-step";

export interface SftOptions {
  /** Updates (200). */
  readonly steps?: number;
  /** Instead of `steps`: times every cot of D_high is seen, rounded up to whole updates. */
  readonly epochs?: number;
  /** Samples in one update (2, the paper's batch of 1 times 2). */
  readonly batchSize?: number;
  /** A constant or a schedule (2e-5). */
  readonly learningRate?: LearningRate;
  /** Eq. 8, the mean over samples of the sum over tokens, or the mean over all tokens of the batch ("sequence"). */
  readonly lossType?: "sequence" | "token";
}

export interface RftOptions<A> {
  /** Updates (200). */
  readonly steps?: number;
  /** G, completions for each example (8). */
  readonly groupSize?: number;
  /** Examples whose groups make up one update (2). */
  readonly examplesPerStep?: number;
  /** A constant or a schedule (2e-5). */
  readonly learningRate?: LearningRate;
  /** `grpoPresets["rise-paper"]`. */
  readonly grpo?: GrpoSettings;
  readonly sampling?: SamplingOptions & {
    /** Tokens of a completion (512). */
    readonly maxTokens?: number;
  };
  /** `answerReward`, Eq. 9. */
  readonly reward?: AnswerRewardFunction<A>;
}

export interface RiseR1Options<A> extends FailureOptions, ReadableOptions {
  readonly task: Task<A>;
  readonly dataset: readonly Example<A>[];
  /** D_RISE, from `riseCot`; may be empty where there is no SFT. */
  readonly cots: readonly RatedCot<A>[];
  /** The policy to train. A function makes it when the run starts, and the run disposes of it. */
  readonly trainer: Owned<Trainer>;
  /** τ: SFT learns from cots with at least this reward (0.75). */
  readonly threshold?: number;
  /** `false` leaves SFT out: with `cots: []`, that is Visual-RFT. */
  readonly sft?: SftOptions | false;
  /** `false` leaves reinforcement out: SFT alone. */
  readonly rft?: RftOptions<A> | false;
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

export interface RiseR1Result<A> {
  /** D_high, what SFT learned from. */
  readonly kept: readonly RatedCot<A>[];
  readonly metrics: readonly StepMetrics[];
  /** Directory of the trained weights, in `runDir`. */
  readonly adapter?: string;
  /** The checkpoint that earned most on `heldOut`. */
  readonly best?: BestCheckpoint;
}

export type RiseR1Event<A> = RunEvent<AnswerRollout<A>, RiseR1Result<A>>;

/**
 * Stage 2: teaches the policy to annotate with reasons, `<think>R</think><answer>A</answer>` from the image alone.
 *
 * First by imitation of D_high = {(I, R*, A) : r ≥ τ}, then by GRPO on all examples with the reward of Eq. 9.
 *
 * @throws ConfigError, DataError before any compute is spent; TrainingError, CheckpointError
 * Source: RISE, stage 2, Eqs. 8–10.
 */
export function riseR1<A>(asked: RiseR1Options<A>): Run<RiseR1Event<A>, RiseR1Result<A>> {
  return createRun((signal) => {
    checkNames(asked);
    // Where nothing learns from cots, JavaScript may leave them out.
    const options = asked.sft === false ? { ...asked, cots: asked.cots ?? [] } : asked;
    const { task, dataset, cots, heldOut = [], trainer } = options;
    // Before a model is loaded, or fetched, for nothing.
    checkExamples(task, dataset);
    checkHeldOut(task, heldOut, dataset);
    checkCots(cots);
    const defaulted = withDefaults(options);
    const { sft, threshold } = defaulted;
    const kept = sft ? keptCots(cots, { task, dataset, threshold }) : [];
    const withSamples = (count: number) => ({ ...defaulted, sft: sft && withSteps(sft, count) });
    withSamples(kept.length);
    return withOwned("trainer", trainer, "backward", async function* (owned) {
      if (options.preflight === false) return yield* run(options, withSamples(kept.length), kept, owned, signal);
      const readable = yield* readableExamples(options, owned.sampler(), signal);
      const ids = new Set(readable.dataset.map(({ id }) => id));
      const left = kept.filter(({ exampleId }) => ids.has(exampleId));
      return yield* run({ ...options, ...readable }, withSamples(left.length), left, owned, signal);
    });
  }, asked?.signal);
}

async function* run<A>(
  options: RiseR1Options<A>,
  asked: Settings<A>,
  kept: readonly RatedCot<A>[],
  trainer: Trainer,
  signal: AbortSignal,
): AsyncGenerator<RiseR1Event<A>, RiseR1Result<A>, void> {
  const { heldOut = [], keepCheckpoints = 3, runDir, resume = false, stop } = options;
  const { rft, checkpointEvery } = asked;
  const settings = { ...asked, rft: rft && { ...rft, grpo: withSamplerCorrection(rft.grpo, trainer) } };
  const memory = createMemory();
  const measured = heldOut.length > 0 && { evaluate: evaluation(options, settings, trainer) };
  const stages = [
    ...(settings.sft ? [supervised(settings, settings.sft, trainer, supervisedSamples(options, trainer, kept))] : []),
    ...(settings.rft ? [reinforced(options, settings, settings.rft, trainer, memory)] : []),
  ].map((stage) => ({ ...stage, ...measured }));
  const policy = runDir === undefined ? "" : await policyIdentity(trainer.sampler());
  const directory = await openRunDirectory(runDir, describe(options, settings, policy), {
    ...{ resume, keep: keepCheckpoints },
    length: { stages, checkpointEvery, config: (steps) => describe(options, withLengths(settings, steps), policy) },
  });
  try {
    await directory.writeCots(kept);
    const { task, dataset, preflight: asks = true } = options;
    if (asks && !directory.resumed) yield* preflight({ stages, task, dataset, directory, signal });
    yield* runStages<AnswerRollout<A>>(stages, { directory, memory, trainer, checkpointEvery, stop, signal });

    const result = { kept, metrics: directory.metrics, ...trainedIn(directory) };
    yield { type: "run-end", result };
    return result;
  } finally {
    await directory.close();
  }
}

/** @throws ConfigError for options that are none, or no part of the stage */
function checkNames<A>(options: RiseR1Options<A>): void {
  const { sft, rft } = options ?? {};
  const parts = { sft: sft === false ? undefined : sft, rft: rft === false ? undefined : rft };
  checkOptions("riseR1", options && { ...options, ...parts }, riseR1Names);
  if (sft === false && rft === false)
    throw new ConfigError("riseR1: expected sft or rft, got false for both, which trains nothing");
}

/** With the steps that the epochs are, and a learning rate for each. */
function withSteps({ epochs, ...sft }: SftSettings, samples: number): SftSettings {
  const steps = epochs === undefined ? sft.steps : Math.ceil((epochs * samples) / sft.batchSize);
  checkLearningRate("sft.learningRate", sft.learningRate, steps);
  return { ...sft, epochs, steps };
}

/** The same settings with other numbers of steps, by their names in `config.json`. */
function withLengths<A>({ sft, rft, ...settings }: Settings<A>, steps: ReadonlyMap<string, number>): Settings<A> {
  return {
    ...settings,
    sft: sft && { ...sft, steps: steps.get("sft.steps") ?? sft.steps },
    rft: rft && { ...rft, steps: steps.get("rft.steps") ?? rft.steps },
  };
}

/** Prompt and target tokens of every kept cot. */
function supervisedSamples<A>(options: RiseR1Options<A>, trainer: Trainer, kept: readonly RatedCot<A>[]) {
  return sftSamples(kept, options).map(({ example, prompt, target }) => ({
    exampleId: example.id,
    prompt,
    completion: trainer.encode(target),
  }));
}

function supervised<A>(
  { seed, microBatch }: Settings<A>,
  { batchSize, learningRate, lossType, steps }: SftSettings,
  trainer: Trainer,
  samples: ReturnType<typeof supervisedSamples>,
): Stage<AnswerRollout<A>> {
  return {
    name: "sft",
    steps,
    setting: "sft.steps",
    trains: true,
    async rehearse(signal) {
      const demands = samples.map((sample) => ({ ...sample, completionTokens: sample.completion.length }));
      const asked = { backend: trainer.sampler(), trainer, prompts: batchSize, count: 1 };
      const { demand, ...needs } = await needsOf(demands, asked);
      const longest = samples.toSorted((a, b) => b.completion.length - a.completion.length).slice(0, batchSize);
      const started = performance.now();
      await rehearseTraining(trainer, longest, { microBatch, signal });
      const estimatedSeconds = ((performance.now() - started) / 1000) * steps;
      return { report: { stage: "sft", exampleId: demand.exampleId, ...needs, estimatedSeconds }, sampled: [] };
    },
    async run(step, signal) {
      const batch = shuffledBatch(samples, step, batchSize, deriveSeed(seed, "sft"));
      const options = { learningRate: learningRateAt(learningRate, step), lossType, microBatch, signal };
      const { metrics } = await supervisedStep(trainer, batch, options);
      return { rollouts: [], metrics };
    },
  };
}

function reinforced<A>(
  { task, dataset, ...options }: RiseR1Options<A>,
  { seed, microBatch }: Settings<A>,
  { steps, groupSize, examplesPerStep, learningRate, grpo, sampling, reward }: RftSettings<A>,
  trainer: Trainer,
  memory: AnswerMemory,
): Stage<AnswerRollout<A>> {
  const failures = createRunFailures("riseR1", options);
  const stage = rolloutStage({
    name: "rft",
    failures,
    steps,
    groupSize,
    rewardName: reward.name,
    tokens: memory,
    sample: (step, signal) =>
      sampleAnswers({
        ...{ task, reward, groupSize, sampling, signal },
        ...{ backend: trainer.sampler(), onSampled: failures.onSampled },
        examples: shuffledBatch(dataset, step, examplesPerStep, deriveSeed(seed, "rft")),
        seed: deriveSeed(seed, "rft", step),
      }),
    learning: { trainer, grpo, learningRate, microBatch, credit: "all" },
    rehearsal: {
      backend: trainer.sampler(),
      examplesPerStep,
      demands: () =>
        dataset.map((example) => ({
          exampleId: example.id,
          prompt: task.answerPrompt(example),
          completionTokens: sampling.maxTokens ?? 512,
        })),
      sample: (exampleId, signal) =>
        sampleAnswers({
          ...{ task, reward, groupSize, sampling, signal },
          backend: trainer.sampler(),
          examples: dataset.filter(({ id }) => id === exampleId),
          seed: deriveSeed(seed, "rft", "preflight"),
        }),
    },
  });
  return { ...stage, setting: "rft.steps" };
}

/** The likeliest answer to each held-out example, rewarded as in reinforcement. */
function evaluation<A>(
  { task, heldOut = [], ...options }: RiseR1Options<A>,
  { seed, rft }: Settings<A>,
  trainer: Trainer,
): NonNullable<Stage<AnswerRollout<A>>["evaluate"]> {
  const { reward, sampling } = rft || { reward: answerReward as AnswerRewardFunction<A>, sampling: {} };
  return async (signal) => {
    const failures = createRunFailures("riseR1: heldOut", options);
    const sampled = await sampleAnswers({
      ...{ task, reward, signal, backend: trainer.sampler() },
      sampling: { ...sampling, temperature: 0 },
      groupSize: 1,
      ...{ examples: heldOut, onSampled: failures.onSampled },
      seed: deriveSeed(seed, "evaluation"),
    });
    return heldOutMetrics(sampled, reward.name, failures.drain().length);
  };
}

interface AnswerMemory extends Memory {
  numTokens: number;
}

function createMemory(): AnswerMemory {
  return {
    numTokens: 0,
    save() {
      return { numTokens: this.numTokens };
    },
    load(state) {
      this.numTokens = (state as { numTokens: number }).numTokens;
    },
  };
}

type Settings<A> = ReturnType<typeof withDefaults<A>>;
type SftSettings = Exclude<Settings<unknown>["sft"], false>;
type RftSettings<A> = Exclude<Settings<A>["rft"], false>;

function withDefaults<A>({ sft = {}, rft = {}, ...options }: RiseR1Options<A>) {
  const { threshold = 0.75, microBatch, checkpointEvery = 50, keepCheckpoints, seed = 0, preflight, resume } = options;
  const settings = {
    ...{ threshold, microBatch, checkpointEvery, seed },
    sft: sft && {
      steps: 200,
      batchSize: 2,
      learningRate: 2e-5,
      lossType: "sequence" as const,
      epochs: undefined,
      ...given(sft),
    },
    rft: rft && {
      ...{ steps: 200, groupSize: 8, examplesPerStep: 2, learningRate: 2e-5, sampling: {} },
      grpo: grpoPresets["rise-paper"] as GrpoSettings,
      reward: answerReward as AnswerRewardFunction<A>,
      ...given(rft),
    },
  };
  checkCounts({ checkpointEvery, keepCheckpoints, microBatch });
  checkThreshold(threshold);
  checkFailureOptions(options);
  checkBooleans("riseR1", { preflight, resume });
  checkSeed("riseR1", seed);
  if (settings.sft) {
    const { batchSize, steps, epochs = 0, lossType } = settings.sft;
    checkCounts({ "sft.batchSize": batchSize });
    checkCounts({ "sft.steps": steps }, 0);
    if (sft && sft.steps !== undefined && sft.epochs !== undefined)
      throw new ConfigError("sft: expected steps or epochs, got both");
    checkNumber("riseR1", "sft.epochs to be at least 0", epochs, epochs >= 0 && Number.isFinite(epochs));
    checkChoice("sft.lossType", lossType, ["sequence", "token"]);
  }
  if (settings.rft) {
    const { groupSize, examplesPerStep, steps, learningRate, grpo, sampling, reward } = settings.rft;
    checkReward("rft.reward", reward);
    checkCounts({ "rft.groupSize": groupSize }, 2);
    checkCounts({ "rft.examplesPerStep": examplesPerStep, "rft.sampling.maxTokens": sampling.maxTokens });
    checkCounts({ "rft.steps": steps }, 0);
    checkSampling("rft.sampling", sampling);
    checkLearningRate("rft.learningRate", learningRate, steps);
    checkGrpo("rft.grpo", grpo, { groupSize, groups: examplesPerStep });
  }
  return settings;
}

/** What decides the run, for `config.json`. */
function describe<A>(
  { task, dataset, heldOut = [], cots }: RiseR1Options<A>,
  { sft, rft, ...settings }: Settings<A>,
  policy: object | string,
): object {
  const rate = ({ learningRate, steps }: { learningRate: LearningRate; steps: number }) => ({
    learningRate: describeLearningRate(learningRate, steps),
  });
  return {
    pipeline: "rise-r1",
    task: task.name,
    dataset: fingerprint(dataset),
    ...(heldOut.length > 0 && { heldOut: fingerprint(heldOut) }),
    prompts: promptsFingerprint([...dataset, ...heldOut].map((example) => task.answerPrompt(example))),
    cots: fingerprint(
      cots.map(({ exampleId, cot, reward, annotation }) => ({ id: exampleId, annotation: [cot, reward, annotation] })),
    ),
    policy,
    ...settings,
    // Epochs are known by the steps that they are.
    sft: sft && { ...sft, ...rate(sft), epochs: undefined },
    rft: rft && { ...rft, ...rate(rft), reward: rft.reward.name },
  };
}

const riseR1Names: Names<RiseR1Options<unknown>> = {
  task: true,
  dataset: true,
  cots: true,
  trainer: true,
  threshold: true,
  sft: { steps: true, epochs: true, batchSize: true, learningRate: true, lossType: true },
  rft: {
    steps: true,
    groupSize: true,
    examplesPerStep: true,
    learningRate: true,
    grpo: true,
    sampling: { ...samplingNames, maxTokens: true },
    reward: true,
  },
  microBatch: true,
  checkpointEvery: true,
  keepCheckpoints: true,
  heldOut: true,
  preflight: true,
  ...failureNames,
  onOmission: true,
  seed: true,
  runDir: true,
  resume: true,
  stop: true,
  signal: true,
};
