import { join } from "node:path";
import { riseCot, type Trainer } from "rise-ts";
import { openaiBackend } from "rise-ts/backends/openai";
import { vllmSampler } from "rise-ts/backends/vllm";
import { describeBackend } from "rise-ts/testing";
import { moods } from "../../../examples/pictures/moods";
import { task, tinyCheckpoint } from "../../../examples/scale/trl/data";
import { largestError } from "../../models/reference";
import { lawChecks } from "../law-checks";
import { type Check, type Leg, type LegTools, within } from "../leg";
import { startProgram, untilReady } from "../program";
import { withTorch } from "../torch/environment";

const port = 18_124;
const server = `http://127.0.0.1:${port}`;
const baseUrl = `${server}/v1`;

/** vLLM as a backend, and as the sampler of torchTrainer, which runs on vLLM's own PyTorch. */
export const vllm: Leg = {
  name: "vllm",
  does: "openaiBackend and vllmSampler against vLLM on the CPU, beside torchTrainer on its packages",
  optIn: true,
  environment: {
    variable: "RISE_PYTHON_VLLM",
    requirements: new URL("../requirements-vllm.txt", import.meta.url).pathname,
    folder: ".venv-engines-vllm",
  },
  async *run(tools) {
    const model = await tinyCheckpoint(tools.scratch);
    const program = startServer(tools.python, model);
    try {
      await untilReady(program, `${server}/health`, 600);
      yield* backendLaws();
      yield* sampled(tools, model);
    } catch (error) {
      throw new Error(`${String(error)}\n${program.tail()}`);
    } finally {
      await program.end();
    }
  },
};

/** A seeded request whose prompt is cut into chunks ends vLLM on the CPU: chunks are switched off. */
const startServer = (python: string, model: string) =>
  startProgram(
    python,
    [
      ["-m", "vllm.entrypoints.openai.api_server", "--model", model, "--served-model-name", "tiny"],
      ["--host", "127.0.0.1", "--port", String(port), "--dtype", "float32", "--max-model-len", "2048"],
      ["--enforce-eager", "--enable-lora", "--max-lora-rank", "16", "--max-loras", "2"],
      ["--logprobs-mode", "processed_logprobs", "--generation-config", "vllm"],
      ["--limit-mm-per-prompt", '{"image": 1, "video": 0}'],
      ["--max-num-batched-tokens", "16384", "--no-enable-chunked-prefill"],
    ].flat(),
    {
      VLLM_CPU_KVCACHE_SPACE: "1",
      VLLM_CPU_OMP_THREADS_BIND: "nobind",
      VLLM_ALLOW_RUNTIME_LORA_UPDATING: "True",
      HF_HUB_OFFLINE: "1",
    },
  );

const prompts = async () => {
  const { test } = await moods({ seed: 1, train: 0, test: 2, unseen: 0 });
  return test.map((example) => task.cotPrompt(example));
};

async function* backendLaws(): AsyncGenerator<Check, void> {
  const options = { baseUrl, model: "tiny", logProbs: true, extraBody: { return_token_ids: true } };
  const both = await prompts();
  yield* lawChecks("openaiBackend, vLLM", (runner) =>
    describeBackend(runner, "vLLM", async () => openaiBackend(options), {
      prompts: both,
      maxTokens: 24,
      callsOnPromptEnd: true,
      capabilities: { logProbs: true, tokenIds: false, reproducible: false },
    }),
  );
}

/** The adapters that the server has now. */
async function adapters(): Promise<readonly string[]> {
  const { data } = (await (await fetch(`${baseUrl}/models`)).json()) as { readonly data: { readonly id: string }[] };
  return data.map(({ id }) => id).filter((id) => id.startsWith("rise-"));
}

async function* sampled({ python, scratch }: LegTools, model: string): AsyncGenerator<Check, void> {
  const checks: Check[] = [];
  await withTorch({ model, python, processes: 2, lora: { rank: 8 } }, async (torch) => {
    const trainer = await vllmSampler(torch, { baseUrl, adapterDir: join(scratch, "adapters") });
    for (const temperature of [1, 0.7]) checks.push(await agreement(trainer, temperature));
    const before = await adapters();
    await learn(trainer);
    checks.push(await agreement(trainer, 1, ", after a step,"));
    const after = await adapters();
    checks.push({
      what: "the step's adapter has a new name, and the old one is unloaded",
      ok: before.length === 1 && after.length === 1 && before[0] !== after[0],
      detail: `${before.join(", ")}; then ${after.join(", ")}`,
    });
    checks.push(...(await trained(trainer)));
    checks.push(await refused(torch, scratch));
    await trainer.dispose();
  });
  checks.push({ what: "no adapter is left on the server", ok: (await adapters()).length === 0 });
  yield* checks;
}

/** Completions of pictures: token ids, and log-probs as the trainer has them. */
async function agreement(trainer: Trainer, temperature: number, when = ""): Promise<Check> {
  const both = await prompts();
  const groups = await trainer.sampler().generate(both, { seed: 1, count: 2, maxTokens: 24, temperature });
  const rows = groups.flatMap((group, i) => group.map((completion) => ({ prompt: both[i]!, ...completion })));
  const sequences = rows.map(({ prompt, tokenIds = [] }) => ({ prompt, completion: tokenIds }));
  const scored = await trainer.logProbs(sequences, { temperature });
  const apart = Math.max(...rows.map(({ samplingLogProbs = [] }, r) => largestError(samplingLogProbs, scored[r]!)));
  return within(`log-probs at temperature ${temperature}${when} are the trainer's`, apart, 1e-4);
}

async function learn(trainer: Trainer): Promise<void> {
  const [prompt] = await prompts();
  const completion = trainer.encode("I see a calm lake.");
  await trainer.backward([{ prompt: prompt!, completion }], [completion.map(() => -1)]);
  await trainer.optimStep({ learningRate: 1e-2 });
}

/** RISE-CoT, sampled by the server. */
async function trained(trainer: Trainer): Promise<readonly Check[]> {
  const { train } = await moods({ seed: 0, train: 8, test: 0, unseen: 0 });
  const run = riseCot({
    task,
    dataset: train,
    trainer: async () => ({ ...trainer, dispose: async () => {} }),
    steps: 3,
    examplesPerStep: 4,
    groupSize: 4,
    learningRate: 1e-3,
    sampling: { cotMaxTokens: 48, reconstructionMaxTokens: 40 },
    finalPass: false,
  });
  const gaps: number[] = [];
  for await (const event of run)
    if (event.type === "step-end" && event.stage === "train")
      gaps.push(Number(event.metrics["sampling/sampling_logp_difference/max"]));
  return [
    { what: "RISE-CoT takes three steps on its completions", ok: gaps.length === 3 },
    within("… and logs the largest difference of log-probs", Math.max(...gaps), 1e-3),
  ];
}

/** The server's own words about a folder that it cannot read. */
async function refused(trainer: Trainer, scratch: string): Promise<Check> {
  const options = { baseUrl, adapterDir: join(scratch, "elsewhere"), serverAdapterDir: "/nowhere" };
  const message = await vllmSampler(trainer, options).then(
    () => "no error",
    (error: Error) => error.message,
  );
  return {
    what: "an adapter that the server cannot read is refused in its words",
    ok: /load_lora_adapter: 4\d\d: .*serverAdapterDir/s.test(message),
    detail: message,
  };
}
