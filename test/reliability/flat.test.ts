import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const program = fileURLToPath(new URL("flat-program.ts", import.meta.url));

describe("memory in use", () => {
  it.each([
    ["10 000 requests, some of which fail", "requests"],
    ["50 000 rows of a table", "rows"],
    ["250 completions of a network", "completions"],
  ])("does not grow over %s", async (_, what) => {
    const args = ["--expose-gc", "--import", "tsx", program, what];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(Number(stdout.trim())).toBeLessThan(8);
  });
});
