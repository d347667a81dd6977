import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Runs the demo as a user would, from the command line. */
const demo = (...options: string[]) =>
  new Promise<{ code: number; printed: string }>((resolve) => {
    const command = ["--import", "tsx", "examples/demo/main.ts", ...options];
    execFile(process.execPath, command, { cwd: root }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === "number" ? error.code : 0, printed: stdout + stderr }),
    );
  });

describe("the demo", () => {
  it.each([
    [["--task", "nonsense"], "--task: expected moods or detection, got nonsense"],
    [["--seeds", "0"], "--seeds: expected a whole number from 1 on, got 0"],
    [["--steps", "two"], "--steps: expected a whole number from 1 on, got two"],
    [["--bogus"], "Unknown option '--bogus'"],
    [["--model", "no/such/model", "--steps", "1"], "expected a directory with a checkpoint or a hub id"],
  ])(
    "refuses %j with what it expected, what came and how to call it",
    async (options, message) => {
      const { code, printed } = await demo(...options);
      expect(printed).toContain(message);
      expect(printed).toContain("Usage: npm run demo --");
      expect(printed).not.toContain("    at ");
      expect(code).toBe(1);
    },
    60_000,
  );
});
