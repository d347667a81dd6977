import { spawn } from "node:child_process";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { EngineError } from "../../../src/errors";
import { readSafetensors, writeSafetensors } from "../../../src/models/files/safetensors";
import type { Trainer } from "../../../src/trainer";
import { type TorchTrainerOptions, torchTrainer } from "../../../src/trainers/torch";
import { pythonFolder } from "../../../src/trainers/workers/python";
import { checkpointDir, imagePath, promptOf, reference } from "../../models/reference";
import type { Check, Leg, LegTools } from "../leg";
import { torchEnvironment } from "../torch/environment";
import { limit, memoryOf, ranksBelow, untilGone, type WorkerProcess } from "../torch/processes";

const examples = reference.cases.slice(0, 2);
const sequences = examples.map((example) => ({ prompt: promptOf(example), completion: example.completionIds }));
const cotangents = sequences.map(({ completion }) => completion.map(() => -1));
const rate = { learningRate: 1e-4 };
/** More than fits into 64 MiB. */
const long = Array.from({ length: 56 }, () => ({
  prompt: sequences[0]!.prompt,
  completion: Array<number>(400).fill(5),
}));
const noGradient = long.map(({ completion }) => completion.map(() => 0));

/** Faults, and the messages that a user then reads. The table is printed as it is made. */
export const torchFaults: Leg = {
  name: "torch-faults",
  does: "breaks torchTrainer's processes in every way it can, and prints the messages",
  environment: torchEnvironment,
  async *run(tools) {
    const only = process.env.RISE_FAULT;
    const groups = { alive, sharded, killed, hang, parent, setup };
    for (const [name, group] of Object.entries(groups)) if (!only || only === name) yield* group(tools);
  },
};

const options = (python: string, more: TorchTrainerOptions = {}): TorchTrainerOptions => ({
  model: checkpointDir,
  device: "cpu",
  python,
  processes: 2,
  lora: { rank: 2 },
  ...more,
});

/** A call that must fail within so many seconds with these words, and nothing about learning rates, as a check. */
const failsWithin =
  (seconds: number) =>
  async (what: string, call: () => Promise<unknown>, ...says: readonly RegExp[]): Promise<Check> => {
    const started = performance.now();
    const error = await call().then(
      () => new Error("nothing failed"),
      (error: Error) => error,
    );
    const took = (performance.now() - started) / 1000;
    const problems = [
      ...says.filter((words) => !words.test(error.message)).map((words) => `lacks ${words}`),
      ...(/learning rate/.test(error.message) ? ["advises a learning rate"] : []),
      ...(took > seconds ? [`took more than ${seconds} s`] : []),
    ];
    const message = `${error.name}: ${error.message}`.replaceAll("\n", "\n        ");
    return {
      what,
      ok: problems.length === 0,
      says: `${error.name}: ${error.message.split("\n")[0]}`,
      detail: `${[`${took.toFixed(1)} s`, ...problems].join(", ")}\n        ${message}`,
    };
  };

const failing = failsWithin(5);
/** PyTorch alone takes seconds to start. */
const notStarting = failsWithin(60);

/** Faults that leave replicas alive: the same trainer answers afterwards. */
async function* alive({ python, scratch }: LegTools): AsyncGenerator<Check, void> {
  await mkdir(scratch, { recursive: true });
  const broken = join(scratch, "cut.png");
  yield* withChecks(options(python), async function* (trainer) {
    const [first, second] = ranksBelow();
    await writeFile(broken, (await readFile(imagePath("wide.png"))).subarray(0, 200));
    const withBroken = {
      prompt: [{ role: "user", content: [{ type: "image", image: broken }] }],
      completion: [5],
    } as const;
    yield await failing(
      "a damaged image on one rank",
      () => trainer.logProbs([...sequences, withBroken]),
      /logprobs, rank [01]: .*cut\.png: expected an image/,
    );
    yield await works(trainer, "the workers answer after it");
    limit(second!.pid, "as", memoryOf(second!.pid) + 2 ** 26);
    yield await failing(
      "out of memory on one rank",
      () => trainer.backward(long, noGradient),
      /backward, rank 1: OutOfMemory: .*try fewer rowsAtOnce/s,
    );
    limit(second!.pid, "as", "unlimited");
    yield await works(trainer, "the workers answer after it");
    await trainer.backward(sequences, cotangents);
    await failing("", () => trainer.backward([...sequences, withBroken], [...cotangents, [1]]));
    yield await failing("a step after half a gradient", () => trainer.optimStep(rate), /expected a gradient, got none/);
    limit(first!.pid, "fsize", 4096);
    yield await failing(
      "a full disk",
      () => trainer.save(join(scratch, "full")),
      /save, rank 0: .*safetensors: expected to write a file, got/,
    );
    limit(first!.pid, "fsize", "unlimited");
    yield await works(trainer, "the workers answer after it");
    const huge = join(scratch, "huge");
    await trainer.save(huge);
    await multiply(join(huge, "adapter_model.safetensors"));
    await trainer.load(huge);
    yield await failing(
      "weights that give NaN, sampling",
      () => trainer.sampler().generate([sequences[0]!.prompt], { seed: 0 }),
      /expected a finite number in .*are the weights finite/,
    );
    yield await failing(
      "weights that give NaN, scoring",
      () => trainer.logProbs(sequences),
      /expected a finite number, got NaN/,
    );
    yield await failing(
      "an adapter of another scale",
      async () => {
        const other = join(scratch, "other");
        await cp(huge, other, { recursive: true });
        const config = JSON.parse(await readFile(join(other, "adapter_config.json"), "utf8"));
        await writeFile(join(other, "adapter_config.json"), JSON.stringify({ ...config, lora_alpha: 32 }));
        await trainer.load(other);
      },
      /expected r 2 and lora_alpha 4, got r 2 and lora_alpha 32/,
    );
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("the caller has enough")), 1500);
    const work = { seed: 0, count: 64, maxTokens: 400, temperature: 3, signal: controller.signal };
    yield await failing(
      "a call that is aborted",
      () => trainer.sampler().generate([sequences[0]!.prompt], work),
      /the caller has enough/,
    );
    const started = performance.now();
    await trainer.load(join(scratch, "huge"));
    yield {
      what: "the next call begins soon after an abort",
      ok: performance.now() - started < 20_000,
      detail: `${((performance.now() - started) / 1000).toFixed(1)} s`,
    };
  });
}

/** FSDP: what is found before a pass is an answer; a rank that dies in a pass ends all. */
async function* sharded({ python, scratch }: LegTools): AsyncGenerator<Check, void> {
  await mkdir(scratch, { recursive: true });
  const broken = join(scratch, "cut-too.png");
  await writeFile(broken, (await readFile(imagePath("wide.png"))).subarray(0, 200));
  yield* withChecks(options(python, { shard: "fsdp" }), async function* (trainer) {
    const withBroken = {
      prompt: [{ role: "user", content: [{ type: "image", image: broken }] }],
      completion: [5],
    } as const;
    yield await failing(
      "FSDP: a damaged image on one rank",
      () => trainer.logProbs([...sequences, withBroken]),
      /cut-too\.png: expected an image/,
    );
    yield await works(trainer, "FSDP: the workers answer after it");
    const ranks = ranksBelow();
    limit(ranks[1]!.pid, "as", memoryOf(ranks[1]!.pid) + 2 ** 26);
    yield await failing(
      "FSDP: out of memory on one rank",
      () => trainer.backward(long, noGradient),
      /torchTrainer, backward: expected an answer, but rank 1 ended with .*allocate memory.*resume: true/s,
    );
    yield* allGone("FSDP: out of memory on one rank", ranks);
  });
}

/** A rank that is killed in each call: 0, which answers this process, and 1, for which 0 waits. */
async function* killed({ python, scratch }: LegTools): AsyncGenerator<Check, void> {
  const calls: Readonly<Record<string, (trainer: Trainer) => Promise<unknown>>> = {
    generate: (trainer) =>
      trainer.sampler().generate(
        sequences.map(({ prompt }) => prompt),
        { seed: 0, maxTokens: 8 },
      ),
    backward: (trainer) => trainer.backward(sequences, cotangents),
    optim_step: (trainer) => trainer.optimStep(rate),
    save: (trainer) => trainer.save(join(scratch, "saved")),
  };
  for (const [i, [name, call]] of Object.entries(calls).entries())
    yield* withChecks(options(python), async function* (trainer) {
      if (name === "optim_step") await trainer.backward(sequences, cotangents);
      yield* kill(trainer, i % 2, name, () => call(trainer));
    });
}

/** Stops a rank so that the call waits for it, and kills it. */
async function* kill(
  trainer: Trainer,
  rank: number,
  call: string,
  ask: () => Promise<unknown>,
): AsyncGenerator<Check, void> {
  const what = `rank ${rank} killed in ${call}`;
  const ranks = ranksBelow();
  process.kill(ranks[rank]!.pid, "SIGSTOP");
  const under = ask();
  under.catch(() => {});
  await new Promise((done) => setTimeout(done, 1000));
  process.kill(ranks[rank]!.pid, "SIGKILL");
  const says = [
    new RegExp(`torchTrainer, ${call}: `),
    new RegExp(`rank ${rank} was ended by signal 9`),
    /resume: true/,
  ];
  yield await failing(what, () => under, ...says);
  yield* allGone(what, ranks);
  const again = await trainer.logProbs(sequences).catch((error: Error) => error);
  yield { what: `${what}: later calls say the same`, ok: again instanceof EngineError };
}

async function* allGone(what: string, ranks: readonly WorkerProcess[]): AsyncGenerator<Check, void> {
  const ms = await untilGone(
    ranks.map(({ pid }) => pid),
    10_000,
  );
  const ok = ranks.length === 2 && ms < 10_000;
  yield { what: `${what}: none of ${ranks.length} processes left`, ok, detail: `${(ms / 1000).toFixed(1)} s` };
}

async function* hang({ python }: LegTools): AsyncGenerator<Check, void> {
  yield* withChecks(options(python, { callMs: 4000 }), async function* (trainer) {
    const ranks = ranksBelow();
    process.kill(ranks[1]!.pid, "SIGSTOP");
    yield await failing(
      "rank 1 hangs",
      () => trainer.logProbs(sequences),
      /logprobs: expected an answer, got none within 4000 ms; rank 0 is at .*rank 1 is at/,
    );
    yield* allGone("rank 1 hangs", ranks);
  });
}

/** The Node side is killed. */
async function* parent({ python }: LegTools): AsyncGenerator<Check, void> {
  const script = fileURLToPath(new URL("../torch/owner.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", script], {
    env: { ...process.env, RISE_PYTHON: python, CUDA_VISIBLE_DEVICES: "" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let written = "";
  child.stderr.on("data", (text) => {
    written += text;
  });
  await new Promise<void>((done) => child.stdout.once("data", () => done()));
  const ranks = ranksBelow(child.pid!);
  child.kill("SIGKILL");
  yield* allGone("Node killed", ranks);
  yield { what: "a machine without a GPU is warned of", ok: /RISE_DEVICE.*PyTorch sees no GPU/.test(written) };
}

/** Faults before anything runs. */
async function* setup({ python, scratch }: LegTools): AsyncGenerator<Check, void> {
  await mkdir(scratch, { recursive: true });
  yield await notStarting(
    "Python without the packages",
    () => torchTrainer(options("/usr/bin/python3")),
    /expected torch 2\.13 or later, got none.*pip install -r/s,
  );
  yield await notStarting("no Python", () => torchTrainer(options("/nowhere/python")), /got no such program/);
  const old = join(scratch, "old-python");
  await writeFile(
    old,
    `#!/bin/sh\necho '{"torch":"2.1","transformers":"4.57.0","peft":"0.21.2","pillow":"13.0.0","safetensors":"0.8.0"}'\n`,
    { mode: 0o755 },
  );
  yield await notStarting(
    "wrong versions",
    () => torchTrainer(options(old)),
    /expected torch 2\.13 or later, got 2\.1; expected transformers 5\.16 or later, got 4\.57\.0/,
  );
  yield await notStarting(
    "a model that PyTorch cannot open",
    () => torchTrainer(options(python, { processes: 1, attention: "flash_attention_2" })),
    /expected 1 process to start, but .*flash/is,
  );
  const [ready, token] = [join(scratch, "ready.json"), "the right one"];
  const worker = () =>
    spawn(
      python,
      [
        join(pythonFolder(), "rise_torch.py"),
        "--model",
        checkpointDir,
        "--device",
        "cpu",
        "--ready",
        ready,
        "--owned",
        "--port",
        "18765",
      ],
      {
        env: { ...process.env, RISE_TORCH_TOKEN: token },
        stdio: ["pipe", "ignore", "pipe"],
      },
    );
  const first = worker();
  process.env.RISE_TORCH_TOKEN = "a wrong one";
  const connect = { model: checkpointDir, connect: ready };
  yield await notStarting(
    "a wrong token",
    () => torchTrainer(connect),
    /HTTP 401: .*RISE_TORCH_TOKEN must be the same/,
  );
  const second = worker();
  const words = await new Promise<string>((done) => {
    let text = "";
    second.stderr.on("data", (piece) => {
      text += piece;
    });
    second.on("close", () => done(text));
  });
  yield {
    what: "a port that is taken",
    ok: /expected a free port, got 18765: .*choose another --port/.test(words),
    says: words.trim().split("\n").at(-1) ?? "",
  };
  process.env.RISE_TORCH_TOKEN = token;
  const joined = await torchTrainer(connect);
  yield await works(joined, "workers that others started answer");
  const arguments_ = (await readFile(`/proc/${first.pid}/cmdline`, "utf8")) + words;
  yield { what: "the token is in no argument and no output", ok: !arguments_.includes(token) };
  await joined.dispose();
  yield { what: "dispose ends them", ok: (await untilGone([first.pid!], 10_000)) < 10_000 };
}

async function works(trainer: Trainer, what: string): Promise<Check> {
  const logProbs = await trainer.logProbs(sequences).catch((error: Error) => error);
  return { what, ok: !(logProbs instanceof Error), detail: logProbs instanceof Error ? logProbs.message : "" };
}

async function* withChecks(
  settings: TorchTrainerOptions,
  use: (trainer: Trainer) => AsyncGenerator<Check, void>,
): AsyncGenerator<Check, void> {
  const trainer = await torchTrainer(settings);
  try {
    yield* use(trainer);
  } finally {
    await trainer.dispose();
  }
}

/** Makes an adapter that is finite, and overflows. */
async function multiply(path: string): Promise<void> {
  const tensors = await readSafetensors(path);
  for (const { data } of tensors.values()) data.fill(3e38);
  await writeSafetensors(path, tensors);
}
