import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { onnxBackend } from "../../src/backends/onnx";
import { mergeAdapter } from "../../src/engine/checkpoint/merge";
import { CheckpointError } from "../../src/errors";
import { readHeader, readSafetensors } from "../../src/models/files/safetensors";
import type { LossFn } from "../../src/trainer";
import { onnxTrainer } from "../../src/trainers/onnx";
import { checkpointDir, promptOf, reference } from "../models/reference";

// Recorded by test/reference/peft/make.py: PEFT 0.21.2, transformers 5.23.0.
const peft = fileURLToPath(new URL("../reference/data/peft", import.meta.url));
const scratch = await mkdtemp(join(tmpdir(), "rise-adapter-"));
afterAll(() => rm(scratch, { recursive: true }));

const example = reference.cases.find(({ name }) => name === "two pictures")!;
const prompt = promptOf(example);
const raise: LossFn = (logProbs) => ({
  loss: 0,
  gradient: logProbs.map((row) => new Float64Array(row.length).fill(-1)),
});

/** A run directory with checkpoints of steps 1 and 2, of which the first is the best; step 3 is a stop without weights. */
async function runOf(lora: { rank: number } | undefined): Promise<{ run: string; texts: readonly string[] }> {
  const run = await mkdtemp(join(scratch, "run-"));
  await writeFile(join(run, "config.json"), JSON.stringify({ pipeline: "rise-r1" }));
  const trainer = await onnxTrainer({ model: checkpointDir, device: "cpu", ...(lora && { lora }) });
  const texts: string[] = [];
  for (const step of [1, 2, 3]) {
    const dir = join(run, "checkpoints", `step-${step}`);
    await mkdir(dir, { recursive: true });
    if (step < 3) {
      await trainer.forwardBackward([{ prompt, completion: example.completionIds }], raise);
      await trainer.optimStep({ learningRate: step === 1 ? 1e-2 : 5e-2 });
      await trainer.save(dir);
      texts.push(await greedy(trainer.sampler()));
    }
    await writeFile(join(dir, "state.json"), JSON.stringify({ step, policy: Math.min(step, 2) }));
  }
  await trainer.dispose();
  return { run, texts };
}

type Backend = Awaited<ReturnType<typeof onnxBackend>>;

async function greedy(backend: Backend): Promise<string> {
  const [completions] = await backend.generate([prompt], { maxTokens: 12, temperature: 0, seed: 0 });
  return completions![0]!.text;
}

async function textOf(options: Parameters<typeof onnxBackend>[0]): Promise<string> {
  const backend = await onnxBackend({ device: "cpu", ...options });
  return greedy(backend).finally(() => backend.dispose());
}

const setBest = async (run: string, step: number) => {
  const file = join(run, "checkpoints", "step-3", "state.json");
  await writeFile(file, JSON.stringify({ step: 3, policy: 2, best: { step, reward: 1 } }));
};

describe("onnxBackend, with what was trained", () => {
  it("opens a run's newest adapter, or its best one, as model, as adapter, and by its checkpoint", async () => {
    const { run, texts } = await runOf({ rank: 4 });
    const before = await textOf({ model: checkpointDir });
    expect(new Set([before, ...texts]).size).toBe(3);
    expect(await textOf({ adapter: run })).toBe(texts[1]);
    expect(await textOf({ adapter: run, model: checkpointDir })).toBe(texts[1]);
    expect(await textOf({ adapter: join(run, "checkpoints", "step-1") })).toBe(texts[0]);
    expect(await textOf({ adapter: join(run, "checkpoints", "step-3") })).toBe(texts[1]);
    await setBest(run, 1);
    expect(await textOf({ model: run })).toBe(texts[0]);
    const trainer = await onnxTrainer({ model: checkpointDir, device: "cpu", lora: { rank: 4 } });
    await trainer.load(run);
    expect(await greedy(trainer.sampler())).toBe(texts[0]);
    await trainer.dispose();
  });

  it("opens a run's whole checkpoint as model, and refuses it as adapter", async () => {
    const { run, texts } = await runOf(undefined);
    expect(await textOf({ model: run })).toBe(texts[1]);
    await expect(textOf({ adapter: run })).rejects.toThrow(
      /step-2: expected an adapter, .* got a whole model; pass it as/,
    );
  });

  it("opens PEFT's adapter to the text of the merged model, in quantized weights too", async () => {
    const merged = join(scratch, "merged");
    await mergeAdapter(peft, merged, { model: checkpointDir, dtype: "float32" });
    expect(await textOf({ model: checkpointDir, adapter: peft })).toBe(await textOf({ model: merged }));
    expect(await textOf({ model: checkpointDir, adapter: peft, precision: "int8" })).toEqual(expect.any(String));
  });

  it.each<[string, (dir: string) => Promise<unknown>, RegExp]>([
    [
      "none is there",
      (dir) => rm(join(dir, "adapter_config.json")),
      /expected an adapter, with an adapter_config\.json, got none/,
    ],
    [
      "it is not plain LoRA",
      (dir) => change(dir, { init_lora_weights: "pissa" }),
      /expected plain LoRA, got init_lora_weights "pissa"/,
    ],
    ["its rank is another", (dir) => change(dir, { r: 9 }), /not what is being trained[\s\S]*expected \[9, /],
    [
      "it trains whole weights",
      (dir) => change(dir, { modules_to_save: ["lm_head"] }),
      /mergeAdapter makes a model of it/,
    ],
  ])("refuses an adapter when %s", async (_, spoil, message) => {
    const dir = await mkdtemp(join(scratch, "peft-"));
    await cp(peft, dir, { recursive: true });
    await spoil(dir);
    await expect(textOf({ model: checkpointDir, adapter: dir })).rejects.toThrow(message);
  });

  it("names the weights of a run directory as the model of an adapter on it, whatever letters are in its path", async () => {
    const { run } = await runOf(undefined);
    await rename(run, `${run}@2`);
    const trainer = await onnxTrainer({ model: `${run}@2`, device: "cpu", lora: { rank: 1 } });
    const dir = join(scratch, "on-run");
    await trainer.save(dir);
    await trainer.dispose();
    const config = JSON.parse(await readFile(join(dir, "adapter_config.json"), "utf8"));
    expect(config).toMatchObject({
      base_model_name_or_path: join(`${run}@2`, "checkpoints", "step-2"),
      revision: null,
    });
  });

  it("says of a run directory without weights that it is one", async () => {
    const run = await mkdtemp(join(scratch, "empty-"));
    await writeFile(join(run, "config.json"), JSON.stringify({ pipeline: "evaluate" }));
    const message = `${run}: expected weights, got a run directory without any`;
    await expect(textOf({ model: run })).rejects.toThrow(message);
    await expect(onnxTrainer({ model: run, device: "cpu" })).rejects.toThrow(message);
  });
});

async function change(dir: string, settings: object): Promise<void> {
  const file = join(dir, "adapter_config.json");
  await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, "utf8")), ...settings }));
}

describe("mergeAdapter", () => {
  const dtypesIn = async (dir: string) => {
    const files = (await readdir(dir)).filter((name) => name.endsWith(".safetensors"));
    const headers = await Promise.all(files.map((name) => readHeader(join(dir, name))));
    return [...new Set(headers.flatMap((header) => [...header.values()].map(({ dtype }) => dtype)))];
  };
  const merge = (dir: string, options: object = {}) => mergeAdapter(peft, dir, { model: checkpointDir, ...options });

  it("writes the model's own type, and another one if asked to, in weights and configuration", async () => {
    const [own, brain] = [join(scratch, "own"), join(scratch, "brain")];
    await merge(own);
    expect(await dtypesIn(own)).toEqual(await dtypesIn(checkpointDir));
    const config = async (dir: string) => JSON.parse(await readFile(join(dir, "config.json"), "utf8"));
    expect(await config(own)).toEqual(await config(checkpointDir));
    await merge(brain, { dtype: "bfloat16" });
    expect(await dtypesIn(brain)).toEqual(["BF16"]);
    expect(JSON.stringify(await config(brain))).toMatch(/dtype":"bfloat16"/);
  });

  it("splits weights above a size into files with an index, which hold the same numbers", async () => {
    const [one, several] = [join(scratch, "one"), join(scratch, "several")];
    await merge(one);
    await merge(several, { shardBytes: 50_000 });
    const { metadata, weight_map: map } = JSON.parse(
      await readFile(join(several, "model.safetensors.index.json"), "utf8"),
    );
    const files = [...new Set<string>(Object.values(map))];
    expect(files.length).toBeGreaterThan(2);
    expect(files[0]).toBe(`model-00001-of-${String(files.length).padStart(5, "0")}.safetensors`);
    const whole = await readSafetensors(join(one, "model.safetensors"));
    const parts = await Promise.all(files.map((file) => readSafetensors(join(several, file))));
    expect(new Map(parts.flatMap((part) => [...part]))).toEqual(whole);
    const header = await readHeader(join(one, "model.safetensors"));
    expect(metadata.total_size).toBe([...header.values()].reduce((sum, { bytes }) => sum + bytes, 0));
    expect(await textOf({ model: several })).toBe(await textOf({ model: one }));
  });

  it("refuses a folder that holds something, itself included, and leaves nothing when it fails", async () => {
    const dir = join(scratch, "twice");
    await merge(dir);
    const before = await readFile(join(dir, "model.safetensors"));
    await expect(merge(dir)).rejects.toThrow(
      /twice: expected a new or empty folder, got one with ".*" in it; name another/,
    );
    await expect(mergeAdapter(peft, peft, { model: checkpointDir })).rejects.toThrow(CheckpointError);
    expect((await readFile(join(dir, "model.safetensors"))).equals(before)).toBe(true);
    await expect(merge(join(scratch, "x"), { dtype: "fp16" })).rejects.toThrow("expected dtype to be one of float32");
    await expect(merge(join(scratch, "x"), { model: join(scratch, "none") })).rejects.toThrow("none");
    expect((await readdir(scratch)).filter((name) => /^x|partial$/.test(name))).toEqual([]);
  });

  it("leaves a folder alone whose name looks like a part of its own", async () => {
    const dir = join(scratch, "beside");
    await mkdir(`${dir}.partial`);
    await writeFile(join(`${dir}.partial`, "thesis.tex"), "");
    await merge(dir);
    expect(await readdir(`${dir}.partial`)).toEqual(["thesis.tex"]);
    expect(await readdir(dir)).toContain("model.safetensors");
  });

  it("takes a run directory", async () => {
    const { run, texts } = await runOf({ rank: 2 });
    await mergeAdapter(run, join(scratch, "of-run"), { dtype: "float32" });
    expect(await textOf({ model: join(scratch, "of-run") })).toBe(texts[1]);
  });
});
