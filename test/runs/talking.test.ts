import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { contents, cotRun, cotTrainer, withFolders } from "../rise/world";

const program = fileURLToPath(new URL("talking-program.ts", import.meta.url));

/** The exit code, or the signal, of a program, and what it wrote. */
async function run(kind: string, runDir: string, env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, ["--import", "tsx", program, kind, runDir], {
    env: { ...process.env, RISE_LOG: "", ...env },
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (data) => (stdout += data));
  child.stderr.on("data", (data) => (stderr += data));
  const code = await new Promise((resolve) => child.on("close", (code, signal) => resolve(signal ?? code)));
  return { code, stdout, stderr };
}

describe("a program that awaits a run", () => {
  it("prints its progress and result to stderr in plain lines", () =>
    withFolders(1, async (folder) => {
      const { code, stdout, stderr } = await run("awaited", folder!);
      expect(code).toBe(0);
      expect(stdout).toMatch(/^\d kept\n$/);
      expect(stderr).toMatch(/^riseCot: train 6\/6, reward .*; took /m);
      expect(stderr).toMatch(/^riseCot: 3 cots, \d of them with a reward of at least 0\.75$/m);
      expect(stderr).not.toMatch(/[^\P{Cc}\n]/u);
    }));

  it("prints nothing with RISE_LOG=off", () =>
    withFolders(1, async (folder) => {
      expect((await run("awaited", folder!, { RISE_LOG: "off" })).stderr).toBe("");
    }));

  it("prints nothing when it iterates the run, and so prints itself", () =>
    withFolders(1, async (folder) => {
      expect(await run("iterated", folder!)).toEqual({ code: 0, stdout: "over\n", stderr: "" });
    }));

  it("hears of a RISE_LOG that nobody knows", () =>
    withFolders(1, async (folder) => {
      const { code, stderr } = await run("awaited", folder!, { RISE_LOG: "loud" });
      expect(code).toBe(1);
      expect(stderr).toContain('RISE_LOG: expected off or plain, or no such variable, got "loud"');
    }));
});

describe("a program that forgets to await a run", () => {
  it("is told that nothing was done", () =>
    withFolders(1, async (folder) => {
      const { code, stderr } = await run("forgotten", folder!);
      expect(code).toBe(0);
      expect(stderr).toBe(
        "riseCot: the run was never started, so nothing was done: write await riseCot(…), or iterate it with for await\n",
      );
    }));

  it("is told of a wrong option all the same", () =>
    withFolders(1, async (folder) => {
      const { code, stderr } = await run("forgotten-and-wrong", folder!);
      expect(code).toBe(1);
      expect(stderr).toContain('ConfigError: riseCot: unknown option "nonsense"');
    }));
});

describe("Ctrl-C", () => {
  it("ends a program after the step under way, without a stack, and the run resumes to the same bytes", () =>
    withFolders(2, async (whole, folder) => {
      await cotRun({ trainer: cotTrainer(), runDir: whole!, checkpointEvery: 50, preflight: false });
      const { code, stdout, stderr } = await run("interrupted", folder!);
      expect(code).toBe(130);
      expect(stdout).toBe("");
      expect(stderr).toContain(
        `riseCot: stopping after the step under way, which will be saved in ${folder}. Ctrl-C again stops at once\n`,
      );
      expect(stderr).toContain(
        `riseCot: the run was interrupted; its finished steps are saved in ${folder}. To resume it, start the program again with resume: true\n`,
      );
      expect(stderr).not.toMatch(/^\s+at /m);
      expect(Object.keys(await contents(folder!)).join()).toMatch(/checkpoints\/step-[345]\/state\.json/);
      await cotRun({ trainer: cotTrainer(), runDir: folder!, checkpointEvery: 50, preflight: false, resume: true });
      expect(await contents(folder!)).toEqual(await contents(whole!));
    }));

  it("ends it at once when it comes a second time", () =>
    withFolders(1, async (folder) => {
      expect((await run("interrupted-twice", folder!)).code).toBe("SIGINT");
    }));

  it("rejects the run, so that a program that catches it decides itself what to do", () =>
    withFolders(1, async (folder) => {
      const { code, stdout } = await run("interrupted-and-caught", folder!);
      expect(stdout).toMatch(/^caught AbortError: riseCot: the run was interrupted; /);
      expect(code).toBe(130);
    }));

  it.each(["listens-itself", "listens-later"])("is the program's own when it %s", (kind) =>
    withFolders(1, async (folder) => {
      expect(await run(kind, folder!)).toMatchObject({ code: 0, stdout: "heard by the program\nfinished\n" });
    }),
  );

  it("ends the program at once with handleInterrupts: false", () =>
    withFolders(1, async (folder) => {
      expect((await run("leaves-it-alone", folder!)).code).toBe("SIGINT");
    }));
});

describe("the log option", () => {
  it("gives the lines to a function, awaited or iterated", async () => {
    for (const isIterated of [false, true]) {
      const lines: string[] = [];
      const own = cotRun({ trainer: cotTrainer(), log: (line) => lines.push(line) });
      if (isIterated) for await (const _ of own);
      await own;
      expect(lines.some((line) => /^riseCot: train 6\/6, reward/.test(line))).toBe(true);
      expect(lines.at(-1)).toMatch(/^riseCot: 3 cots/);
    }
  });

  it("says where a run failed", async () => {
    const lines: string[] = [];
    const reward = () => Promise.reject(new Error("oops"));
    const run = cotRun({ trainer: cotTrainer(), preflight: false, reward, log: (line) => lines.push(line) });
    await expect(run).rejects.toThrow('reward "reward", for example');
    await expect(run).rejects.toThrow(/\(train, step 1\): expected a result, got an error: Error: oops/);
    expect(lines.at(-1)).toMatch(/^riseCot: train 0\/6; stopped after \d+ s$/);
  });
});
