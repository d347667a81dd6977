import { selectHighQuality } from "../cots/select";
import type { RunEvent } from "../events";
import { counted } from "../options/display";
import { deriveSeed } from "../rng";
import type { Rollout } from "../rollouts";
import { jsonl } from "../runs/directory/files";
import { idsOf, proveShard, shardOf } from "../runs/directory/shards";
import { orderedBatch, shuffledBatch } from "../runs/examples/batches";
import { createRunFailures, type FailedExample } from "../runs/examples/failures";
import { promptsFingerprint } from "../runs/examples/fingerprints";
import { describeLearningRate } from "../runs/learning-rate";
import type { Run } from "../runs/run";
import { withSamplerCorrection } from "../runs/sampler-gap";
import type { Stage } from "../runs/stages";
import type { Trainer } from "../trainer";
import { createCotState, type RiseCotRow, rememberFailures, rowOf } from "./best-cots";
import { type Context, cotTrial, rateImagesAlone, sampleGreedily, sampleStep } from "./cot-sampling";
import {
  decidingSettings,
  heldOutEvaluation,
  type Pipeline,
  type Policy,
  pipelineRun,
  type RunResult,
} from "./pipeline";
import {
  type RiseCotOptions,
  type RiseCotSettings,
  readRiseCotOptions,
  riseCotSpec,
  rolloutsPerGroup,
} from "./rise-cot-options";
import { rolloutStage, type StageTrial } from "./rollout-stage";

export type { RiseCotRow } from "./best-cots";
export type { RiseCotOptions } from "./rise-cot-options";

/** The result of stage 1: D_RISE, and what became of the policy. */
export interface RiseCotResult<A> extends OwnResult<A>, RunResult {}

interface OwnResult<A> {
  /** D_RISE = {(I, R*, A, r)}: the best rollout of every example that had one, in the order of the dataset. */
  readonly dataset: readonly RiseCotRow<A>[];
  /** Examples whose last sampling failed in whole or in part. */
  readonly failed: readonly FailedExample[];
  /** Rows with r ≥ τ. */
  readonly kept: readonly RiseCotRow<A>[];
}

/** An event of stage 1. */
export type RiseCotEvent<A> = RunEvent<Rollout<A>, RiseCotResult<A>>;

/**
 * Stage 1: learns to justify annotations so well that they can be reconstructed from the justification, and keeps the
 * best one for each.
 *
 * For (I, A): samples G cots from π(R | I, A), for each a reconstruction from π(Â | I, R), rewards the pair, and
 * improves both by GRPO. D_RISE is the best rollout of each example, in training or in a final pass with the trained
 * policy (ties: the shorter cot).
 *
 * @throws ConfigError, DataError before any compute is spent; TrainingError, CheckpointError
 * @example
 * const { dataset: cots } = await riseCot({ task, dataset, trainer, runDir: "runs/cot" });
 * Source: RISE, stage 1, Eqs. 1–7. Departure: each row records the similarity that the image alone earns.
 */
export function riseCot<A>(options: RiseCotOptions<A>): Run<RiseCotEvent<A>, RiseCotResult<A>> {
  return pipelineRun(() => {
    const whole = readRiseCotOptions(options);
    const settings = { ...whole, dataset: shardOf(whole.dataset, whole.shard) };
    return {
      name: "riseCot",
      settings,
      build: (readable: RiseCotSettings<A>, policy) => cotPipeline(readable, policy, whole),
      sum: ({ dataset, kept }) =>
        `${counted(dataset.length, "cot")}, ${kept.length} of them with a reward of at least ${settings.threshold}`,
    };
  });
}

/** @param whole the settings with the examples of all shards */
function cotPipeline<A>(
  readable: RiseCotSettings<A>,
  policy: Policy,
  whole: RiseCotSettings<A>,
): Pipeline<Rollout<A>, OwnResult<A>> {
  const { backend, trainer } = policy;
  const settings = trainer ? { ...readable, grpo: withSamplerCorrection(readable.grpo, trainer) } : readable;
  const state = createCotState();
  const failures = rememberFailures(createRunFailures("riseCot", settings), state);
  const context = { settings, backend, state, failures };
  return {
    stages: trainer
      ? [training(context, trainer), closing(context, settings.finalPass)]
      : [closing(context, true, cotTrial(context))],
    state,
    // All shards have one config, apart from their number.
    config: (steps) => configOf(whole.shard ? whole : settings, steps.get("steps") ?? settings.steps, policy),
    async end(directory) {
      const rows = settings.dataset.flatMap((example) => rowOf(example, state));
      if (rows.length === 0) failures.checkAny();
      await directory.write("cots.jsonl", () => jsonl(rows));
      const own = idsOf(shardOf(whole.dataset, whole.shard));
      await proveShard(whole, { all: idsOf(whole.dataset), own, rows: rows.map(({ exampleId }) => exampleId) });
      return {
        dataset: rows,
        failed: [...state.failed].map(([exampleId, message]) => ({ exampleId, message })),
        kept: selectHighQuality(rows, { threshold: settings.threshold }),
      };
    },
  };
}

function training<A>(context: Context<A>, trainer: Trainer): Stage<Rollout<A>> {
  const { settings, state, failures } = context;
  const { steps, dataset, examplesPerStep, seed, credit, grpo, learningRate, microBatch, reward } = settings;
  return rolloutStage({
    name: "train",
    steps,
    setting: "steps",
    rolloutsPerGroup: rolloutsPerGroup(settings),
    rewardName: reward.name,
    tokens: state,
    failures,
    rollouts: examplesPerStep * rolloutsPerGroup(settings),
    sample: (step, signal, at) =>
      sampleStep(context, "train", shuffledBatch(dataset, step, examplesPerStep, seed), step, signal, at),
    learning: { trainer, grpo, learningRate, microBatch, credit: credit === "both" ? "all" : "last" },
    trial: cotTrial(context),
    async afterStep(rollouts) {
      state.keepBest(rollouts, settings.sampling.reconstructionsPerCot);
      return {};
    },
    ...heldOutEvaluation("riseCot", settings, reward.name, (examples, held) => sampleGreedily(context, examples, held)),
  });
}

/**
 * One pass over all examples: new rollouts (the final pass), and for each row of D_RISE a reconstruction without its
 * cot.
 */
function closing<A>(context: Context<A>, hasRollouts: boolean, trial?: StageTrial<Rollout<A>>): Stage<Rollout<A>> {
  const { settings, state, failures } = context;
  const { dataset, examplesPerStep, reward } = settings;
  const examples = (step: number) => orderedBatch(dataset, step, examplesPerStep);
  return rolloutStage({
    name: "final",
    steps: Math.ceil(dataset.length / examplesPerStep),
    rolloutsPerGroup: rolloutsPerGroup(settings),
    rewardName: reward.name,
    tokens: state,
    failures,
    rollouts: hasRollouts ? examplesPerStep * rolloutsPerGroup(settings) : 0,
    sample: (step, signal, at) => sampleStep(context, "final", hasRollouts ? examples(step) : [], step, signal, at),
    trial,
    async afterStep(rollouts, step, signal) {
      state.keepBest(rollouts, settings.sampling.reconstructionsPerCot);
      const rated = examples(step).filter(({ id }) => state.best.has(id));
      return rated.length === 0
        ? {}
        : rateImagesAlone(context, rated, deriveSeed(settings.seed, "image-only", step), signal);
    },
  });
}

function configOf<A>(settings: RiseCotSettings<A>, steps: number, policy: Policy): object {
  const { task, dataset, heldOut, learningRate } = settings;
  const prompts = [...dataset, ...heldOut].flatMap((example) => [
    task.cotPrompt(example),
    task.reconstructionPrompt(example, ""),
  ]);
  return {
    pipeline: "rise-cot",
    ...decidingSettings(settings, riseCotSpec, policy),
    ...(policy.trainer && { steps, learningRate: describeLearningRate(learningRate, steps) }),
    prompts: promptsFingerprint(prompts),
  };
}
