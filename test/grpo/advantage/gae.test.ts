import { describe, expect, it } from "vitest";
import { ConfigError, ShapeError } from "../../../src/errors";
import { gaeAdvantages } from "../../../src/grpo/advantage/gae";
import { grpoLoss } from "../../../src/grpo/loss/loss";

const plain = { whiten: false } as const;

describe("advantages of tokens", () => {
  it("without values are the rewards to come, discounted", () => {
    const [row] = gaeAdvantages([[1, 0, 4]], { ...plain, gamma: 0.5 });
    expect([...row!]).toEqual([1 + 0.25 * 4, 0.5 * 4, 4]);
  });

  it("with λ = 0 are how far each step surprised, and with λ = 1 how far the whole did", () => {
    const [rewards, values] = [[[0, 0, 1]], [[0.25, 0.5, 0.625]]];
    expect([...gaeAdvantages(rewards, { ...plain, values, lambda: 0 })[0]!]).toEqual([0.25, 0.125, 0.375]);
    expect([...gaeAdvantages(rewards, { ...plain, values })[0]!]).toEqual([0.75, 0.5, 0.375]);
  });

  it("pass over masked tokens, whatever they hold", () => {
    const mask = [[1, 0, 1]];
    const [row] = gaeAdvantages([[1, Number.NaN, 4]], { ...plain, mask, gamma: 0.5, values: [[0, Number.NaN, 0]] });
    expect([...row!]).toEqual([3, 0, 4]);
  });

  it("whitened have mean 0 and standard deviation 1 over the tokens of the batch", () => {
    const tokens = gaeAdvantages([[1, 2, 5], [], [0, 3]]).flatMap((row) => [...row]);
    expect(tokens.reduce((a, b) => a + b)).toBeCloseTo(0, 7);
    expect(tokens.reduce((a, b) => a + b * b, 0) / (tokens.length - 1)).toBeCloseTo(1, 7);
  });

  it("of a single token, whitened, are 0: there is nothing to compare it with", () => {
    expect(gaeAdvantages([[3]])).toEqual([Float64Array.of(0)]);
  });

  it("go to grpoLoss as they are", () => {
    const advantages = gaeAdvantages([[1, 0, 0, 4]], plain);
    const { gradient } = grpoLoss({ logProbs: [[-1, -1, -1, -1]], advantages }, { lossType: "dapo" });
    expect([...gradient[0]!]).toEqual([-1.25, -1, -1, -1]);
  });
});

describe("a bad call says what was expected", () => {
  it("values of other shape", () => {
    expect(() => gaeAdvantages([[1]], { values: [[1, 2]] })).toThrow(ShapeError);
    expect(() => gaeAdvantages([[1]], { values: [] })).toThrow(/rows of values like those of rewards, got 0 for 1/);
  });
  it.each([false, 0.5, Number.NaN])("a mask of %s, which neither takes a token nor leaves it out", (value) =>
    expect(() => gaeAdvantages([[1, 0]], { mask: [[1, value as number]] })).toThrow(
      /expected mask values 0 or 1, got .* at sequence 0, token 1/,
    ),
  );
  it("a reward that is not a number", () =>
    expect(() => gaeAdvantages([[1, Number.NaN]])).toThrow(/finite rewards, got NaN at sequence 0, token 1/));
  it.each([{ gamma: 1.1 }, { lambda: -0.1 }, { gamma: Number.NaN }])("%o", (options) =>
    expect(() => gaeAdvantages([[1]], options)).toThrow(ConfigError),
  );
});
