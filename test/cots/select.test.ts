import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bestRollout, type FilterOptions, selectHighQuality } from "../../src/cots/select";
import { ConfigError } from "../../src/errors";
import type { Rollout } from "../../src/rollouts";

const rows = (...rewards: number[]) => rewards.map((reward, i) => ({ id: i, reward }));
const rewardsOf = (kept: readonly { readonly reward: number }[]) => kept.map(({ reward }) => reward);

describe("selectHighQuality", () => {
  it("keeps rewards of 0.75 and more, in their order", () => {
    expect(rewardsOf(selectHighQuality(rows(0.9, 0.74, 0.75, 1, 0)))).toEqual([0.9, 0.75, 1]);
  });

  it("keeps fewer rows the higher the threshold, and always the best", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true })),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (rewards, threshold) => {
          const all = rows(...rewards);
          const kept = selectHighQuality(all, { threshold });
          expect(kept).toEqual(all.filter(({ reward }) => reward >= threshold));
          expect(selectHighQuality(all, { threshold: threshold + 0.1 }).length).toBeLessThanOrEqual(kept.length);
        },
      ),
    );
  });

  it("keeps a share of the rows, rounded up, or a number of them", () => {
    expect(rewardsOf(selectHighQuality(rows(0.1, 0.4, 0.3, 0.2), { fraction: 0.5 }))).toEqual([0.4, 0.3]);
    expect(rewardsOf(selectHighQuality(rows(0.1, 0.4, 0.3), { fraction: 0.5 }))).toEqual([0.4, 0.3]);
    expect(selectHighQuality(rows(...Array<number>(100).fill(0)), { fraction: 0.07 })).toHaveLength(7);
    expect(rewardsOf(selectHighQuality(rows(0.1, 0.4, 0.3), { topK: 1 }))).toEqual([0.4]);
    expect(selectHighQuality(rows(0.1, 0.4), { topK: 5 })).toHaveLength(2);
  });

  it("holds a threshold as well when both are given", () => {
    expect(rewardsOf(selectHighQuality(rows(0.1, 0.4, 0.9), { topK: 2, threshold: 0.5 }))).toEqual([0.9]);
  });

  it("takes the earlier of two equal rows", () => {
    expect(selectHighQuality(rows(0.5, 0.5, 0.5), { topK: 2 }).map(({ id }) => id)).toEqual([0, 1]);
  });

  it("counts a row as often as the list has it", () => {
    const [good, bad] = rows(0.9, 0.1);
    expect(selectHighQuality([good!, bad!, good!, good!], { topK: 2 })).toEqual([good, good]);
    expect(selectHighQuality([good!, good!, good!, bad!], { fraction: 0.5 })).toEqual([good, good]);
    expect(selectHighQuality([bad!, good!, good!])).toEqual([good, good]);
  });

  it("keeps a row of the smallest share, since it is rounded up", () => {
    expect(rewardsOf(selectHighQuality(rows(0.1, 0.4), { fraction: 1e-12 }))).toEqual([0.4]);
    expect(selectHighQuality([], { fraction: 1e-12 })).toEqual([]);
  });

  it("never keeps a reward that is not a number", () => {
    expect(selectHighQuality(rows(Number.NaN, 0.8))).toHaveLength(1);
    expect(selectHighQuality(rows(Number.NaN, 0.8), { fraction: 1 })).toHaveLength(1);
  });

  it.each([
    [{ fraction: 0.5, topK: 1 }, /expected fraction or topK, got both/],
    [{ fraction: 0 }, /fraction/],
    [{ fraction: 1.1 }, /fraction/],
    [{ topK: 1.5 }, /topK/],
    [{ topK: 0 }, /topK/],
    [{ threshold: Number.NaN }, /got NaN/],
    [{ threshold: "0.5" }, /to be a number, got "0\.5"/],
    [{ fraction: "0.5" }, /expected fraction to be in \(0, 1\], got "0\.5"/],
    [{ topK: "1" }, /expected topK to be a whole number of at least 1, got "1"/],
  ])("refuses %j", (options, message) => {
    expect(() => selectHighQuality(rows(1), options as FilterOptions)).toThrow(ConfigError);
    expect(() => selectHighQuality(rows(1), options as FilterOptions)).toThrow(message);
  });
});

describe("bestRollout", () => {
  const rollout = (index: number, reward: number, cot: string): Rollout<string> => ({
    exampleId: "e",
    index,
    cot: { text: cot, finishReason: "stop" },
    reconstruction: { text: "", finishReason: "stop" },
    prediction: null,
    reward: { reward, similarity: reward, leaks: [], format: { ok: true } },
  });

  it("is the one with the highest reward", () => {
    expect(bestRollout([rollout(0, 0.2, "a"), rollout(1, 0.9, "long"), rollout(2, 0.5, "b")]).index).toBe(1);
  });

  it("is not one whose reward is NaN, wherever it stands", () => {
    expect(bestRollout([rollout(0, Number.NaN, "a"), rollout(1, -1, "b")]).index).toBe(1);
    expect(bestRollout([rollout(0, -1, "b"), rollout(1, Number.NaN, "a")]).index).toBe(0);
  });

  it("is the shorter cot between equals, then the earlier", () => {
    expect(bestRollout([rollout(0, 0.9, "longer"), rollout(1, 0.9, "short"), rollout(2, 0.9, "other")]).index).toBe(1);
  });

  it("does not exist in an empty group", () => {
    expect(() => bestRollout([])).toThrow(ConfigError);
  });
});
