import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatThinkAnswer } from "../../src/checks/think-answer";
import {
  answerReward,
  paperReward,
  similarityOnly,
  strictReward,
  withoutFormatGate,
  withoutLeakGate,
} from "../../src/reward/paper";
import { referenceReward } from "../../src/reward/reference";
import { checkJudgement, type RewardFunction } from "../../src/reward/reward";
import { classification } from "../../src/tasks/classification";
import { detection } from "../../src/tasks/detection";
import type { Box, LabelDistribution } from "../../src/types";
import published from "../reference/reward/published.json";

const task = classification({ labels: ["anger", "joy"] });
const truth = { anger: 0.25, joy: 0.75 };
const prose = "Two children laugh in the sun.";
const leaky = "Two children laugh, so it is 0.75 likely to be good.";
const named = "Two children laugh with joy.";
const list = "- children\n- sun";
const right = "{'anger': 0.25, 'joy': 0.75}";
const near = "{'anger': 0.5, 'joy': 0.5}";
const broken = "mostly joy";
const nearSimilarity = task.similarity(truth, { anger: 0.5, joy: 0.5 });

const gated = { paperReward, strictReward, similarityOnly, withoutLeakGate, withoutFormatGate } satisfies Record<
  string,
  RewardFunction<LabelDistribution>
>;

/** The reward of a cot and its reconstruction, in the order of `gated`. */
const table: readonly (readonly [cot: string, reconstruction: string, ...rewards: readonly number[]])[] = [
  [prose, right, 1, 1, 1, 1, 1],
  [prose, near, nearSimilarity, nearSimilarity, nearSimilarity, nearSimilarity, nearSimilarity],
  [named, right, 1, 0, 1, 1, 1],
  [leaky, right, 0, 0, 1, 1, 0],
  [list, right, 0, 0, 1, 0, 1],
  ["", right, 0, 0, 1, 0, 1],
  [prose, broken, 0, 0, 0, 0, 0],
  [leaky, broken, 0, 0, 0, 0, 0],
];

describe("stage-1 rewards", () => {
  it.each(table.map(([cot, reconstruction, ...rewards]) => ({ cot, reconstruction, rewards })))(
    "$cot with $reconstruction",
    ({ cot, reconstruction, rewards }) => {
      const earned = Object.values(gated).map((reward) => reward(task, { truth, cot, reconstruction }).reward.reward);
      expect(earned).toEqual(rewards);
    },
  );

  it("say what had to be overlooked to read a reconstruction, and earn nothing for it where the task is strict", () => {
    const parts = { truth, cot: prose, reconstruction: '{"joy": 75%, "anger": 25%,}' };
    const overlooked = ["percentages", "trailing comma"];
    expect(paperReward(task, parts).reward).toMatchObject({ reward: 1, repairs: overlooked });
    expect(answerReward(task, { truth, text: formatThinkAnswer(prose, parts.reconstruction) }).reward).toMatchObject({
      reward: 1,
      repairs: overlooked,
    });
    const strict = classification({ labels: ["anger", "joy"], reading: "strict" });
    const { prediction, reward } = paperReward(strict, parts);
    expect([prediction, reward.reward, "repairs" in reward]).toEqual([null, 0, false]);
    expect(paperReward(strict, { ...parts, reconstruction: right }).reward.reward).toBe(1);
  });

  it("hand over what they were made of", () => {
    expect(paperReward(task, { truth, cot: leaky, reconstruction: near })).toEqual({
      prediction: { anger: 0.5, joy: 0.5 },
      reward: {
        reward: 0,
        similarity: nearSimilarity,
        leaks: [{ kind: "decimal", text: "0.75", start: 29, end: 33 }],
        format: { ok: true },
      },
    });
  });

  it("say why a bad completion earned nothing", () => {
    expect(paperReward(task, { truth, cot: prose, reconstruction: broken })).toEqual({
      prediction: null,
      reward: {
        reward: 0,
        similarity: 0,
        leaks: [],
        format: { ok: false, reason: "the reconstruction does not parse" },
      },
    });
    expect(paperReward(task, { truth, cot: "", reconstruction: broken }).reward.format).toEqual({
      ok: false,
      reason: "the cot is empty",
    });
  });

  it("never throw and stay in [0, 1], whatever the model wrote", () => {
    const text = fc.oneof(fc.string(), fc.constantFrom(prose, leaky, right, near, broken));
    fc.assert(
      fc.property(text, text, (cot, reconstruction) => {
        for (const reward of Object.values(gated)) {
          const value = reward(task, { truth, cot, reconstruction }).reward.reward;
          expect(value).toBeGreaterThanOrEqual(0);
          expect(value).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it("judge any task: a detection rollout", () => {
    const boxes: readonly Box[] = [{ space: "thousand", x: 0, y: 0, width: 100, height: 100 }];
    const parts = { truth: boxes, cot: "The mug stands on the left.", reconstruction: "[[0, 0, 100, 50]]" };
    expect(paperReward(detection({ target: "mug" }), parts).reward.reward).toBe(0.5);
  });
});

describe("answerReward", () => {
  const reward = (text: string) => answerReward(task, { truth, text }).reward;

  it("is the similarity of a well-formed answer, leaks or not", () => {
    expect(reward(formatThinkAnswer(prose, right)).reward).toBe(1);
    expect(reward(formatThinkAnswer(leaky, near)).reward).toBe(nearSimilarity);
    expect(reward(formatThinkAnswer(leaky, near)).leaks).toEqual([]);
  });

  it("allows newlines in both parts", () => {
    expect(reward(`<think>\nTwo children.\nThey laugh.\n</think>\n<answer>\n${right}\n</answer>`).reward).toBe(1);
  });

  it("is 0, with a reason, for anything else", () => {
    for (const text of [
      "",
      right,
      `<answer>${right}</answer>`,
      formatThinkAnswer("", right),
      formatThinkAnswer(prose, broken),
    ]) {
      expect(reward(text)).toMatchObject({ reward: 0, format: { ok: false, reason: expect.any(String) } });
    }
  });

  it("hands over the parsed answer", () => {
    expect(answerReward(task, { truth, text: formatThinkAnswer(prose, near) }).prediction).toEqual({
      anger: 0.5,
      joy: 0.5,
    });
  });
});

describe("referenceReward", () => {
  const reward = (cot: string, reconstruction: string) =>
    referenceReward(task, { truth, cot, reconstruction }).reward.reward;

  it("adds a point for a sum of 1 to the accuracy", () => {
    expect(reward(prose, right)).toBeCloseTo(2, 12);
    // KLD = ¼ ln ½ + ¾ ln 1.5 = 0.130812, MSE = 1/16
    expect(reward(prose, near)).toBeCloseTo(Math.exp(-0.5 * 0.13081203594113697 - 0.5 / 16) + 1, 12);
  });

  it("takes nine tenths of the accuracy for a decimal number in the cot, and nothing for an integer", () => {
    expect(reward(leaky, right)).toBeCloseTo(1.1, 12);
    expect(reward("There are 2 children laughing.", right)).toBeCloseTo(2, 12);
  });

  it("compares shapes by KLD and raw values by MSE, and lowers the added point as the sum leaves 1", () => {
    // MSE = (¼² + ¾²)/2
    expect(reward(prose, "{'anger': 0.5, 'joy': 1.5}")).toBeCloseTo(Math.exp(-0.5 * 0.3125) + Math.exp(-1), 12);
  });

  it.each(published.cases.map((one, n) => ({ n, ...one })))("has SciPy's figure in case $n", (one) => {
    const emotions = classification({ labels: Object.keys(one.truth) });
    const parts = { truth: one.truth, cot: prose, reconstruction: JSON.stringify(one.prediction) };
    expect(Math.abs(referenceReward(emotions, parts).reward.reward - one.reward)).toBeLessThan(1e-12);
  });

  it("gives a label that is not named, and one of 0, the same", () => {
    expect(reward(prose, "{'joy': 0.9}")).toBe(reward(prose, "{'anger': 0, 'joy': 0.9}"));
  });

  it("gives nothing for an answer that does not parse or has no mass", () => {
    expect(reward(prose, broken)).toBe(0);
    expect(reward(prose, "{'anger': 0, 'joy': 0}")).toBe(0);
  });
});

describe("checkJudgement", () => {
  const judged = { prediction: null, reward: { reward: 1, similarity: 1, leaks: [], format: { ok: true } as const } };
  const withTerms = (terms: unknown) => ({ ...judged, reward: { ...judged.reward, terms: terms as never } });

  it("passes a judgement with terms, whether they apply or not", () => {
    const whole = withTerms([
      { name: "brevity", value: 0.5, weight: 2 },
      { name: "style", value: null, weight: 1 },
    ]);
    expect(checkJudgement(whole, "mine")).toBe(whole);
  });

  it.each([["x"], [[null]], [[{ name: "a", value: 1 }]], [[{ value: 1, weight: 1 }]]])(
    "refuses %o as terms",
    (terms) => {
      expect(() => checkJudgement(withTerms(terms), "mine", " for example cat")).toThrow(
        /^reward "mine": expected \{.*terms: \{ name, value, weight \}\[\] \} \}.* got reward 1, .*, terms .* for example cat$/,
      );
    },
  );
});
