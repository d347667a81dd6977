import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type VllmSamplerOptions, vllmSampler } from "../../src/backends/vllm";
import { BackendError, ConfigError } from "../../src/errors";
import { imagePrompt } from "../../src/prompts/template";
import { riseR1 } from "../../src/rise/rise-r1";
import { classification } from "../../src/tasks/classification";
import type { Trainer } from "../../src/trainer";
import type { Example, LabelDistribution, RawImage } from "../../src/types";
import { adapterTrainer, type Fault, texts, type VllmServer, vllmServer } from "./vllm-server";

const image: RawImage = { width: 1, height: 1, data: new Uint8Array(3) };
const prompt = imagePrompt(image, "What is this?");
const generation = { seed: 1, maxTokens: 12 };

let server: VllmServer;
let folder: string;
beforeEach(async () => {
  server = await vllmServer();
  folder = await mkdtemp(join(tmpdir(), "rise-vllm-test-"));
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

const open = (trainer: Trainer = adapterTrainer(), options: Partial<VllmSamplerOptions> = {}) =>
  vllmSampler(trainer, { baseUrl: server.url, adapterDir: folder, retries: 0, ...options });
/** Makes the first text likelier. */
async function learn(trainer: Trainer) {
  const completion = trainer.encode(texts[0]!);
  await trainer.backward([{ prompt, completion }], [completion.map(() => -1)]);
  await trainer.optimStep({ learningRate: 1 });
}
const names = () => server.calls.map((call) => call.replace(/rise-[0-9a-f]{8}-/, "#"));

describe("vllmSampler", () => {
  it("loads an adapter under a new name when the weights have changed, and unloads the old one", async () => {
    const trainer = await open();
    expect(names()).toEqual(["load #1", "chat #1"]);
    await trainer.sampler().generate([prompt], generation);
    await learn(trainer);
    await trainer.sampler().generate([prompt], generation);
    await trainer.sampler().generate([prompt], generation);
    expect(names().slice(2)).toEqual(["chat #1", "load #2", "unload #1", "chat #2", "chat #2"]);
    expect(server.loaded.size).toBe(1);
    expect(await readdir(folder)).toEqual([...server.loaded.keys()]);
    await trainer.dispose();
    expect([server.loaded.size, await readdir(folder)]).toEqual([0, []]);
  });

  it("takes over token ids and log-probs, which are the trainer's at every temperature", async () => {
    const trainer = await open();
    await learn(trainer);
    for (const temperature of [1, 0.7, 2]) {
      const [group] = await trainer.sampler().generate([prompt], { ...generation, count: 3, temperature });
      for (const { tokenIds, logProbs, samplingLogProbs } of group!) {
        const [row] = await trainer.logProbs([{ prompt, completion: tokenIds! }], { temperature });
        expect(samplingLogProbs).toHaveLength(tokenIds!.length);
        for (const [t, value] of samplingLogProbs!.entries()) expect(value).toBeCloseTo(row![t]!, 10);
        expect(logProbs).toEqual(temperature === 1 ? samplingLogProbs : undefined);
      }
    }
    const [[greedy]] = (await trainer.sampler().generate([prompt], { ...generation, temperature: 0 })) as [[never]];
    expect(greedy).toMatchObject({ text: texts[0], samplingLogProbs: expect.arrayContaining([0]) });
  });

  it("samples the weights of a checkpoint after load", async () => {
    const trainer = await open();
    await trainer.save(join(folder, "kept"));
    await learn(trainer);
    await trainer.load(join(folder, "kept"));
    await trainer.sampler().generate([prompt], generation);
    expect(names().slice(-3)).toEqual(["load #2", "unload #1", "chat #2"]);
  });

  it("samples the interpolated weights", async () => {
    const trainer = await open();
    await learn(trainer);
    await trainer.sampler().generate([prompt], generation);
    await trainer.interpolate!(0.5);
    await trainer.sampler().generate([prompt], generation);
    expect(names().slice(-3)).toEqual(["load #3", "unload #2", "chat #3"]);
  });

  it("samples the new weights after a step during which it sampled", async () => {
    const inner = adapterTrainer();
    let finish = () => {};
    const mayEnd = new Promise<void>((resolve) => (finish = resolve));
    const optimStep: Trainer["optimStep"] = () => mayEnd.then(() => ({ gradNorm: 1 }));
    const trainer = await open({ ...inner, optimStep });
    const step = trainer.optimStep({ learningRate: 1 });
    await trainer.sampler().generate([prompt], generation);
    finish();
    await step;
    await trainer.sampler().generate([prompt], generation);
    expect(names().slice(2)).toEqual(["chat #1", "load #2", "unload #1", "chat #2"]);
  });

  it("loads once for calls at the same time", async () => {
    const trainer = await open();
    await learn(trainer);
    await Promise.all([1, 2, 3].map((seed) => trainer.sampler().generate([prompt], { ...generation, seed })));
    expect(server.calls.filter((call) => call.startsWith("load"))).toHaveLength(2);
  });

  it("loads the adapter again when a step is taken while it is saved", async () => {
    const own = adapterTrainer();
    let afterwards = async () => {};
    const trainer = await open({
      ...own,
      async save(dir) {
        await own.save(dir);
        await afterwards();
      },
    });
    await learn(trainer);
    afterwards = async () => {
      afterwards = async () => {};
      await learn(trainer);
    };
    for (let i = 0; i < 2; i++) await trainer.sampler().generate([prompt], generation);
    expect(names().slice(2)).toEqual(["load #2", "unload #1", "chat #2", "load #3", "unload #2", "chat #3"]);
  });

  it("loads the adapter again when the server was restarted", async () => {
    const trainer = await open();
    server.restart();
    const told: number[] = [];
    const onPromptEnd = (i: number) => void told.push(i);
    const groups = await trainer.sampler().generate([prompt, prompt], { ...generation, onPromptEnd });
    expect(groups.map((group) => group.length)).toEqual([1, 1]);
    expect(told.sort()).toEqual([0, 1]);
    expect(names()).toContain("load #2");
  });

  it("makes runs log the difference and correct for it", async () => {
    const labels = ["joy", "fear"];
    const task = classification({ labels });
    const dataset: readonly Example<LabelDistribution>[] = [{ id: "a", image, annotation: { joy: 0.9, fear: 0.1 } }];
    const run = riseR1({
      task,
      dataset,
      cots: [],
      trainer: () => open(),
      sft: false,
      rft: { steps: 2, groupSize: 4, examplesPerStep: 1, learningRate: 0.1 },
      preflight: false,
    });
    const metrics = [];
    for await (const event of run) if (event.type === "step-end") metrics.push(event.metrics);
    await run;
    expect(metrics).toHaveLength(2);
    for (const step of metrics) {
      expect(step).toHaveProperty("rise/sampler_masked");
      expect(step["sampling/sampling_logp_difference/max"]).toBeLessThan(1e-9);
    }
  });
});

describe("a server that fails", () => {
  it.each<[Fault, RegExp]>([
    [
      "no runtime loading",
      /load_lora_adapter: 404: Not Found; start vLLM with --enable-lora.*RUNTIME_LORA_UPDATING=True/,
    ],
    ["adapter refused", /load_lora_adapter: 400: LoRA rank 64 is greater than max_lora_rank 16\.$/],
    ["raw log-probs", /within 0\.01 nats .* start vLLM with --logprobs-mode processed_logprobs/],
    ["no token ids", /expected token_ids and as many log-probs, got no and \d+; return_token_ids needs vLLM 0\.10\.2/],
    ["a log-prob less", /expected token_ids and as many log-probs, got \d+ and \d+/],
    ["no log-probs", /200: expected log-probs/],
    ["load hangs", /load_lora_adapter: no answer within 300 ms/],
    ["load's answer stops midway", /load_lora_adapter: no answer within 300 ms/],
  ])("is an error at the start that says what to change: %s", async (fault, words) => {
    server.fault = fault;
    // A policy that is not uniform, so that kinds of log-probs differ.
    const trainer = adapterTrainer();
    const start: unknown = { role: "user", content: [{ type: "text", text: "Describe a picture." }] };
    for (let i = 0; i < 2; i++) {
      const completion = trainer.encode(texts[0]!);
      await trainer.backward([{ prompt: [start] as never, completion }], [completion.map(() => -1)]);
      await trainer.optimStep({ learningRate: 2 });
    }
    const error: unknown = await open(trainer, { timeoutMs: 300, maxDisagreement: 0.01 }).catch(
      (caught: unknown) => caught,
    );
    expect(error).toBeInstanceOf(BackendError);
    expect(error).toMatchObject({ scope: "backend", message: expect.stringMatching(words) });
    expect(await readdir(folder)).toEqual([]);
  });

  it("is an error that names the option when it cannot read the adapter's folder", async () => {
    await expect(open(adapterTrainer(), { serverAdapterDir: "/elsewhere" })).rejects.toThrow(
      /404: .*No adapter found for \/elsewhere\/rise-.*; adapterDir has to be a folder that the server can read/,
    );
  });

  it("is an error that names its address when it is down", async () => {
    await expect(open(adapterTrainer(), { baseUrl: "http://127.0.0.1:2/v1" })).rejects.toThrow(
      /127\.0\.0\.1:2\/v1\/load_lora_adapter: fetch failed: connect ECONNREFUSED/,
    );
  });

  it("keeps the trainer's weights when a later adapter is refused, and is asked again at the next call", async () => {
    const trainer = await open();
    await learn(trainer);
    server.fault = "adapter refused";
    await expect(trainer.sampler().generate([prompt], generation)).rejects.toThrow("LoRA rank 64");
    server.fault = undefined;
    expect(await trainer.sampler().generate([prompt], generation)).toHaveLength(1);
    expect(names().slice(-4)).toEqual(["load #2", "load #3", "unload #1", "chat #3"]);
  });

  it("does not stop a run when it cannot unload", async () => {
    server.fault = "unload fails";
    const trainer = await open();
    await learn(trainer);
    expect(await trainer.sampler().generate([prompt], generation)).toHaveLength(1);
  });

  it("shows in the log-probs when it samples an old adapter", async () => {
    server.fault = "stale adapter";
    const trainer = await open();
    for (let i = 0; i < 4; i++) await learn(trainer);
    const [group] = await trainer.sampler().generate([prompt], { ...generation, count: 8 });
    const sequences = group!.map(({ tokenIds }) => ({ prompt, completion: tokenIds! }));
    const rows = await trainer.logProbs(sequences);
    const gaps = group!.flatMap(({ logProbs }, i) => logProbs!.map((value, t) => Math.abs(value - rows[i]![t]!)));
    expect(Math.max(...gaps)).toBeGreaterThan(0.2);
  });

  it("never has the key in a message", async () => {
    const apiKey = "sk-0123456789abcdef";
    server.fault = "adapter refused";
    await expect(open(adapterTrainer(), { apiKey })).rejects.not.toThrow(apiKey);
    const baseUrl = `${server.url}?api-key=${apiKey}`;
    await expect(open(adapterTrainer(), { baseUrl })).rejects.not.toThrow(apiKey);
  });
});

describe("a call that vllmSampler cannot serve", () => {
  it("is refused when the trainer trains whole weights, and nothing is left behind", async () => {
    const error: unknown = await open(adapterTrainer({ lora: false })).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ConfigError);
    expect(String(error)).toMatch(/expected a trainer with lora, .* only through its own transfer between GPUs/);
    expect([await readdir(folder), server.calls]).toEqual([[], []]);
  });

  it.each([{ topK: 5 }, { topP: 0.9 }, { repetitionPenalty: 1.1 }])(
    "is refused when it samples with %j",
    async (shape) => {
      const sampler = (await open()).sampler();
      await expect(sampler.generate([prompt], { ...generation, ...shape })).rejects.toThrow(ConfigError);
      expect(await sampler.generate([prompt], { ...generation, ...shape, temperature: 0 })).toHaveLength(1);
    },
  );

  it.each<[object, string]>([
    [{ baseUrl: "localhost" }, "baseUrl: expected an http or https address"],
    [{ adapterDir: "" }, "expected adapterDir to be the path of a folder"],
    [{ adapter_dir: "x" }, 'unknown option "adapter_dir"; did you mean "adapterDir"?'],
  ])("is refused when the options are %j", async (options, words) => {
    await expect(open(adapterTrainer(), options)).rejects.toThrow(words);
  });

  it("is refused when the trainer is a promise", async () => {
    await expect(vllmSampler(Promise.resolve() as never, { baseUrl: server.url })).rejects.toThrow(
      "a promise: await it",
    );
  });
});

describe("temporary adapters", () => {
  it("lie in a folder of their own, which is removed", async () => {
    const before = await readdir(tmpdir());
    const trainer = await vllmSampler(adapterTrainer(), { baseUrl: server.url, retries: 0 });
    const made = (await readdir(tmpdir())).filter((name) => !before.includes(name) && name.startsWith("rise-vllm-"));
    expect(made.length).toBeGreaterThanOrEqual(1);
    const [name] = [...server.loaded.keys()];
    const own = made.find((dir) => existsSync(join(tmpdir(), dir, name!)));
    expect(own).toBeDefined();
    await trainer.dispose();
    expect([existsSync(join(tmpdir(), own!)), server.loaded.size]).toEqual([false, 0]);
  });
});
