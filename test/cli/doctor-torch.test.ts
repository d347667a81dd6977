import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runCommand } from "../../src/cli/commands";
import { examineTorch } from "../../src/cli/doctor-torch";

const versions = { torch: "2.14.1", transformers: "5.24.0", peft: "0.21.2", pillow: "13.0.0", safetensors: "0.8.0" };

/** A program that answers as a Python with these versions. */
async function withPython(answers: readonly unknown[], use: (python: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "rise-python-"));
  const python = join(folder, "python");
  const [first, second] = answers.map((answer) => JSON.stringify(answer));
  await writeFile(python, `#!/bin/sh\ncase "$2" in *fully_shard*) echo '${second}' ;; *) echo '${first}' ;; esac\n`);
  await chmod(python, 0o755);
  await use(python).finally(() => rm(folder, { recursive: true }));
}

describe("rise doctor --engine torch", () => {
  it("tells versions, GPUs and that it can run when nothing is missing", () =>
    withPython([versions, { GPUs: "8 of them" }], async (python) => {
      const { facts, canRun } = await examineTorch(python);
      expect(canRun).toBe(true);
      expect(facts).toEqual([["Python", python], ...Object.entries(versions), ["GPUs", "8 of them"]]);
    }));

  it("names what is missing or too old, and the command that installs it", () =>
    withPython([{ ...versions, torch: null, transformers: "5.9.1", peft: "0.22.0" }], async (python) => {
      const { facts, canRun } = await examineTorch(python);
      expect(canRun).toBe(false);
      expect(Object.fromEntries(facts)).toMatchObject({
        torch: "none (tested with 2.14.1)",
        peft: "0.22.0 (tested with 0.21.2)",
        problem: "expected torch 2.13 or later, got none; expected transformers 5.16 or later, got 5.9.1",
      });
      expect(facts.at(-1)).toEqual([
        "install with",
        expect.stringMatching(/-m pip install -r .*requirements-torch\.txt$/),
      ]);
    }));

  it("ends with 1 where there is no such Python", async () => {
    const before = process.env.RISE_PYTHON;
    process.env.RISE_PYTHON = "/nowhere/python";
    let text = "";
    try {
      expect(await runCommand(["doctor", "--engine", "torch"], (line) => (text += line))).toBe(1);
    } finally {
      if (before === undefined) delete process.env.RISE_PYTHON;
      else process.env.RISE_PYTHON = before;
    }
    expect(text).toContain("expected a Python at /nowhere/python, got no such program");
    expect(text).toContain("torchTrainer cannot run here.");
  });
});
