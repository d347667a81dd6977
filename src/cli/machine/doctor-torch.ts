import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { checkPython, defaultPython, pinnedVersions } from "../../trainers/workers/python";

/** The state of the engine behind `torchTrainer`. */
export interface TorchState {
  /** The findings, line by line: a name and words. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** Whether `torchTrainer` can run; else the last fact is the command that installs what is missing. */
  readonly canRun: boolean;
}

/**
 * Looks at a Python and its GPUs for `rise-ts doctor --engine torch`.
 * @param python the program (RISE_PYTHON, else python3)
 * @example
 * const { facts, canRun } = await examineTorch();
 */
export async function examineTorch(python: string = defaultPython()): Promise<TorchState> {
  const { versions, problems, install } = await checkPython(python);
  const pinned = new Map((await pinnedVersions()).split("\n").map((line) => line.split("==") as [string, string]));
  const tested = (name: string) => (pinned.has(name) ? ` (tested with ${pinned.get(name)})` : "");
  const packages = Object.entries(versions).map(
    ([name, version]) => [name, `${version ?? "none"}${version === pinned.get(name) ? "" : tested(name)}`] as const,
  );
  const facts = [["Python", python] as const, ...packages];
  if (problems.length > 0)
    return { canRun: false, facts: [...facts, ["problem", problems.join("; ")], ["install with", install]] };
  const found = await promisify(execFile)(python, ["-c", program], { timeout: 300_000 }).then(
    ({ stdout }) => Object.entries(JSON.parse(stdout) as Record<string, string>),
    (error: Error) => error,
  );
  if (!(found instanceof Error)) return { canRun: true, facts: [...facts, ...found] };
  const reason = found.message.trim().split("\n").at(-1) ?? "";
  return {
    canRun: false,
    facts: [...facts, ["problem", `its packages do not load: ${reason}`], ["install with", install]],
  };
}

/** Loads the packages, and says what PyTorch can use. */
const program = `
import importlib.util, json
import peft, torch, transformers
import torch.distributed as dist
from torch.distributed.fsdp import fully_shard
gpus = range(torch.cuda.device_count())
names = ", ".join(f"{torch.cuda.get_device_name(i)} ({torch.cuda.mem_get_info(i)[1] / 1e9:.0f} GB)" for i in gpus)
print(json.dumps({
    "GPUs": names or "none: the CPU computes",
    "bfloat16": "yes" if gpus and torch.cuda.is_bf16_supported() else "slow",
    "between GPUs": "NCCL" if dist.is_nccl_available() else "gloo",
    "attention": "FlashAttention 2" if importlib.util.find_spec("flash_attn") else "SDPA",
}))`;
