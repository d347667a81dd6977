/**
 * RISE in TRL: its GRPOTrainer and SFTTrainer, with the rewards, prompts and samples of this library, on two processes of this machine's CPU.
 *
 *   python3 -m venv .venv && .venv/bin/pip install -r test/engines/requirements-served.txt
 *   RISE_PYTHON_SERVED=.venv/bin/python npx tsx examples/scale/trl/main.ts rft
 *
 *   rft | sft | rise-cot      what to train
 *   --processes 2             torchrun's processes
 *   --steps 12
 *   --zero3                   DeepSpeed shards weights, gradients and optimizer state: zero3.json; its first run compiles for a minute
 *
 * On GPUs, take `use_cpu` out of common.py and put your model there.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { rewardServer } from "rise-ts/reward-server";
import { task, tinyCheckpoint, trainingPictures, writePrompts, writeSftSamples } from "./data";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    processes: { type: "string", default: "2" },
    steps: { type: "string", default: "12" },
    zero3: { type: "boolean", default: false },
  },
});
const [name = "nothing"] = positionals;
if (!["rft", "sft", "rise-cot"].includes(name))
  throw new Error(`what to train: expected rft, sft or rise-cot, got ${name}`);
const program = `${name.replace("-", "_")}.py`;

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const folder = await mkdtemp(join(tmpdir(), "rise-trl-"));
const dataset = await trainingPictures();
const server = await rewardServer({ task, dataset });
try {
  await tinyCheckpoint(folder);
  if (program === "sft.py") await writeSftSamples(folder, dataset);
  else await writePrompts(folder, dataset);
  const args = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", values.processes, here(program)];
  const child = spawn(
    process.env.RISE_PYTHON_SERVED ?? "python3",
    [...args, "--data", folder, "--steps", values.steps, ...(values.zero3 ? ["--deepspeed", here("zero3.json")] : [])],
    {
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        ...process.env,
        PYTHONPATH: here("../../../python"),
        RISE_REWARD_URL: server.url,
        RISE_REWARD_TOKEN: server.token,
        HF_HUB_OFFLINE: "1",
        OMP_NUM_THREADS: "1",
        ...(values.zero3 && { DS_ACCELERATOR: "cpu" }),
      },
    },
  );
  const print = async () => {
    for await (const line of createInterface(child.stdout)) if (line.startsWith('{"')) console.log(line);
  };
  const [[code]] = await Promise.all([once(child, "exit"), print()]);
  process.exitCode = code ?? 1;
} finally {
  await server.close();
  await rm(folder, { recursive: true });
}
