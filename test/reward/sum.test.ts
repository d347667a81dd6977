import { describe, expect, it } from "vitest";
import { ConfigError, TrainingError } from "../../src/errors";
import { answerReward, paperReward } from "../../src/reward/paper";
import type { RolloutParts } from "../../src/reward/reward";
import { sumRewards } from "../../src/reward/sum";
import { rolloutMetrics } from "../../src/runs/step-metrics";
import { classification } from "../../src/tasks/classification";
import type { LabelDistribution } from "../../src/types";
import { cotRun, cotTrainer } from "../rise/world";

type Parts = RolloutParts<LabelDistribution>;

const task = classification({ labels: ["joy", "sadness"] });
const parts: Parts = {
  truth: { joy: 1, sadness: 0 },
  cot: "People are smiling in bright sunlight.",
  reconstruction: "{'joy': 1, 'sadness': 0}",
};
const words = ({ cot }: Pick<Parts, "cot">) => cot.split(" ").length;

describe("a sum of rewards", () => {
  it("is the judge's reward, and the weighted rewards of one's own that apply", async () => {
    const reward = sumRewards(paperReward<LabelDistribution>, {
      words: { reward: (_, { cot }) => words({ cot }), weight: 0.1 },
      slow: { reward: async () => -0.25 },
      silent: { reward: () => null, weight: 9 },
    });
    const { prediction, reward: earned } = await reward(task, parts);
    expect(prediction).toEqual(parts.truth);
    expect(earned.reward).toBeCloseTo(1 + 0.1 * 6 - 0.25, 15);
    expect(earned).toMatchObject({ similarity: 1, leaks: [], format: { ok: true } });
    expect(earned.terms).toEqual([
      { name: "paperReward", value: 1, weight: 1 },
      { name: "words", value: 6, weight: 0.1 },
      { name: "slow", value: -0.25, weight: 1 },
      { name: "silent", value: null, weight: 9 },
    ]);
  });

  it("goes by what it is made of, and judges answers as well", async () => {
    const reward = sumRewards(answerReward<LabelDistribution>, { one: { reward: () => 1, weight: 0.5 } });
    expect(reward.name).toBe("answerReward + 0.5 one");
    const text = "<think>So.</think><answer>{'joy': 1, 'sadness': 0}</answer>";
    expect((await reward(task, { truth: parts.truth, text })).reward.reward).toBe(1.5);
  });

  it("refuses a reward that is not a number, by name, and impossible weights and names", async () => {
    const broken = sumRewards(paperReward<LabelDistribution>, { broken: { reward: () => Number.NaN } });
    await expect(broken(task, parts)).rejects.toThrow(TrainingError);
    await expect(broken(task, parts)).rejects.toThrow('reward "broken": expected a finite number');
    const one = { reward: () => 1 };
    expect(() => sumRewards(paperReward, { one: { ...one, weight: Number.NaN } })).toThrow(
      'sumRewards, "one": expected weight to be a finite number, got NaN',
    );
    expect(() => sumRewards(paperReward, { paperReward: one })).toThrow(ConfigError);
  });

  it.each([
    [() => 1, "expected its options to be an object"],
    [null, "expected its options to be an object, got null"],
    [undefined, "expected its options to be an object, got undefined"],
    [{}, "expected reward to be a function, got nothing"],
    [{ reward: () => 1, wieght: 2 }, 'unknown option "wieght"; did you mean "weight"?'],
  ])("refuses %o as a term, by its name", (term, message) => {
    expect(() => sumRewards(paperReward, { one: term as never })).toThrow(`sumRewards, "one": ${message}`);
  });

  it("names a judge that gives no judgement", async () => {
    for (const judgement of [undefined, { prediction: null }]) {
      const silent = async () => judgement as never;
      await expect(sumRewards(silent, { one: { reward: () => 1 } })(task, parts)).rejects.toThrow(
        'reward "silent": expected { prediction, reward: { reward, similarity, leaks, format } } with finite numbers, got ',
      );
    }
  });
});

describe("a run with several rewards", () => {
  it("has a mean for each", async () => {
    const reward = sumRewards(paperReward<LabelDistribution>, { brevity: { reward: (_, part) => 1 / words(part) } });
    const { metrics } = await cotRun({ trainer: cotTrainer(), reward, steps: 1 });
    expect(metrics[0]).toMatchObject({
      "rewards/paperReward/mean": expect.any(Number),
      "rewards/brevity/mean": expect.any(Number),
    });
    const { reward: sum, "rewards/paperReward/mean": judged, "rewards/brevity/mean": brevity } = metrics[0]!;
    expect(sum).toBeCloseTo(Number(judged) + Number(brevity), 12);
  });

  it("takes the mean over the rollouts to which a term applies", () => {
    const earned = (value: number | null) => ({
      ...{ rollout: "", truth: "", segments: [] },
      reward: {
        ...{ reward: 0, similarity: 0, leaks: [], format: { ok: true } as const },
        terms: [{ name: "brevity", value, weight: 1 }],
      },
    });
    expect(rolloutMetrics([earned(0.5), earned(null), earned(1)], "sum")).toMatchObject({
      "rewards/brevity/mean": 0.75,
      "rewards/brevity/std": Math.SQRT1_2 / 2,
    });
  });
});
