import { DataError } from "../errors";
import type { RunEvent } from "../events";
import { counted } from "../options/display";
import { readOptions } from "../options/spec";
import { deriveSeed } from "../rng";
import type { AnswerRollout, RatedCot } from "../rollouts";
import { jsonl } from "../runs/directory/files";
import { shuffledBatch } from "../runs/examples/batches";
import { createRunFailures, type OnSampled } from "../runs/examples/failures";
import { fingerprint, promptsFingerprint } from "../runs/examples/fingerprints";
import { describeLearningRate, type LearningRate } from "../runs/learning-rate";
import type { Run } from "../runs/run";
import { withSamplerCorrection } from "../runs/sampler-gap";
import type { InStep, Stage } from "../runs/stages";
import type { Trainer } from "../trainer";
import type { Example } from "../types";
import { decidingSettings, heldOutEvaluation, type Pipeline, pipelineRun, type RunResult } from "./pipeline";
import {
  type RftSettings,
  type RiseR1Options,
  type RiseR1Settings,
  readRiseR1Options,
  rftSpec,
  riseR1Spec,
  type SftSettings,
  sftSteps,
} from "./rise-r1-options";
import { createTokenState, rolloutStage, type TokenCount } from "./rollout-stage";
import { sampleAnswers } from "./sample";
import { imitation } from "./sft-step";

export type { RehearsalOptions, RehearsalRow, RftOptions, RiseR1Options, SftOptions } from "./rise-r1-options";

/** The result of stage 2. */
export interface RiseR1Result<A> extends OwnResult<A>, RunResult {}

interface OwnResult<A> {
  /** D_high, the cots that SFT learned from. */
  readonly kept: readonly RatedCot<A>[];
}

/** An event of stage 2. */
export type RiseR1Event<A> = RunEvent<AnswerRollout<A>, RiseR1Result<A>>;

/**
 * Stage 2: teaches the policy to annotate with reasons, `<think>R</think><answer>A</answer>` from the image alone.
 *
 * It first imitates D_high = {(I, R*, A) : r ≥ τ}, and then learns by GRPO on all examples with the reward of Eq. 9.
 *
 * @throws ConfigError, DataError before any compute is spent; TrainingError, CheckpointError
 * @example
 * await riseR1({ task, dataset, cots, trainer, runDir: "runs/r1" });
 * Source: RISE, stage 2, Eqs. 8–10.
 */
export function riseR1<A>(options: RiseR1Options<A>): Run<RiseR1Event<A>, RiseR1Result<A>> {
  return pipelineRun(() => {
    const { settings, kept } = readRiseR1Options(options);
    return {
      name: "riseR1",
      settings,
      build: (readable: RiseR1Settings<A>, { trainer }) => answerPipeline(readable, kept, trainer!),
      sum: (result) =>
        `learned from ${counted(result.kept.length, "cot")}${result.adapter ? `; the weights are in ${result.adapter}` : ""}`,
    };
  });
}

function answerPipeline<A>(
  readable: RiseR1Settings<A>,
  allKept: readonly RatedCot<A>[],
  trainer: Trainer,
): Pipeline<AnswerRollout<A>, OwnResult<A>> {
  const ids = new Set(readable.dataset.map(({ id }) => id));
  const kept = allKept.filter(({ exampleId }) => ids.has(exampleId));
  const { sft, rft } = readable;
  if (sft && kept.length === 0)
    throw new DataError(
      `sft: expected a cot whose image can be read, got none of ${allKept.length}; mend the images, or pass sft: false`,
    );
  const settings: RiseR1Settings<A> = {
    ...readable,
    sft: sft && { ...sft, steps: sftSteps(sft, kept.length) },
    rft: rft && { ...rft, grpo: withSamplerCorrection(rft.grpo, trainer) },
  };
  const state = createTokenState();
  const stages = [
    ...(settings.sft ? [imitation(settings, settings.sft, kept, trainer)] : []),
    ...(settings.rft ? [reinforcement(settings, settings.rft, state, trainer)] : []),
  ];
  const measure = measurement(settings, trainer);
  return {
    stages: stages.map((stage) => ({ ...stage, ...measure })),
    state,
    config: (steps) => configOf(withLengths(settings, steps), trainer),
    begin: (directory) => directory.write("cots.jsonl", () => jsonl(kept)),
    end: async () => ({ kept }),
  };
}

/** The same settings with other numbers of steps, by their names in `config.json`. */
const withLengths = <A>(settings: RiseR1Settings<A>, steps: ReadonlyMap<string, number>): RiseR1Settings<A> => ({
  ...settings,
  sft: settings.sft && { ...settings.sft, steps: steps.get("sft.steps") ?? settings.sft.steps },
  rft: settings.rft && { ...settings.rft, steps: steps.get("rft.steps") ?? settings.rft.steps },
});

function reinforcement<A>(
  settings: RiseR1Settings<A>,
  rft: RftSettings<A>,
  state: TokenCount,
  trainer: Trainer,
): Stage<AnswerRollout<A>> {
  const { task, dataset, seed, microBatch } = settings;
  const { steps, groupSize, examplesPerStep, learningRate, grpo, sampling, reward } = rft;
  const failures = createRunFailures("riseR1", settings);
  const draw = (examples: readonly Example<A>[], seeds: readonly (string | number)[], more: Drawing) =>
    sampleAnswers({
      task,
      reward,
      sampling,
      backend: trainer.sampler(),
      examples,
      groupSize,
      seed: deriveSeed(seed, "rft", ...seeds),
      ...more,
    });
  return rolloutStage({
    name: "rft",
    steps,
    setting: "rft.steps",
    rolloutsPerGroup: groupSize,
    rewardName: reward.name,
    tokens: state,
    failures,
    rollouts: examplesPerStep * groupSize,
    sample: (step, signal, at) => {
      const examples = shuffledBatch(dataset, step, examplesPerStep, deriveSeed(seed, "rft"));
      return draw(examples, [step], { signal, at, onSampled: failures.onSampled });
    },
    learning: { trainer, grpo, learningRate, microBatch, credit: "all" },
    trial: {
      backend: trainer.sampler(),
      examplesPerStep,
      demands: () =>
        dataset.map((example) => ({
          exampleId: example.id,
          prompt: task.answerPrompt(example),
          completionTokens: sampling.maxTokens,
        })),
      sample: (exampleId, signal) => {
        const examples = dataset.filter(({ id }) => id === exampleId);
        return draw(examples, ["preflight"], { signal });
      },
    },
  });
}

interface Drawing {
  readonly signal: AbortSignal;
  readonly onSampled?: OnSampled;
  readonly at?: InStep;
}

/** Measures the likeliest answer to each held-out example, rewarded as in reinforcement. */
function measurement<A>(
  settings: RiseR1Settings<A>,
  trainer: Trainer,
): Pick<Stage<AnswerRollout<A>>, "evaluate" | "heldOut"> {
  const { task, seed } = settings;
  const { reward, sampling } = settings.rft || (readOptions("riseR1", {}, rftSpec) as RftSettings<A>);
  return heldOutEvaluation("riseR1", settings, reward.name, (examples, held) =>
    sampleAnswers({
      task,
      reward,
      sampling: { ...sampling, temperature: 0 },
      backend: trainer.sampler(),
      examples,
      groupSize: 1,
      seed: deriveSeed(seed, "evaluation"),
      ...held,
    }),
  );
}

/** Rehearsed rows in `config.json`: their share, and a digest that tells them apart. */
function rehearsed({ rehearsal }: SftSettings) {
  if (!rehearsal) return undefined;
  const { rows, share } = rehearsal;
  const completions = rows.map(({ completion }, i) => ({ id: `${i}`, annotation: completion }));
  return { share, rows: fingerprint(completions), prompts: promptsFingerprint(rows.map(({ prompt }) => prompt)) };
}

function configOf<A>(settings: RiseR1Settings<A>, trainer: Trainer): object {
  const { task, dataset, heldOut, cots, sft, rft } = settings;
  const cotRows = cots.map(({ exampleId, cot, reward, annotation }) => ({
    id: exampleId,
    annotation: [cot, reward, annotation],
  }));
  const rate = (learningRate: LearningRate, steps: number) => ({
    learningRate: describeLearningRate(learningRate, steps),
  });
  return {
    pipeline: "rise-r1",
    ...decidingSettings(settings, riseR1Spec, { backend: trainer.sampler(), trainer }),
    cots: fingerprint(cotRows),
    // Epochs are known by their steps.
    sft: sft && { ...sft, ...rate(sft.learningRate, sft.steps), epochs: undefined, rehearsal: rehearsed(sft) },
    rft: rft && { ...rft, ...rate(rft.learningRate, rft.steps), reward: rft.reward.name },
    prompts: promptsFingerprint([...dataset, ...heldOut].map((example) => task.answerPrompt(example))),
  };
}
