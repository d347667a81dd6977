import { grpoAdvantages } from "../../../src/grpo/advantage/advantage";
import { gaeAdvantages } from "../../../src/grpo/advantage/gae";
import { type KlEstimatorName, klEstimators } from "../../../src/grpo/loss/kl";
import { type GrpoLossOptions, type GrpoLossType, grpoLoss } from "../../../src/grpo/loss/loss";
import { grpoPresets, verlEstimators } from "../../../src/grpo/presets";
import type { Rng } from "../../../src/rng";

type Rows = readonly ArrayLike<number>[];
type Table = readonly (readonly number[])[];

/** verl's figures for a case under one name: advantages of tokens; a loss; or values; with the gradient by log-probs. */
export type Figure =
  | Rows
  | { readonly loss: number; readonly gradient: Rows }
  | { readonly values: Rows; readonly gradient: Rows };

/** verl's names of the settings that losses read; those with a dot belong to `policy_loss`. Absent: verl's defaults. */
interface LossConfig {
  readonly clip_ratio_low?: number;
  readonly clip_ratio_high?: number;
  readonly clip_ratio_c?: number;
  readonly loss_agg_mode?: string;
  readonly loss_scale_factor?: number;
  readonly tau_pos?: number;
  readonly tau_neg?: number;
  readonly "policy_loss.dro_beta": number;
  readonly "policy_loss.clip_cov_ratio": number;
  readonly "policy_loss.clip_cov_lb": number;
  readonly "policy_loss.clip_cov_ub": number;
  readonly "policy_loss.kl_cov_ratio"?: number;
  readonly "policy_loss.ppo_kl_coef"?: number;
}

/** verl's names, and rows that both compute with. */
export type VerlCase = { readonly names: readonly string[] } & (
  | {
      readonly kind: "advantages";
      readonly mask: Table;
      readonly groups: readonly number[];
      readonly rewards: readonly number[];
      readonly greedyRewards: readonly number[];
      readonly rewardsPerFunction: Table;
      readonly weights: readonly number[];
      readonly tokenRewards: Table;
      readonly values: Table;
      readonly gamma: number;
      readonly lambda: number;
    }
  | {
      readonly kind: "loss";
      readonly mask: Table;
      readonly logProbs: Table;
      readonly oldLogProbs: Table;
      readonly advantages: Table;
      readonly config: LossConfig;
    }
  | { readonly kind: "kl"; readonly logProbs: Table; readonly refLogProbs: Table }
);

const lossNames: { readonly [name: string]: GrpoLossType } = {
  vanilla: "bnpo",
  dppo_tv: "dppo_tv",
  dppo_kl: "dppo_kl",
  gspo: "gspo",
  sapo: "sapo",
  gpg: "gpg",
  clip_cov: "clip_cov",
  kl_cov: "kl_cov",
  geo_mean: "geo_mean",
  dro: "dro",
  cispo: "cispo_verl",
};
const klNames: { readonly [name: string]: KlEstimatorName } = {
  ...{ kl: "k1", k1: "k1", abs: "abs", mse: "k2", k2: "k2", low_var_kl: "clampedK3", k3: "clampedK3" },
  ...{ "k1+": "k1+", "abs+": "abs+", "k2+": "k2", "k3+": "k3+" },
};
const aggregationNames = {
  "token-mean": "tokenMean",
  "token-sum": "tokenSum",
  "seq-mean-token-sum": "sequenceSum",
  "seq-mean-token-sum-norm": "fixedLength",
  "seq-mean-token-mean": "sequenceMean",
} as const;

/** Ragged rows, some empty or masked throughout, masks with gaps, a single row, policies that are near or far apart. */
export function verlCases(rng: Rng, count: number): VerlCase[] {
  return Array.from({ length: count }, (_, n) =>
    n % 3 === 0 ? advantageCase(rng) : n % 3 === 1 ? lossCase(rng) : klCase(rng),
  );
}

const round = (x: number) => Number(x.toPrecision(12));
const rowsLike = (rows: readonly { readonly length: number }[], value: (i: number) => number): number[][] =>
  rows.map(({ length }, i) => Array.from({ length }, () => round(value(i))));

/** At least two tokens count: verl refuses fewer, or divides 0 by 0. */
function randomMask(rng: Rng): number[][] {
  const sequences = rng.uniform() < 0.2 ? 1 : 2 + rng.integer(6);
  const mask = Array.from({ length: sequences }, () => {
    const isMasked = rng.uniform() < 0.15;
    return Array.from({ length: rng.integer(8) }, () => (isMasked || rng.uniform() < 0.25 ? 0 : 1));
  });
  mask[0] = [1, 0, 1, ...mask[0]!];
  return mask;
}

function advantageCase(rng: Rng): VerlCase {
  const mask = randomMask(rng);
  const groups = mask.map(() => rng.integer(3));
  const equal = rng.uniform() < 0.3;
  // verl's reward of a completion is its tokens': one that has none earns 0.
  const rewards = mask.map((row) => (row.includes(1) ? (equal ? 0.5 : round(rng.normal())) : 0));
  const functions = 1 + rng.integer(3);
  const hasPairs = groups.every((group, i) => groups.some((other, k) => other === group && k !== i));
  return {
    kind: "advantages",
    names: [
      ...Object.keys(verlEstimators).filter((name) => name !== "grpo_passk" || (hasPairs && !equal)),
      ...["remax", "gae", "reinforce_plus_plus_tokens", "gdpo_parts"],
    ],
    ...{ mask, groups, rewards },
    greedyRewards: rewards.map(() => round(rng.uniform())),
    rewardsPerFunction: mask.map(() => Array.from({ length: functions }, () => (equal ? 0.5 : round(rng.uniform())))),
    weights: Array.from({ length: functions }, () => round(0.1 + rng.uniform())),
    tokenRewards: rowsLike(mask, () => rng.normal()),
    values: rowsLike(mask, () => rng.normal()),
    ...{ gamma: round(0.5 + 0.5 * rng.uniform()), lambda: round(rng.uniform()) },
  };
}

function lossCase(rng: Rng): VerlCase {
  const mask = randomMask(rng);
  const spread = [0, 0.1, 0.5, 3, 15][rng.integer(5)]!;
  const logProbs = rowsLike(mask, () => -1e-3 - (spread > 1 ? 30 : 3) * rng.uniform());
  const oldLogProbs = logProbs.map((row) => row.map((x) => round(Math.min(x + spread * rng.normal(), -1e-3))));
  const ofTokens = rng.uniform() < 0.3;
  const each = mask.map(() => (rng.uniform() < 0.1 ? 0 : round(rng.normal())));
  const advantages = rowsLike(mask, (i) => (ofTokens ? rng.normal() : each[i]!));
  const high = round(0.05 + 0.4 * rng.uniform());
  const changes = {
    clip_ratio_low: round(0.05 + 0.4 * rng.uniform()),
    clip_ratio_high: high,
    clip_ratio_c: round(1 + high + 3 * rng.uniform()),
    loss_agg_mode: Object.keys(aggregationNames)[rng.integer(5)]!,
    ...(rng.uniform() < 0.5 && { loss_scale_factor: 11 }),
    tau_pos: round(0.5 + rng.uniform()),
    tau_neg: round(0.5 + rng.uniform()),
    "policy_loss.kl_cov_ratio": round(0.05 + 0.5 * rng.uniform()),
    "policy_loss.ppo_kl_coef": round(rng.uniform()),
  };
  const config = {
    ...(rng.uniform() < 0.7 && changes),
    "policy_loss.dro_beta": round(0.05 + rng.uniform()),
    // So high a share takes every candidate, whatever the seed.
    ...{ "policy_loss.clip_cov_ratio": 1, "policy_loss.clip_cov_lb": 0.1, "policy_loss.clip_cov_ub": 2 },
  };
  // Equal advantages give a covariance of 0, and kl_cov's choice among equals is torch's.
  const learned = new Set(advantages.flatMap((row, i) => row.filter((_, t) => mask[i]![t] === 1)));
  const names = Object.keys(lossNames).filter((name) => name !== "kl_cov" || learned.size > 1);
  return { kind: "loss", names, mask, logProbs, oldLogProbs, advantages, config };
}

function klCase(rng: Rng): VerlCase {
  const logProbs = rowsLike(randomMask(rng), () => -3 * rng.uniform());
  const spread = [0.1, 1, 20][rng.integer(3)]!;
  const refLogProbs = logProbs.map((row) => row.map((x) => round(x + spread * rng.normal())));
  return { kind: "kl", names: Object.keys(klNames), logProbs, refLogProbs };
}

/** This library's figures. */
export function ourFigure(one: VerlCase, name: string): Figure {
  if (one.kind === "advantages") return ourAdvantages(one, name);
  if (one.kind === "loss") return grpoLoss(one, lossOptions(one, name));
  const estimate = klEstimators[klNames[name]!];
  const estimates = one.logProbs.map((row, i) => row.map((x, t) => estimate(one.refLogProbs[i]![t]! - x)));
  return {
    values: estimates.map((row) => row.map(({ value }) => value)),
    gradient: estimates.map((row) => row.map(({ dLogProb }) => dLogProb)),
  };
}

/** The preset, another loss, and what verl is told besides. */
function lossOptions({ mask, config }: VerlCase & { readonly kind: "loss" }, name: string): GrpoLossOptions {
  const mode = aggregationNames[(config.loss_agg_mode ?? "token-mean") as keyof typeof aggregationNames];
  const followsMode = name !== "sapo" && name !== "geo_mean" && config.loss_agg_mode !== undefined;
  return {
    ...grpoPresets.verl.loss,
    lossType: lossNames[name]!,
    clipEpsilon: config.clip_ratio_low ?? 0.2,
    clipEpsilonHigh: config.clip_ratio_high ?? 0.2,
    ...(config.clip_ratio_c !== undefined && { delta: config.clip_ratio_c }),
    ...(followsMode && { aggregation: mode }),
    maxLength: config.loss_scale_factor ?? Math.max(...mask.map((row) => row.length)),
    ...(config.tau_pos &&
      config.tau_neg && { sapo: { temperaturePositive: config.tau_pos, temperatureNegative: config.tau_neg } }),
    dro: { beta: config["policy_loss.dro_beta"] },
    covariance:
      name === "kl_cov"
        ? { share: config["policy_loss.kl_cov_ratio"] ?? 2e-4, coefficient: config["policy_loss.ppo_kl_coef"] ?? 0.1 }
        : {
            share: config["policy_loss.clip_cov_ratio"],
            above: config["policy_loss.clip_cov_lb"],
            below: config["policy_loss.clip_cov_ub"],
          },
  };
}

function ourAdvantages(one: VerlCase & { readonly kind: "advantages" }, name: string): Rows {
  const { mask, groups, rewards, gamma, lambda } = one;
  const lengths = mask.map((row) => row.filter((m) => m === 1).length);
  const ofTokens = (advantages: ArrayLike<number>) => mask.map((row, i) => row.map(() => advantages[i]!));
  if (name === "gae") return gaeAdvantages(one.tokenRewards, { mask, values: one.values, gamma, lambda });
  if (name === "reinforce_plus_plus_tokens") return gaeAdvantages(one.tokenRewards, { mask, gamma });
  if (name === "remax")
    return ofTokens(grpoAdvantages(rewards, { baseline: one.greedyRewards, scale: "none" }).advantages);
  if (name === "gdpo" || name === "gdpo_parts") {
    const options = { ...verlEstimators.gdpo, groups, lengths, weights: one.weights };
    return ofTokens(grpoAdvantages(one.rewardsPerFunction, options).advantages);
  }
  const options = verlEstimators[name as keyof typeof verlEstimators];
  return ofTokens(grpoAdvantages(rewards, { ...options, groups, lengths }).advantages);
}
