import { describe, expect, it } from "vitest";
import { ConfigError, ShapeError } from "../../../src/errors";
import { grpoAdvantages } from "../../../src/grpo/advantage/advantage";
import { createRng } from "../../../src/rng";
import peers from "../../reference/grpo/grpo-peers.json";

const random = (count: number, seed = 1) => {
  const rng = createRng(seed, "rewards");
  return Array.from({ length: count }, () => rng.uniform());
};

const expectClose = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-9) => {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    expect(Math.abs(actual[i]! - expected[i]!), `at ${i}`).toBeLessThanOrEqual(tolerance);
  }
};

describe("advantages obey", () => {
  it("they sum to zero in every group, however they are scaled", () => {
    for (const scale of ["group", "batch", "none"] as const) {
      const { advantages } = grpoAdvantages(random(24), { groupSize: 6, scale });
      for (let start = 0; start < 24; start += 6) {
        const sum = advantages.subarray(start, start + 6).reduce((a, b) => a + b, 0);
        expect(Math.abs(sum)).toBeLessThan(1e-12);
      }
    }
  });

  it("a constant added to all rewards of a group changes nothing", () => {
    const rewards = random(8);
    const shifted = rewards.map((reward, i) => reward + (i < 4 ? 3 : -5));
    for (const scale of ["group", "none"] as const) {
      const options = { groupSize: 4, scale };
      expectClose(grpoAdvantages(shifted, options).advantages, grpoAdvantages(rewards, options).advantages, 1e-12);
    }
  });

  it("members of a group may trade places", () => {
    const rewards = random(5);
    const forwards = grpoAdvantages(rewards).advantages;
    const backwards = grpoAdvantages(rewards.toReversed()).advantages;
    expectClose(backwards.toReversed(), forwards, 1e-14);
  });

  it("a better reward never has a lower advantage than its neighbour", () => {
    const rewards = random(8, 3).sort((a, b) => a - b);
    const { advantages } = grpoAdvantages(rewards);
    for (let i = 1; i < 8; i++) expect(advantages[i]).toBeGreaterThan(advantages[i - 1]!);
  });

  it("one group does not feel another, unless the batch scales both", () => {
    const rewards = random(8);
    const alone = grpoAdvantages(rewards.slice(0, 4)).advantages;
    expectClose(grpoAdvantages(rewards, { groupSize: 4 }).advantages.subarray(0, 4), alone, 0);
    expect(grpoAdvantages(rewards, { groupSize: 4, scale: "batch" }).advantages[0]).not.toBeCloseTo(alone[0]!, 6);
  });
});

describe("numbers you can check by hand", () => {
  it("0 and 1 are one standard deviation of √½ apart from their mean ½", () => {
    const { advantages, metrics } = grpoAdvantages([0, 1]);
    const expected = 0.5 / (Math.SQRT1_2 + 1e-4);
    expectClose(advantages, [-expected, expected], 1e-15);
    expect(metrics).toEqual({ reward: 0.5, reward_std: Math.SQRT1_2, frac_reward_zero_std: 0 });
  });

  it("a group of equal rewards is kept, teaches nothing and is counted", () => {
    const { advantages, metrics } = grpoAdvantages([0.3, 0.3, 0.3, 0, 1, 0.5], { groupSize: 3 });
    expectClose(advantages.subarray(0, 3), [0, 0, 0], 1e-12);
    expect(metrics.frac_reward_zero_std).toBe(0.5);
  });

  it("a missing reward gets 0 and does not move the mean of the others", () => {
    const { advantages } = grpoAdvantages([1, null, 3], { scale: "none" });
    expect([...advantages]).toEqual([-1, 0, 1]);
  });

  it("alone in its group, a reward has nothing to be better than", () => {
    const { advantages, metrics } = grpoAdvantages([0.7, 0.1], { groupSize: 1 });
    expect([...advantages]).toEqual([0, 0]);
    expect(metrics.reward_std).toBeNaN();
  });

  it("typed arrays are lists as well", () => {
    const [plain, typed] = [[1, 0, 0.5, 0.5], Float64Array.of(1, 0, 0.5, 0.5)];
    expect(grpoAdvantages(typed as never, { groupSize: 2 })).toEqual(grpoAdvantages(plain, { groupSize: 2 }));
    const rows = plain.map((reward) => Float32Array.of(reward, 1));
    expect(grpoAdvantages(rows as never)).toEqual(grpoAdvantages(rows.map((row) => [...row])));
  });
  it("a reward function of weight 0 is not heard", () => {
    const rows = random(4).map((reward, i) => [reward, i]);
    const { advantages } = grpoAdvantages(rows, { weights: [1, 0] });
    expectClose(advantages, grpoAdvantages(random(4)).advantages, 0);
  });
});

describe("groups", () => {
  const rewards = random(7, 9);
  it("may have any size and order", () => {
    const groups = ["b", "a", "b", "a", "a", "b", "a"];
    const { advantages } = grpoAdvantages(rewards, { groups });
    for (const name of ["a", "b"]) {
      const members = rewards.flatMap((_, i) => (groups[i] === name ? [i] : []));
      expectClose(
        members.map((i) => advantages[i]!),
        grpoAdvantages(members.map((i) => rewards[i]!)).advantages,
        1e-15,
      );
    }
  });
  it("get 0 when none of their completions was scored", () => {
    const { advantages } = grpoAdvantages([null, 1, null, 3], { groups: [0, 1, 0, 1], scale: "none" });
    expect([...advantages]).toEqual([0, -1, 0, 1]);
  });
});

describe("baselines and scales", () => {
  it("RLOO compares with what the others got", () => {
    const { advantages } = grpoAdvantages([1, 2, 6], { baseline: "leaveOneOut", scale: "none" });
    expect([...advantages]).toEqual([1 - 4, 2 - 3.5, 6 - 1.5]);
  });
  it("OPO weighs rewards by length", () => {
    const { advantages } = grpoAdvantages([1, 0], { baseline: "lengthWeightedMean", scale: "none", lengths: [1, 3] });
    expect([...advantages]).toEqual([0.75, -0.25]);
    const empty = { baseline: "lengthWeightedMean", scale: "none", lengths: [0, 0] } as const;
    expect([...grpoAdvantages([1, 0], empty).advantages]).toEqual([1, 0]);
  });
  it("pass@k praises only the best, by its lead", () => {
    const { advantages } = grpoAdvantages([0.5, 2, 1.25], { baseline: "runnerUp", scale: "none" });
    expect([...advantages]).toEqual([0, 0.75, 0]);
    expect([...grpoAdvantages([2, 2, 1], { baseline: "runnerUp", scale: "none" }).advantages]).toEqual([0, 0, 0]);
    expect([...grpoAdvantages([2], { baseline: "runnerUp", alone: "reward" }).advantages]).toEqual([0]);
  });
  it("GPG makes up for rewards that are 0", () => {
    expect([...grpoAdvantages([0, 0, 0, 1], { scale: "nonzero" }).advantages]).toEqual([-1, -1, -1, 3]);
  });
  it("REINFORCE++ puts the tokens of the batch on mean 0 and standard deviation 1", () => {
    const [rewards, lengths] = [random(6), [3, 1, 4, 1, 5, 9]];
    const { advantages } = grpoAdvantages(rewards, { baseline: "none", scale: "tokens", lengths });
    const tokens = [...advantages].flatMap((advantage, i) => new Array<number>(lengths[i]!).fill(advantage));
    const mean = tokens.reduce((a, b) => a + b) / tokens.length;
    expect(mean).toBeCloseTo(0, 8);
    expect(tokens.reduce((a, b) => a + (b - mean) ** 2, 0) / (tokens.length - 1)).toBeCloseTo(1, 6);
  });
  it("given numbers are taken off, and a missing reward still gets 0", () => {
    const { advantages } = grpoAdvantages([1, null, 3], { baseline: [0.5, 0.5, -1], scale: "none" });
    expect([...advantages]).toEqual([0.5, 0, 4]);
  });
  it("alone in its group, a reward counts 0, or as it is", () => {
    const options = { groups: [0, 1], baseline: "leaveOneOut", scale: "none" } as const;
    expect([...grpoAdvantages([0.7, 0.1], options).advantages]).toEqual([0, 0]);
    expect([...grpoAdvantages([0.7, 0.1], { ...options, alone: "reward" }).advantages]).toEqual([0.7, 0.1]);
  });
});

describe("as TRL 1.13", () => {
  for (const { case: name, aggregation, scaleRewards, weights, ...peer } of peers.advantages) {
    it(`${name}: ${aggregation}, scaled by ${scaleRewards}, weights ${weights}`, () => {
      const { advantages, metrics } = grpoAdvantages(peer.rewardsPerFunc, {
        groupSize: peer.numGenerations,
        scale: scaleRewards as "group" | "batch" | "none",
        aggregation: aggregation as "sum_then_normalize" | "normalize_then_sum",
        weights,
      });
      expectClose(advantages, peer.advantages);
      const std = peer.stdRewards.filter((value) => value !== null);
      expect(metrics.reward_std).toBeCloseTo(std.reduce((a, b) => a + b, 0) / std.length, 9);
      expect(metrics.frac_reward_zero_std).toBe(peer.isStdZero.filter(Boolean).length / peer.isStdZero.length);
    });
  }
});

describe("a bad call says what was expected", () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY])("a reward of %d", (reward) => {
    expect(() => grpoAdvantages([0, reward])).toThrow(ConfigError);
    expect(() => grpoAdvantages([0, reward])).toThrow(/null for a missing one.*completion 1/);
  });
  it("no rewards", () => expect(() => grpoAdvantages([])).toThrow(ShapeError));
  it("half a group", () =>
    expect(() => grpoAdvantages([0, 1, 0], { groupSize: 2 })).toThrow(/whole groups of 2, got 3/));
  it.each([0, -1, 1.5])("groups of %d", (groupSize) =>
    expect(() => grpoAdvantages([0, 1], { groupSize })).toThrow(ConfigError),
  );
  it("rows of different length", () =>
    expect(() => grpoAdvantages([[0, 1], [1]])).toThrow(/expected 2 rewards.*completion 1/));
  it("a weight too many", () => expect(() => grpoAdvantages([[0], [1]], { weights: [1, 1] })).toThrow(ShapeError));
  it("rows without a reward", () =>
    expect(() => grpoAdvantages([[], []])).toThrow(/for each completion, got empty rows/));
  it("a weight that is missing", () =>
    expect(() => grpoAdvantages([[0, 1]], { weights: [1, undefined as never] })).toThrow(
      /finite weights, got undefined/,
    ));
  it("a completion of negative length", () =>
    expect(() => grpoAdvantages([1, 0], { baseline: "lengthWeightedMean", lengths: [-1, 3] })).toThrow(
      /finite lengths of at least 0, got -1 for completion 0/,
    ));
  it("a weight that is not a number", () =>
    expect(() => grpoAdvantages([[0], [1]], { weights: [Number.NaN] })).toThrow(ConfigError));
  it.each([{ scale: "none" }, { baseline: "none" }] as const)("GDPO with %o, which it does not have", (options) =>
    expect(() => grpoAdvantages([0, 1], { aggregation: "normalize_then_sum", ...options })).toThrow(ConfigError),
  );
  it("groups for other completions", () =>
    expect(() => grpoAdvantages([0, 1], { groups: [0] })).toThrow(/expected 2 groups.*got 1/));
  it.each([undefined, null, Number.NaN, {}])("a group that is named %s", (name) =>
    expect(() => grpoAdvantages([1, 0], { groups: ["a", name as never] })).toThrow(
      /expected groups to be a list of texts or numbers, got /,
    ),
  );
  it("both ways of grouping", () =>
    expect(() => grpoAdvantages([0, 1], { groups: [0, 0], groupSize: 2 })).toThrow(/groupSize or groups, got both/));
  it("a baseline for other completions", () =>
    expect(() => grpoAdvantages([0, 1], { baseline: [1] })).toThrow(ShapeError));
  it("a baseline that is not a number", () =>
    expect(() => grpoAdvantages([0, 1], { baseline: [1, Number.NaN] })).toThrow(/finite baseline.*completion 1/));
  it("a scale nobody knows", () =>
    expect(() => grpoAdvantages([0, 1], { scale: "groups" as "group" })).toThrow(/one of group, batch.*got "groups"/));
  it("a baseline nobody knows", () =>
    expect(() => grpoAdvantages([0, 1], { baseline: "toString" as "mean" })).toThrow(/one of mean, leaveOneOut/));
  it.each([{ baseline: "lengthWeightedMean" }, { scale: "tokens" }] as const)("%o without lengths", (options) =>
    expect(() => grpoAdvantages([0, 1], options)).toThrow(/expect lengths/),
  );
  it.each([
    { stdEpsilon: -1 },
    { stdEpsilon: "1e-4" as unknown as number },
    { stdFloor: Number.NaN },
    { group: 2 } as object,
  ])("%o", (options) => expect(() => grpoAdvantages([0, 1], options)).toThrow(ConfigError));
});
