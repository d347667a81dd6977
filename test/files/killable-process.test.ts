import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { type KillableProcess, startKillable } from "../../src/files/killable-process";

const jobs = `([word], Refusal) => ({
  echo: (value) => [word, value],
  environment: () => Object.keys(process.env),
  throw() { throw new TypeError("x".repeat(5000)); },
  refuse() { throw new Refusal("expected a, got b"); },
  loop() { for (;;); },
  fill() { for (const all = []; ; ) all.push(new Uint8Array(2 ** 24).fill(1)); },
  heap() { for (const all = []; ; ) all.push({ all: [all.length] }); },
  array() { const all = [1]; for (let i = 0; i < 2 ** 28; i++) all[i] = i; return all.length; },
  exit() { process.exit(3); },
  late() { Promise.reject(new Error("late")); return new Promise((resolve) => setTimeout(resolve, 20, "value")); },
})`;
const started: KillableProcess[] = [];
const start = (memoryMb = 300) => {
  started.push(startKillable(jobs, ["word"], { memoryMb }));
  return started.at(-1)!;
};
afterEach(() => {
  for (const process of started.splice(0)) process.end();
});

describe("a process that may be killed", () => {
  it("answers with values, bytes and dates among them, one job after the other", async () => {
    const { ask } = start();
    const value = { bytes: Uint8Array.of(1, 2), date: new Date(5), large: 2n ** 60n, nothing: undefined };
    expect(await ask("echo", value, 10_000)).toEqual({ value: ["word", value] });
    expect(await ask("late", {}, 10_000)).toEqual({ value: "value" });
  });

  it("answers with the error of a job, and lives", async () => {
    const { ask, isAlive } = start();
    expect(await ask("throw", {}, 10_000)).toEqual({ error: "x".repeat(1000), isRefusal: false });
    expect(await ask("refuse", {}, 10_000)).toEqual({ error: "expected a, got b", isRefusal: true });
    expect(isAlive()).toBe(true);
  });

  it.each([
    ["loop", "time"],
    ["fill", "memory"],
    ["heap", "memory"],
    ["array", "memory"],
    ["exit", "other"],
  ] as const)("says why it ended when a job does: %s", async (job, ended) => {
    const { ask, isAlive } = start();
    expect(await ask("echo", {}, 10_000)).toEqual({ value: ["word", {}] });
    expect(await ask(job, {}, job === "loop" ? 200 : 60_000)).toEqual({ ended });
    expect(isAlive()).toBe(false);
    expect(await ask("echo", {}, 10_000)).toEqual({ ended: "other" });
  });

  it("gets nothing of the caller's environment", async () => {
    const { ask } = start();
    const { value } = (await ask("environment", {}, 10_000)) as { readonly value: readonly string[] };
    expect(value).not.toContain("PATH");
    expect(value).not.toContain("HOME");
  });

  it("lets the caller end while it waits for a job, and ends with a caller that is killed in the middle of one", async () => {
    const module = fileURLToPath(new URL("../../src/files/killable-process.ts", import.meta.url));
    const script = `import { startKillable } from ${JSON.stringify(module)};
      const { ask } = startKillable("() => ({ pid: () => process.pid, loop() { for (;;); } })", [], { memoryMb: 300 });
      console.log((await ask("pid", {}, 60_000)).value);
      if (process.argv.includes("loop")) { ask("loop", {}, 60_000); setTimeout(() => process.kill(process.pid, "SIGKILL"), 200); }`;
    const run = (...args: readonly string[]) =>
      promisify(execFile)(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script, ...args]).catch(
        (error: { readonly stdout: string }) => error,
      );
    for (const { stdout } of [await run(), await run("loop")]) {
      const pid = Number(stdout);
      expect(pid).toBeGreaterThan(0);
      await expect.poll(() => isRunning(pid), { timeout: 120_000 }).toBe(false);
    }
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // One that has ended keeps its number until somebody asks for its status, which the first process of a container may never do.
    return !/^\d+ \(.*\) Z/s.test(existsSync("/proc/self/stat") ? readFileSync(`/proc/${pid}/stat`, "utf8") : "");
  } catch {
    return false;
  }
}
