import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { EngineError } from "../../src/errors";
import { torchTrainer } from "../../src/trainers/torch";
import { checkpointDir } from "../models/reference";

const versions = { torch: "2.14.1", transformers: "5.24.0", peft: "0.21.2", pillow: "13.0.0", safetensors: "0.8.0" };

/** The error of a trainer whose workers are this shell script. */
async function errorOf(script: string, processes = 1): Promise<Error> {
  const folder = await mkdtemp(join(tmpdir(), "rise-workers-"));
  const python = join(folder, "python");
  await writeFile(
    python,
    `#!/bin/sh\nif [ "$1" = -c ]; then echo '${JSON.stringify(versions)}'; exit; fi\n${script}\n`,
  );
  await chmod(python, 0o755);
  const error = await torchTrainer({ model: checkpointDir, python, processes, startMs: 20_000 }).then(
    () => new Error("nothing failed"),
    (error: Error) => error,
  );
  await rm(folder, { recursive: true });
  return error;
}

/** The lines that torchrun 2.14 writes when ranks have ended. */
const report = (failures: readonly (readonly [title: string, rank: number, exit: number])[], written = "") =>
  `cat >&2 <<'END'
${written}W1128 12:45:18.040000 2752 torch/distributed/elastic/multiprocessing/api.py:1028] Sending process 2780 closing signal SIGTERM
E1128 12:45:18.268000 2752 torch/distributed/elastic/multiprocessing/api.py:1002] failed (exitcode: -9) local_rank: 1 (pid: 2781) of binary: python
Traceback (most recent call last):
  File "<frozen runpy>", line 198, in _run_module_as_main
  File "torch/distributed/launcher/api.py", line 386, in launch_agent
    raise ChildFailedError(
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
rise_torch.py FAILED
------------------------------------------------------------
${failures
  .map(
    ([title, rank, exit]) => `${title}:
[0]:
  time      : 2026-11-28_11:00:00
  host      : here
  rank      : ${rank} (local_rank: ${rank})
  exitcode  : ${exit} (pid: 7${rank})
  error_file: <N/A>
  traceback : Signal`,
  )
  .join("\n------------------------------------------------------------\n")}
============================================================
END
exit 1`;

/** The traceback of a rank, as torch writes it once the ranks know each other. */
const traceback = (rank: number, error: string) =>
  [
    "Traceback (most recent call last):",
    '  File "torch/distributed/elastic/multiprocessing/errors/__init__.py", line 380, in wrapper',
    '  File "rise_torch.py", line 94, in open',
    "    model = open_model()",
    "            ^^^^^^^^^^^^",
    error,
  ]
    .map((line) => `[rank${rank}]: ${line}\n`)
    .join("");

describe("workers that end", () => {
  it.each([
    ["is the root cause", [["Root Cause (first observed failure)", 1, -9]]],
    [
      "comes before the root cause",
      [
        ["Other Failures", 0, -15],
        ["Root Cause (first observed failure)", 1, -9],
      ],
    ],
    [
      "is listed after one that torchrun ended",
      [
        ["Other Failures", 1, -9],
        ["Root Cause (first observed failure)", 0, -15],
      ],
    ],
  ] as const)("are told by the rank that was killed when it %s", async (_, failures) => {
    const error = await errorOf(report(failures), 2);
    expect(error).toBeInstanceOf(EngineError);
    expect(error.message).toMatch(
      /^torchTrainer: expected 2 processes to start, but rank 1 was ended by signal 9, by a person, a scheduler, or a system short of memory$/,
    );
  });

  it("are told by the traceback of the rank that failed first when others wrote theirs as well", async () => {
    const written = traceback(1, "ImportError: no flash") + traceback(0, `RuntimeError: ${"closed ".repeat(10_000)}`);
    const { message } = await errorOf(
      report(
        [
          ["Failures", 0, 1],
          ["Root Cause (first observed failure)", 1, 1],
        ],
        written,
      ),
      2,
    );
    expect(message.split("\n")).toEqual([
      "torchTrainer: expected 2 processes to start, but rank 1 ended with exit code 1: ImportError: no flash",
      "The last lines of the workers:",
      "  Traceback (most recent call last):",
      '    File "torch/distributed/elastic/multiprocessing/errors/__init__.py", line 380, in wrapper',
      '    File "rise_torch.py", line 94, in open',
      "      model = open_model()",
      "  ImportError: no flash",
    ]);
  });

  it("are told by the traceback when there is one process", async () => {
    const { message } = await errorOf(`cat >&2 <<'END'\n${traceback(0, "ImportError: no flash")}\nEND\nexit 1`);
    expect(message).toMatch(
      /the process ended with exit code 1: ImportError: no flash\nThe last lines of the workers:/,
    );
  });

  it("are told once when all of them say the same", async () => {
    const said = "rise_torch: expected a GPU for each process, got 1";
    const { message } = await errorOf(report([["Root Cause (first observed failure)", 0, 1]], `${said}\n${said}\n`), 2);
    expect(message).toMatch(
      new RegExp(`rank 0 ended with exit code 1: ${said}\nThe last lines of the workers:\n  ${said}$`),
    );
  });

  it("are told by Python's last words, and their last lines", async () => {
    const { message } = await errorOf("echo 'Traceback' >&2; echo 'ValueError: no such model' >&2; echo; exit 3");
    expect(message).toContain(
      "the process ended with exit code 3: ValueError: no such model\nThe last lines of the workers:",
    );
    expect(message).toContain("  Traceback\n  ValueError: no such model");
  });

  it("are told by their signal when nothing was written", async () => {
    expect((await errorOf("kill -9 $$")).message).toMatch(/but the process was ended by SIGKILL, by a person/);
  });

  it("are told by the line with which Python refuses an option", async () => {
    const refusal = "rise_torch.py: error: argument --precision: invalid choice";
    expect((await errorOf(`echo 'usage: rise_torch.py' >&2; echo '${refusal}' >&2; exit 2`)).message).toMatch(
      new RegExp(`the process ended with exit code 2: ${refusal}\nThe last lines`),
    );
  });

  it("keep no timer that would keep this program running", async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    await errorOf("exit 3");
    await setTimeout(700);
    const after: number[] = [];
    for (let i = 0; i < 10; i++) {
      await setTimeout(20);
      after.push(timers());
    }
    expect(Math.min(...after)).toBeLessThanOrEqual(before);
  });

  it("never show their token, and get it neither as an argument nor on stdin", async () => {
    const { message } = await errorOf('echo "Error: $RISE_TORCH_TOKEN $*" >&2; exit 1');
    expect(message).toContain("Error: [key] ");
    expect(message).toMatch(
      / --model \S+ --shard none --attention sdpa --precision float32 --seed 0 --ready \S+ --owned/,
    );
    expect(message).not.toMatch(/[0-9a-f]{64}/);
  });
});
