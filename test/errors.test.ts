import { describe, expect, it } from "vitest";
import { DataError } from "../src/errors";

describe("RiseError", () => {
  it("has a message of at most 10 000 characters when a file is quoted, and says how many are left out", () => {
    expect(new DataError("x".repeat(10_000)).message).toBe("x".repeat(10_000));
    const { message } = new DataError("x".repeat(1e6));
    expect(message.length).toBeLessThanOrEqual(10_000);
    const [, kept, rest] = /^(x+)… \((\d+) more characters\)$/.exec(message)!;
    expect(kept!.length + Number(rest)).toBe(1e6);
  });
});
