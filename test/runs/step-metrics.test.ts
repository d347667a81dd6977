import { describe, expect, it } from "vitest";
import { imagePrompt } from "../../src/prompts/template";
import type { Sampled } from "../../src/rollouts";
import { rolloutMetrics } from "../../src/runs/step-metrics";

const prompt = imagePrompt("cat.png", "What is this?");
const rollout = (...texts: readonly string[]): Sampled<null> => ({
  rollout: null,
  reward: { reward: 1, similarity: 1, leaks: [], format: { ok: true } },
  truth: null,
  segments: texts.map((text) => ({ prompt, completion: { text, finishReason: "stop" } })),
});
const repetition = (...sampled: readonly Sampled<null>[]) => rolloutMetrics(sampled, "reward")["rise/repetition"];

describe("rise/repetition", () => {
  it("is the share of four-word sequences that were there before in the same text", () => {
    // a b c d | b c d a | c d a b | d a b c | a b c d
    expect(repetition(rollout("a b c d a b c d"))).toBe(1 / 5);
    expect(repetition(rollout("so so so so so so so"))).toBe(3 / 4);
    expect(repetition(rollout("a b c d a b c d"), rollout("one two three four"))).toBe(1 / 10);
  });

  it("is 0 of short texts, and of a reconstruction that says what the cot said", () => {
    expect(repetition(rollout("a b c", ""))).toBe(0);
    expect(repetition(rollout("a calm lake at dawn", "a calm lake at dawn"))).toBe(0);
  });
});

describe("rise/repair_rate", () => {
  it("is the share of rollouts whose prediction was read by overlooking something", () => {
    const plain = rollout("a joyful scene");
    const repaired = { ...plain, reward: { ...plain.reward, repairs: ["quotes", "percentages"] } };
    expect(rolloutMetrics([plain, repaired, plain, plain], "reward")["rise/repair_rate"]).toBe(1 / 4);
  });
});

describe("completions/…", () => {
  /** A rollout whose segments have this many tokens; the last one ends as it says. */
  const sized = (tokens: readonly number[], finishReason: "stop" | "length" = "stop"): Sampled<null> => ({
    ...rollout(),
    segments: tokens.map((count, i) => ({
      prompt,
      completion: {
        text: "a lake",
        tokenIds: new Array<number>(count).fill(7),
        finishReason: i === tokens.length - 1 ? finishReason : "stop",
      },
    })),
  });
  const completions = (...sampled: readonly Sampled<null>[]) =>
    Object.fromEntries(
      Object.entries(rolloutMetrics(sampled, "reward")).filter(([name]) => name.startsWith("completions/")),
    );

  it("are tokens of whole rollouts: 5, 8 cut off and 2", () => {
    expect(completions(sized([3, 2]), sized([4, 4], "length"), sized([1, 1]))).toEqual({
      "completions/clipped_ratio": 1 / 3,
      "completions/mean_length": 5,
      "completions/min_length": 2,
      "completions/max_length": 8,
      "completions/mean_terminated_length": 3.5,
      "completions/min_terminated_length": 2,
      "completions/max_terminated_length": 5,
    });
  });

  it("have terminated lengths of 0 where every rollout is cut off", () => {
    expect(completions(sized([6], "length"))).toMatchObject({
      "completions/clipped_ratio": 1,
      "completions/mean_length": 6,
      "completions/mean_terminated_length": 0,
      "completions/min_terminated_length": 0,
      "completions/max_terminated_length": 0,
    });
  });

  it("have no lengths where the tokens of one rollout are not known", () => {
    expect(completions(sized([6]), rollout("a lake"))).toEqual({ "completions/clipped_ratio": 0 });
  });
});

describe("the means of a step", () => {
  it("are over rollouts, whatever each earned", () => {
    const good = rollout("a joyful scene");
    const bad: Sampled<null> = {
      ...good,
      reward: {
        ...{ reward: 0, similarity: 0.5, format: { ok: false, reason: "it is empty" } },
        leaks: [{ kind: "digits", text: "1", start: 0, end: 1 }],
      },
    };
    expect(rolloutMetrics([good, bad, bad, bad], "paperReward")).toMatchObject({
      reward: 1 / 4,
      "rewards/paperReward/mean": 1 / 4,
      "rewards/paperReward/std": 1 / 2,
      "rise/similarity": 2.5 / 4,
      "rise/leak_rate": 3 / 4,
      "rise/format_rate": 1 / 4,
    });
  });
});
