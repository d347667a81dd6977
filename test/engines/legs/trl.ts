import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { rewardServer } from "rise-ts/reward-server";
import { task, trainingPictures } from "../../../examples/scale/trl/data";
import type { Check, Leg, LegTools } from "../leg";
import { startProgram } from "../program";
import { servedEnvironment } from "../served-environment";

const main = fileURLToPath(new URL("../../../examples/scale/trl/main.ts", import.meta.url));
const client = fileURLToPath(new URL("../../../python", import.meta.url));

/** The examples for people who train with TRL, and the Python client of the reward server. */
export const trl: Leg = {
  name: "trl",
  does: "TRL's RFT, SFT and RISE-CoT on two processes, with ZeRO-3 too; the reward client of every trainer",
  environment: servedEnvironment,
  run: trlChecks,
};

type Figures = Readonly<Record<string, number>>;

async function* trlChecks({ python }: LegTools): AsyncGenerator<Check, void> {
  yield* clientChecks(python);
  const train = (...args: readonly string[]) => trainInTrl(python, args);
  let firstStep: Figures | undefined;
  // Sixteen examples, four a step: four steps see each of them once.
  for (const [program, count, what] of [
    ["rise-cot", 8, "RISE-CoT: the reward of pairs rises"],
    ["rft", 12, "RFT: the reward of answers rises"],
  ] as const) {
    const [start, ...steps] = await train(program, "--steps", String(count));
    firstStep = steps[0];
    yield { what: `${program}: two processes`, ok: start?.processes === 2 };
    const rewards = steps.map(({ reward = Number.NaN }) => reward);
    const [first, last] = [mean(rewards.slice(0, 4)), mean(rewards.slice(-4))];
    yield { what, ok: steps.length === count && last > first, detail: `${first.toFixed(3)} → ${last.toFixed(3)}` };
  }
  const losses = (await train("sft", "--steps", "12")).slice(1).map(({ loss = Number.NaN }) => loss);
  const [first, last] = [losses[0]!, losses.at(-1)!];
  yield { what: "SFT: the loss falls by a third", ok: last < first / 1.5, detail: `${first} → ${last}` };
  const [start, sharded] = await train("rft", "--steps", "1", "--zero3");
  const share = start!.local! / start!.parameters!;
  yield {
    what: "ZeRO-3: each process holds half of the weights",
    ok: Math.abs(share - 0.5) < 0.01,
    detail: String(share),
  };
  yield {
    what: "ZeRO-3: the first step equals the step of two replicas",
    ok:
      Math.abs(firstStep!.reward! - sharded!.reward!) < 0.002 &&
      Math.abs(firstStep!.grad_norm! / sharded!.grad_norm! - 1) < 0.01,
    detail: JSON.stringify([firstStep, sharded]),
  };
}

/** Runs the example, and returns the lines of figures that it printed. */
async function trainInTrl(python: string, args: readonly string[]): Promise<readonly Figures[]> {
  const program = startProgram(process.execPath, ["--import", "tsx", main, ...args], { RISE_PYTHON_SERVED: python });
  const code = await program.ended;
  const lines = program.tail(200).split("\n");
  if (code !== 0)
    throw new Error(`${args.join(" ")}: expected exit code 0, got ${code}:\n${lines.slice(-25).join("\n")}`);
  return lines.filter((line) => line.startsWith('{"')).map((line) => JSON.parse(line) as Figures);
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Calls the client's functions as each trainer does. */
async function* clientChecks(python: string): AsyncGenerator<Check, void> {
  const dataset = await trainingPictures();
  const { id, annotation } = dataset[0]!;
  const right = `<think>It is flat.</think><answer>${task.format(annotation)}</answer>`;
  const server = await rewardServer({ task, dataset });
  const script = `
import json, sys
from rise_reward import compute_score, compute_scores, reward_func, rise_reward
right, id = sys.argv[1:]
prompt = "<|image_pad|>Which mood?<|im_end|>assistant"
print(json.dumps([
    rise_reward(prompts=[0], completions=[[{"role": "assistant", "content": right}]], completion_ids=[[1]], id=[id]),
    rise_reward(completions=[right, "none"], id=[id, id], solution=[0, 0], trainer_state=None),
    compute_score(data_source="x", solution_str=right, ground_truth=None, extra_info={"id": id, "num_turns": 1})["score"],
    [row["score"] for row in compute_scores(["x"], [right], [None], [{"id": id}])],
    reward_func([prompt.replace("<|image_pad|>", "<|image_pad|>" * 9) + right + "<|im_end|>"], [prompt], [id])["rewards"],
]))
try:
    rise_reward(completions=["x"], id=["nobody"])
except RuntimeError as error:
    print(error)
`;
  try {
    const { stdout } = await promisify(execFile)(python, ["-c", script, right, id], {
      env: { ...process.env, PYTHONPATH: client, RISE_REWARD_URL: server.url, RISE_REWARD_TOKEN: server.token },
    });
    const [rewards = "", error = ""] = stdout.split("\n");
    const detail = rewards;
    yield {
      what: "the client of TRL, ms-swift, verl and OpenRLHF",
      ok: rewards === "[[1], [1, 0], 1, [1], [1]]",
      detail,
    };
    yield { what: "its error has the server's words", ok: /400: .*got \\"nobody\\"/.test(error), detail: error };
  } finally {
    await server.close();
  }
}
