import type { VlmBackend } from "../backend";
import { ConfigError } from "../errors";
import { type GrpoSettings, grpoPresets } from "../grpo/presets";
import { refuseIdle } from "../options/arguments";
import {
  callback,
  choice,
  count,
  flag,
  group,
  readArgument,
  readOptions,
  type Settings,
  specOf,
} from "../options/spec";
import { paperReward } from "../reward/paper";
import type { RewardFunction } from "../reward/reward";
import { shardOption } from "../runs/directory/shards";
import { type DisposableOption, disposableOption } from "../runs/disposable";
import { checkExamples, checkHeldOut } from "../runs/examples/check-examples";
import { checkLearningRate, type LearningRate, learningRateOption } from "../runs/learning-rate";
import { checkIdle, type RunOptions, runSpec } from "../runs/run-options";
import type { Trainer } from "../trainer";
import { checkGrpo, grpoOption } from "./grpo-step";
import { type RolloutSamplingOptions, rolloutSamplingSpec } from "./sampling-options";

/** Options of `riseCot`. */
export interface RiseCotOptions<A> extends RunOptions<A> {
  /** The policy to train. The run disposes of a policy that a function makes. */
  readonly trainer?: DisposableOption<Trainer>;
  /**
   * A model that cannot be trained: best-of-G with it as it is, the paper's Base-Model-CoT and GPT-4o-CoT (Table 3).
   */
  readonly backend?: DisposableOption<VlmBackend>;
  /** The reward of a rollout (paperReward). */
  readonly reward?: RewardFunction<A>;
  /** G, cots sampled for each example; at least 2 to train (8). */
  readonly groupSize?: number;
  /** Examples whose groups make up one update; the paper's batch is 1 times 2 (2). */
  readonly examplesPerStep?: number;
  /** Updates (200). */
  readonly steps?: number;
  /** Advantages and loss of GRPO (grpoPresets["rise-paper"]). */
  readonly grpo?: GrpoSettings;
  /** A constant or a schedule (2e-5). */
  readonly learningRate?: LearningRate;
  /** How rollouts are drawn, their lengths, and reconstructions a cot. */
  readonly sampling?: RolloutSamplingOptions;
  /** The tokens that learn: cot and reconstruction, or, as in the published code, the reconstruction alone ("both"). */
  readonly credit?: "both" | "reconstruction";
  /** Samples all examples once more with the trained policy (true). */
  readonly finalPass?: boolean;
  /**
   * With a backend: the part of the dataset that this process samples, such as `"3/16"` (all of it). Every part needs a
   * `runDir` of its own; `mergeShards` joins their cots.
   */
  readonly shard?: string;
}

/** An option that is marked `decides: "training"` decides only a run with a trainer. */
export const riseCotSpec = specOf<RiseCotOptions<unknown>>()(() => ({
  trainer: disposableOption("trainer", "backward")
    .optional()
    .describe("The policy to train. The run disposes of a policy that a function makes")
    .meta({ decides: false }),
  backend: disposableOption("backend", "generate")
    .optional()
    .describe(
      "A model that cannot be trained: best-of-G with it as it is, the paper's Base-Model-CoT and GPT-4o-CoT (Table 3)",
    )
    .meta({ decides: false }),
  reward: callback("a function, such as paperReward")
    .default(() => paperReward)
    .describe("The reward of a rollout"),
  groupSize: count().default(8).describe("G, cots sampled for each example; at least 2 to train"),
  examplesPerStep: count()
    .default(2)
    .describe("Examples whose groups make up one update; the paper's batch is 1 times 2"),
  steps: count(0).default(200).describe("Updates").meta({ decides: "training" }),
  grpo: grpoOption()
    .prefault(grpoPresets["rise-paper"])
    .describe("Advantages and loss of GRPO")
    .meta({ default: 'grpoPresets["rise-paper"]', decides: "training" }),
  learningRate: learningRateOption().default(2e-5).describe("A constant or a schedule").meta({ decides: "training" }),
  sampling: group(rolloutSamplingSpec()).describe("How rollouts are drawn, their lengths, and reconstructions a cot"),
  credit: choice(["both", "reconstruction"])
    .default("both")
    .describe("The tokens that learn: cot and reconstruction, or, as in the published code, the reconstruction alone")
    .meta({ decides: "training" }),
  finalPass: flag()
    .default(true)
    .describe("Samples all examples once more with the trained policy")
    .meta({ decides: "training" }),
  shard: shardOption().describe(
    'With a backend: the part of the dataset that this process samples, such as `"3/16"` (all of it). Every part needs a ' +
      "`runDir` of its own; `mergeShards` joins their cots",
  ),
  ...runSpec(),
}));

export type RiseCotSettings<A> = Settings<RiseCotOptions<A>, typeof riseCotSpec>;

/** Rollouts of each example: K for each of its G cots. */
export const rolloutsPerGroup = <A>({ groupSize, sampling }: RiseCotSettings<A>) =>
  groupSize * sampling.reconstructionsPerCot;

/** @throws ConfigError, DataError: everything that can be refused before a model is loaded */
export function readRiseCotOptions<A>(options: RiseCotOptions<A>): RiseCotSettings<A> {
  const settings = readOptions("riseCot", options, riseCotSpec);
  const { task, dataset, heldOut, trainer, backend, groupSize, examplesPerStep, learningRate, steps, shard } = settings;
  checkExamples(task, dataset);
  checkHeldOut(task, heldOut, dataset);
  if ((trainer === undefined) === (backend === undefined))
    throw new ConfigError(`riseCot: expected a trainer or a backend, got ${trainer ? "both" : "neither"}`);
  checkIdle("riseCot", options);
  if (trainer) {
    refuseIdle("riseCot", "beside a trainer, which learns from the whole dataset", { shard });
    readArgument("riseCot", "groupSize", groupSize, count(2));
    checkLearningRate("riseCot", "learningRate", learningRate, steps);
    checkGrpo(settings.grpo, { rolloutsPerGroup: rolloutsPerGroup(settings), groups: examplesPerStep });
  } else {
    const { steps, grpo, learningRate, credit, finalPass, microBatch } = options;
    const idle = { steps, grpo, learningRate, credit, finalPass, microBatch, heldOut };
    refuseIdle("riseCot", "beside a backend, which learns nothing", idle);
  }
  // The caller's lists may change while the run is under way.
  return { ...settings, dataset: [...dataset], heldOut: [...heldOut] };
}
