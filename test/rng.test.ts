import { describe, expect, it } from "vitest";
import { ConfigError } from "../src/errors";
import { createRng, deriveSeed } from "../src/rng";

describe("a seed", () => {
  it("of any whole number is good, and gives numbers of its own", () => {
    const seeds = [0, -1, 1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];
    expect(new Set(seeds.map((seed) => createRng(seed).uniform())).size).toBe(seeds.length);
  });

  it.each([0.5, Number.NaN, Number.POSITIVE_INFINITY, "7", undefined])("is refused if it is %s", (seed) => {
    for (const take of [createRng, deriveSeed])
      expect(() => take(seed as number)).toThrow(
        new ConfigError(`deriveSeed: expected seed to be a whole number, got ${seed}`),
      );
  });
});
