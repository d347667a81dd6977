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
