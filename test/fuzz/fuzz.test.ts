import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors";
import { createRng } from "../../src/rng";
import { cpuTime } from "../cpu-time";
import { type Failure, fuzz } from "./fuzz";
import type { Target } from "./target";
import { targets } from "./targets";

const failuresOf = async (target: Target, cases: number) => {
  const failures: Failure[] = [];
  const tally = await fuzz(target, { seed: 1, cases, onFailure: (failure) => failures.push(failure) });
  return { ...tally, failures: failures.map(({ index, reason }) => `case ${index}: ${reason}`) };
};

/** `npm run fuzz` reads a million. */
describe("what somebody else made", () => {
  it.each(targets.map((target) => [target.name, target] as const))(
    "becomes a value or an error of ours: %s",
    async (_, target) => {
      const { values, errors, failures } = await failuresOf(target, target.inTest);
      expect(failures).toEqual([]);
      expect(values + errors).toBe(target.inTest);
      // Inputs that are all refused, or none, would show nothing.
      expect(values).toBeGreaterThan(0);
    },
  );
});

describe("fuzz", () => {
  const fault = (read: (index: number) => unknown, problem?: () => string): Target => ({
    ...{ name: "planted", share: 1, inTest: 1, limitMs: 300 },
    async open() {
      let index = 0;
      return {
        make: (rng) => ({ file: "x", bytes: Uint8Array.of(rng.integer(256)) }),
        read: () => read(index++),
        ...(problem && { problem }),
      };
    },
  });
  const busy = (milliseconds: number) => {
    let spent = 0;
    while (spent < milliseconds) spent += cpuTime(() => createRng(1).shuffle(Array.from({ length: 10_000 })));
  };

  it.each([
    ["a raw error", () => (({}) as { a: { b: 1 } }).a.b, /no RiseError: TypeError/],
    ["a rejected raw error", () => Promise.reject(new RangeError("x")), /no RiseError: RangeError/],
    ["a value that is no error", () => Promise.reject("x"), /no RiseError: x/],
    ["a long message", () => Promise.reject(Object.assign(new ConfigError(), { message: "x".repeat(1e5) })), /100000/],
    ["too much time", () => busy(400), /ms of processor time/],
    ["an inherited property", () => Object.assign(Object.prototype, { polluted: 1 }), /Object.prototype has polluted/],
  ])("finds %s", async (_, read, expected) => {
    const { failures } = await failuresOf(
      fault((index) => (index === 2 ? read() : 0)),
      4,
    );
    expect(failures).toEqual([expect.stringMatching(expected)]);
    expect(failures[0]).toMatch(/^case 2/);
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  });

  it("finds what a target says of a value", async () => {
    const target = fault(
      () => 1,
      () => "it is 1",
    );
    expect((await failuresOf(target, 1)).failures).toEqual(["case 0: it is 1"]);
  });

  it("makes the same inputs for the same seed, and others for another one", async () => {
    const inputs = async (seed: number) => {
      const seen: number[] = [];
      const target = fault(() => 0);
      const open = async (folder: string) => {
        const opened = await target.open(folder);
        return { ...opened, read: ({ bytes }: { bytes: Uint8Array }) => seen.push(bytes[0]!) };
      };
      await fuzz({ ...target, open }, { seed, cases: 20, onFailure: () => {} });
      return seen;
    };
    expect(await inputs(1)).toEqual(await inputs(1));
    expect(await inputs(2)).not.toEqual(await inputs(1));
  });
});
