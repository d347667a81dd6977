import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { grpoAdvantages } from "../../../src/grpo/advantage/advantage";
import { penaliseKl } from "../../../src/grpo/loss/kl";
import { type GrpoLossType, grpoLoss } from "../../../src/grpo/loss/loss";
import { createRng, type Rng } from "../../../src/rng";
import { largestError } from "../../models/reference";
import { type Comparison, worst } from "../compare";
import type { Python } from "../python";

const tolerance = 1e-9;

/** TRL's GRPOTrainer and RLOOTrainer score batches drawn at random, with settings drawn at random; so does this library. */
export async function compareTrl(python: Python, scratch: string): Promise<Comparison[]> {
  const seed = Number(process.env.RISE_SEED ?? Date.now() % 2 ** 32);
  const cases = Array.from({ length: 400 }, (_, n) => randomCase(createRng(seed, "trl", n), n < 320 ? "grpo" : "rloo"));
  const file = join(scratch, "grpo.json");
  await writeFile(file, JSON.stringify(cases));
  const figures = JSON.parse(await python(fileURLToPath(new URL("live.py", import.meta.url)), file)) as Figures[];

  return (["grpo", "rloo"] as const).flatMap((trainer) =>
    (["advantages", "loss", "gradient", "entropyGradient"] as const).map((what) => {
      const differences = cases.flatMap((one, n) => {
        const place = `case ${n}: ${JSON.stringify(one.settings)}`;
        const theirs = figures[n]!;
        const ours = score(one, theirs.advantages);
        return one.trainer === trainer ? [[place, largestError(flat(ours[what]), flat(theirs[what]))] as const] : [];
      });
      const name = `TRL: ${trainer}, ${differences.length} random batches, ${what} (RISE_SEED=${seed})`;
      return { ...worst(name, new Map(differences)), tolerance };
    }),
  );
}

interface Figures {
  readonly advantages: readonly number[];
  readonly loss: number;
  readonly gradient: readonly ArrayLike<number>[];
  readonly entropyGradient: readonly ArrayLike<number>[];
}

type Case = ReturnType<typeof randomCase>;

/** Ragged rows, policies that have moved apart, masked and cut-off tokens, rewards that are missing or all equal. */
function randomCase(rng: Rng, trainer: "grpo" | "rloo") {
  const isGrpo = trainer === "grpo";
  const chance = (probability: number) => rng.uniform() < probability;
  const oneOf = <T>(...values: readonly T[]) => values[rng.integer(values.length)]!;
  const lossType = isGrpo
    ? oneOf<GrpoLossType>("grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo")
    : "rloo";
  const [groupSize, functions] = [2 + rng.integer(4), 1 + rng.integer(3)];
  const lengths = Array.from({ length: groupSize * (1 + rng.integer(3)) }, () => 1 + rng.integer(9));
  const rows = (value: () => number) => lengths.map((length) => Array.from({ length }, value));
  const logProbs = rows(() => -3 * rng.uniform());
  const near = (spread: number) => logProbs.map((row) => row.map((logProb) => logProb + spread * rng.normal()));
  const isCorrected = isGrpo && chance(0.4);
  const useOld = isCorrected || !isGrpo || chance(0.8);
  const settings = {
    lossType,
    groupSize,
    importanceLevel: lossType === "vespo" || chance(0.6) ? ("token" as const) : ("sequence" as const),
    useOld,
    epsilon: 0.1 + 0.2 * rng.uniform(),
    epsilonHigh: lossType === "cispo" ? 5 : 0.1 + 0.3 * rng.uniform(),
    delta: isGrpo && chance(0.3) ? 1.3 + rng.uniform() : null,
    beta: chance(0.5) ? 0.1 : 0,
    klImportanceWeight: chance(0.5),
    topEntropy: isGrpo && chance(0.4) ? 0.1 + 0.8 * rng.uniform() : 1,
    entropyCoefficient: isGrpo && chance(0.3) ? 0.02 : 0,
    offPolicyThreshold: isGrpo && chance(0.4) ? 0.1 * rng.normal() : null,
    sampler: isCorrected
      ? {
          level: lossType === "vespo" ? ("token" as const) : oneOf("token" as const, "sequence" as const),
          outside: oneOf("mask" as const, "truncate" as const),
          min: chance(0.5) ? 0.7 : 0,
          max: 1.2 + rng.uniform(),
        }
      : null,
    maskTruncated: chance(0.3),
    maxLength: 10,
    accumulationSteps: isGrpo ? oneOf(1, 3) : 1,
    // With more, TRL takes the old log-probs into account.
    stepsPerGeneration: isGrpo && useOld ? oneOf(1, 3) : 1,
    scale: oneOf("group" as const, "batch" as const, "none" as const),
    aggregation: isGrpo && chance(0.3) ? ("normalize_then_sum" as const) : ("sum_then_normalize" as const),
    weights: Array.from({ length: functions }, () => 0.1 + rng.uniform()),
    sapo: { temperaturePositive: 0.5 + rng.uniform(), temperatureNegative: 0.5 + rng.uniform() },
    vespo: {
      ...{ kPositive: 1 + 2 * rng.uniform(), lambdaPositive: 1 + 3 * rng.uniform() },
      ...{ kNegative: 1 + 2 * rng.uniform(), lambdaNegative: 1 + 3 * rng.uniform() },
    },
  };
  const equal = chance(0.2);
  return {
    trainer,
    settings,
    logProbs,
    oldLogProbs: near(0.3),
    refLogProbs: near(0.4),
    samplingLogProbs: near(0.3).map((row) => row.map((logProb) => (chance(0.1) ? null : logProb))),
    // TRL compares entropies with a threshold in float32.
    entropies: rows(() => Math.fround(3 * rng.uniform())),
    mask: rows(() => (isGrpo && chance(0.2) ? 0 : 1)),
    truncated: lengths.map(() => chance(0.2)),
    rewards: lengths.map(() => settings.weights.map(() => (chance(0.15) ? null : equal ? 0.5 : rng.uniform()))),
  };
}

/** This library's figures. The loss is given TRL's advantages, so that each figure is compared for itself. */
function score({ trainer, settings, rewards, ...batch }: Case, advantages: readonly number[]): Figures {
  const { groupSize, weights, scale, aggregation, sampler, useOld, topEntropy, accumulationSteps } = settings;
  const { truncated, samplingLogProbs, refLogProbs, oldLogProbs, ...given } = batch;
  const rows = {
    ...given,
    ...(settings.beta !== 0 && { refLogProbs }),
    ...(useOld && { oldLogProbs }),
    ...(settings.maskTruncated && { truncated }),
    samplingLogProbs: samplingLogProbs.map((row) => row.map((logProb) => logProb ?? Number.NaN)),
  };
  const tokens = batch.mask.flatMap((row, i) => (settings.maskTruncated && truncated[i] ? [] : row));
  const { loss, gradient, entropyGradient } = grpoLoss(
    { ...rows, advantages },
    {
      lossType: settings.lossType,
      ...(trainer === "grpo" && { importanceLevel: settings.importanceLevel }),
      clipEpsilon: settings.epsilon,
      clipEpsilonHigh: settings.epsilonHigh,
      ...(settings.delta !== null && { delta: settings.delta }),
      klCoefficient: trainer === "grpo" ? settings.beta : 0,
      klImportanceWeight: settings.klImportanceWeight,
      ...{ sapo: settings.sapo, vespo: settings.vespo },
      entropyCoefficient: settings.entropyCoefficient,
      corrections: {
        ...(topEntropy < 1 && { topEntropy }),
        ...(settings.offPolicyThreshold !== null && { offPolicyThreshold: settings.offPolicyThreshold }),
        ...(sampler && { sampler }),
      },
      maxLength: settings.maxLength,
      accumulationSteps,
      totalTokens: (Math.max(sum(tokens), 1) * accumulationSteps) / settings.stepsPerGeneration,
    },
  );
  const towardsEntropies = entropyGradient ?? batch.entropies.map((row) => row.map(() => 0));
  if (trainer === "grpo") {
    const isSummed = aggregation === "sum_then_normalize";
    const options = { groupSize, weights, aggregation, ...(isSummed && { scale }) };
    return {
      advantages: [...grpoAdvantages(rewards, options).advantages],
      loss,
      gradient,
      entropyGradient: towardsEntropies,
    };
  }
  const summed = rewards.map((row) =>
    row.every((r) => r === null) ? null : sum(row.map((r, k) => (r ?? 0) * weights[k]!)),
  );
  const masked = batch.mask.map((row, i) => row.map((m) => (settings.maskTruncated && truncated[i] ? 0 : m)));
  const sampled = { logProbs: oldLogProbs, refLogProbs, mask: masked };
  const penalised = settings.beta === 0 ? summed : penaliseKl(summed, sampled, settings.beta);
  const options = { groupSize, baseline: "leaveOneOut", scale: "none" } as const;
  // The ratio of no tokens is 1: a constant, which TRL counts.
  const empty = sum(masked.map((row, i) => (sum(row) === 0 ? -advantages[i]! / masked.length : 0)));
  const compared = [...grpoAdvantages(penalised, options).advantages];
  return { advantages: compared, loss: loss + empty, gradient, entropyGradient: towardsEntropies };
}

const flat = (values: Figures[keyof Figures]): number[] =>
  typeof values === "number" ? [values] : values.flatMap((row) => (typeof row === "number" ? row : Array.from(row)));
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
