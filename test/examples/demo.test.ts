import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Runs a program of the examples as a user would, from the command line. */
const program = (script: string, ...options: string[]) =>
  new Promise<{ code: number; printed: string }>((resolve) => {
    const command = ["--import", "tsx", `examples/${script}.ts`, ...options];
    execFile(process.execPath, command, { cwd: root }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === "number" ? error.code : 0, printed: stdout + stderr }),
    );
  });

async function expectRefusal(script: string, options: readonly string[], message: string): Promise<void> {
  const { code, printed } = await program(script, ...options);
  expect(printed).toContain(message);
  expect(printed).toContain("Usage: np");
  expect(printed).not.toContain("    at ");
  expect(code).toBe(1);
}

describe("the demo", () => {
  it.each([
    [["--task", "nonsense"], "--task: expected moods or detection, got nonsense"],
    [["--seeds", "0"], "--seeds: expected a whole number from 1 on, got 0"],
    [["--first", "second"], "--first: expected a whole number from 0 on, got second"],
    [["--steps", "two"], "--steps: expected a whole number from 1 on, got two"],
    [["--resume"], "--resume: expected --out DIR beside it, the folder of the run to resume, got none"],
    [["--bogus"], "Unknown option '--bogus'"],
    [["--model", "no/such/model", "--steps", "1"], "expected a directory with a checkpoint or a hub id"],
  ])(
    "refuses %j with what it expected, what came and how to call it",
    (options, message) => expectRefusal("demo/main", options, message),
    60_000,
  );

  it("does not take the result of another task, or of other steps, for one of this run", async () => {
    const out = await mkdtemp(join(tmpdir(), "rise-demo-"));
    await mkdir(join(out, "seed-0"));
    const settings = { task: "moods", steps: { cot: 2, sft: 2, rft: 2 }, device: "cpu" };
    await writeFile(join(out, "seed-0", "result.json"), JSON.stringify({ settings, seed: 0 }));
    for (const other of [
      ["--task", "detection", "--steps", "2"],
      ["--steps", "3"],
    ])
      await expectRefusal("demo/main", [...other, "--out", out, "--resume"], "result.json: expected a result of {");
    await rm(out, { recursive: true });
  }, 60_000);
});

describe("the tiny model's training", () => {
  it.each([
    ["train", ["--steps", "many"], "--steps: expected a whole number from 1 on, got many"],
    ["teach", ["--rate", "0"], "--rate: expected a number above 0, got 0"],
    ["teach", ["--lessons", "reading"], "--lessons: expected all or copying, got reading"],
  ])(
    "refuses %s %j with what it expected, what came and how to call it",
    (script, options, message) => expectRefusal(`tiny-vlm/${script}`, options, message),
    60_000,
  );
});
