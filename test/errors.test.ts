import { describe, expect, it, vi } from "vitest";
import { BackendError, ConfigError, DataError, NonFiniteError, RiseError } from "../src/errors";

describe("RiseError", () => {
  it("has a message of at most 10 000 characters when a file is quoted, and says how many are left out", () => {
    expect(new DataError("x".repeat(10_000)).message).toBe("x".repeat(10_000));
    const { message } = new DataError("x".repeat(1e6));
    expect(message.length).toBeLessThanOrEqual(10_000);
    const [, kept, rest] = /^(x+)… \((\d+) more characters\)$/.exec(message)!;
    expect(kept!.length + Number(rest)).toBe(1e6);
  });
});

describe("an error of another copy of the library", () => {
  const otherCopy = async () => {
    vi.resetModules();
    return import("../src/errors");
  };

  it("is an instance of the same class and of the classes above it, and of no other", async () => {
    const other = await otherCopy();
    expect(other.ConfigError).not.toBe(ConfigError);
    const error = new other.NonFiniteError("x");
    expect([NonFiniteError, BackendError, RiseError].map((kind) => error instanceof kind)).toEqual([true, true, true]);
    expect([ConfigError, DataError].map((kind) => error instanceof kind)).toEqual([false, false]);
    expect([BackendError.isInstance(error), ConfigError.isInstance(error)]).toEqual([true, false]);
    expect(new other.BackendError("x") instanceof NonFiniteError).toBe(false);
  });

  it("is no instance of a subclass that a user made", async () => {
    class OwnError extends ConfigError {}
    const other = await otherCopy();
    expect(new other.ConfigError("x") instanceof OwnError).toBe(false);
    expect(new ConfigError("x") instanceof OwnError).toBe(false);
    expect(new OwnError("x") instanceof OwnError).toBe(true);
    expect(new OwnError("x") instanceof other.ConfigError).toBe(true);
  });

  it.each([
    [new Error("x")],
    [{ name: "ConfigError" }],
    [Object.create(null)],
    [null],
    [undefined],
    ["x"],
    [{ constructor: 1 }],
  ])("is told from %s", (value) => expect(RiseError.isInstance(value)).toBe(false));
});
