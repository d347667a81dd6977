import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { mergeAdapter } from "../../../src/engine/checkpoint/merge";
import { CheckpointError } from "../../../src/errors";
import { readSafetensors, writeSafetensors } from "../../../src/models/files/safetensors";
import type { LossFn, Trainer, TrainSequence } from "../../../src/trainer";
import { onnxTrainer } from "../../../src/trainers/onnx";
import { checkpointDir, largestError, promptOf, reference } from "../../models/reference";

// Recorded by test/reference/peft/make.py and qwen2-vl/shapes.py: PEFT 0.21.2, transformers 5.23.0, torch 2.13.0 (CPU, float32).
const data = (path: string) => fileURLToPath(new URL(`../../reference/data/${path}`, import.meta.url));
const peft = data("peft");
const scratch = await mkdtemp(join(tmpdir(), "rise-merge-"));
afterAll(() => rm(scratch, { recursive: true }));
const folder = () => mkdtemp(join(scratch, "merged-"));

const still: LossFn = (logProbs) => ({ loss: 0, gradient: logProbs.map((row) => new Float64Array(row.length)) });
const raise: LossFn = (logProbs) => ({
  loss: 0,
  gradient: logProbs.map((row) => new Float64Array(row.length).fill(-1)),
});

async function using<T>(options: Parameters<typeof onnxTrainer>[0], use: (trainer: Trainer) => Promise<T>): Promise<T> {
  const trainer = await onnxTrainer(options);
  return use(trainer).finally(() => trainer.dispose());
}

const logProbsOf = (model: string, sequence: TrainSequence) =>
  using({ model, device: "cpu" }, async (trainer) => (await trainer.forwardBackward([sequence], still)).logProbs[0]!);

const example = reference.cases.find(({ name }) => name === "two pictures")!;
const sequence = { prompt: promptOf(example), completion: example.completionIds };

describe("a merged checkpoint", () => {
  it("of PEFT's adapter has the log-probs that PEFT gives the two of them, to 1e-5", async () => {
    const dir = await folder();
    await mergeAdapter(peft, dir, { model: checkpointDir, dtype: "float32" });
    const expected = (await readSafetensors(join(peft, "figures.safetensors"))).get("logProbs")!.data;
    expect(largestError(await logProbsOf(dir, sequence), expected)).toBeLessThan(1e-5);
  });

  it("has them of rsLoRA on both towers of a bfloat16 checkpoint in four files too, to 1e-5", async () => {
    const shape = data("shapes/untied");
    const dir = await folder();
    await mergeAdapter(join(shape, "adapter"), dir, { model: join(shape, "checkpoint"), dtype: "float32" });
    const { cases }: typeof reference = JSON.parse(await readFile(join(shape, "cases.json"), "utf8"));
    const { messages, completionIds } = cases.find(({ name }) => name === "two pictures")!;
    const prompt = messages.map(({ role, content }) => ({
      role,
      content: content.map((part) =>
        part.type === "image" ? { ...part, image: join(shape, "images", part.image) } : part,
      ),
    }));
    const expected = (await readSafetensors(join(shape, "arrays.safetensors"))).get("lora/logProbs")!.data;
    const logProbs = await logProbsOf(dir, { prompt, completion: completionIds });
    expect(largestError(logProbs, expected)).toBeLessThan(1e-5);
  });

  it.each([
    { rank: 2 },
    { rank: 4, alpha: 3, rsLora: true, targetModules: "all-linear" as const },
    { rank: 1, targetModules: ["attn.qkv", "mlp.2", "layers.1.self_attn.q_proj"] },
  ])("has the log-probs of the trainer that saved the adapter, to 1e-5: %j", async (lora) => {
    const [adapter, dir] = [await folder(), await folder()];
    const trained = await using({ model: checkpointDir, device: "cpu", lora }, async (trainer) => {
      for (let step = 0; step < 2; step++) {
        await trainer.forwardBackward([sequence], raise);
        await trainer.optimStep({ learningRate: 1e-2 });
      }
      await trainer.save(adapter);
      return (await trainer.forwardBackward([sequence], still)).logProbs[0]!;
    });
    await mergeAdapter(adapter, dir, { dtype: "float32" });
    expect(largestError(await logProbsOf(dir, sequence), trained)).toBeLessThan(1e-5);
    expect(largestError(await logProbsOf(checkpointDir, sequence), trained)).toBeGreaterThan(1e-2);
  });

  it("is not made of an adapter for another model, and says which matrices have no place", async () => {
    const shape = data("shapes/untied");
    const merging = mergeAdapter(peft, await folder(), { model: join(shape, "checkpoint") });
    await expect(merging).rejects.toThrow(CheckpointError);
    await expect(merging).rejects.toThrow("no place for model.layers.0.mlp.down_proj.lora_A.weight [3, 72]");
  });

  it("is not made of an adapter whose model is not where it says, and says how to name it", async () => {
    const dir = await folder();
    await cp(peft, dir, { recursive: true });
    const settings = JSON.parse(await readFile(join(dir, "adapter_config.json"), "utf8"));
    const moved = { ...settings, base_model_name_or_path: "./moved/away/since" };
    await writeFile(join(dir, "adapter_config.json"), JSON.stringify(moved));
    await expect(mergeAdapter(dir, await folder())).rejects.toThrow(
      /adapter_config\.json: expected to find what it names as its model, or options\.model: \.\/moved\/away\/since/,
    );
  });

  it("is not written with NaN or infinity, of a damaged adapter or in too small a type", async () => {
    const adapter = await folder();
    await cp(peft, adapter, { recursive: true });
    const path = join(adapter, "adapter_model.safetensors");
    const tensors = await readSafetensors(path);
    const [name, b] = [...tensors].find(([key]) => key.includes("lora_B"))!;
    const merging = async (value: number, dtype: "float16" | "bfloat16") => {
      b.data[0] = value;
      await writeSafetensors(path, tensors);
      return mergeAdapter(adapter, join(scratch, `never-${value}`), { model: checkpointDir, dtype });
    };
    const module = name.replace(/^base_model\.model\.model\.(language_model\.)?|\.lora_B.*/g, "");
    const expected = (type: string, got: string) =>
      new RegExp(`${module}\\.weight: expected finite numbers that ${type} can hold, got ${got}`);
    await expect(merging(Number.NaN, "bfloat16")).rejects.toThrow(expected("BF16", "NaN"));
    await expect(merging(1e9, "float16")).rejects.toThrow(expected("F16", "-?\\d"));
    await expect(merging(1e9, "float16")).rejects.toThrow(CheckpointError);
    await expect(readdir(scratch)).resolves.not.toContain(expect.stringContaining("never"));
    await merging(1e9, "bfloat16");
  });

  it("is not made of an adapter that is more than LoRA", async () => {
    const dir = await folder();
    await cp(peft, dir, { recursive: true });
    const settings = JSON.parse(await readFile(join(dir, "adapter_config.json"), "utf8"));
    const merging = async (other: object) => {
      await writeFile(join(dir, "adapter_config.json"), JSON.stringify({ ...settings, ...other }));
      return mergeAdapter(dir, await folder(), { model: checkpointDir });
    };
    for (const other of [
      ...[{ use_dora: true }, { rank_pattern: { q_proj: 8 } }, { alpha_pattern: { q_proj: 8 } }, { bias: "all" }],
      ...[{ peft_type: "LOHA" }, { alora_invocation_tokens: [1] }],
      ...[{ init_lora_weights: "pissa" }, { init_lora_weights: "pissa_niter_4" }, { init_lora_weights: "olora" }],
    ])
      await expect(merging(other)).rejects.toThrow(
        `expected plain LoRA, got ${Object.keys(other)[0]} ${JSON.stringify(Object.values(other)[0])}`,
      );
    for (const plain of [{ init_lora_weights: "gaussian" }, { init_lora_weights: false, loftq_config: {} }])
      await merging(plain);
  });
});

// Recorded by test/reference/peft/tokens.py: PEFT 0.21.2, transformers 5.24.0, torch 2.14.1 (CPU, float32).
describe("a merged checkpoint of an adapter that trains more than linear layers", () => {
  const models = { tied: checkpointDir, untied: data("shapes/untied/checkpoint") };
  const words = promptOf(reference.cases.find(({ name }) => name === "words only")!);
  const recorded = async (name: string) => {
    const { checkpoint, completionIds, logProbs } = JSON.parse(
      await readFile(data(`peft-tokens/${name}/case.json`), "utf8"),
    );
    return { model: models[checkpoint as keyof typeof models], completionIds, logProbs };
  };
  const merged = async (adapter: string, model: string) => {
    const dir = await folder();
    await mergeAdapter(adapter, dir, { model, dtype: "float32" });
    return dir;
  };

  it.each([
    ...["tied-both-saved", "tied-embeddings-saved", "tied-together", "tied-rows", "tied-head"],
    ...["untied-resized", "untied-rows", "untied-lora"],
  ])("has the log-probs that PEFT gives, to 1e-5: %s", async (name) => {
    const { model, completionIds, logProbs } = await recorded(name);
    const dir = await merged(data(`peft-tokens/${name}`), model);
    const ours = await logProbsOf(dir, { prompt: words, completion: completionIds });
    expect(largestError(ours, logProbs)).toBeLessThan(1e-5);
  });

  it("has the tokenizer that lies beside an adapter with new tokens, and its vocabulary's size", async () => {
    const { model } = await recorded("untied-resized");
    const adapter = await folder();
    await cp(data("peft-tokens/untied-resized"), adapter, { recursive: true });
    const json = JSON.parse(await readFile(join(model, "tokenizer.json"), "utf8"));
    json.added_tokens.push({ ...json.added_tokens[0], id: 291, content: "<mood>" });
    await writeFile(join(adapter, "tokenizer.json"), JSON.stringify(json));
    const dir = await merged(adapter, model);
    const config = JSON.parse(await readFile(join(dir, "config.json"), "utf8"));
    expect(config.text_config.vocab_size).toBe(295);
    expect(await readFile(join(dir, "tokenizer.json"), "utf8")).toContain("<mood>");
  });

  it.each(["", ".default", ".modules_to_save.default"])(
    "is made of names that others write too: module.base_model.model.…%s",
    async (end) => {
      const { model, completionIds, logProbs } = await recorded("untied-resized");
      const adapter = await folder();
      await cp(data("peft-tokens/untied-resized"), adapter, { recursive: true });
      const path = join(adapter, "adapter_model.safetensors");
      const renamed = [...(await readSafetensors(path))].map(
        ([name, tensor]) => [`module.${name.replace(/\.weight$/, `${end}.weight`)}`, tensor] as const,
      );
      await writeSafetensors(path, new Map(renamed));
      const dir = await merged(adapter, model);
      const ours = await logProbsOf(dir, { prompt: words, completion: completionIds });
      expect(largestError(ours, logProbs)).toBeLessThan(1e-5);
    },
  );

  it("is refused for embeddings without the head's rows, and for rows that the model lacks", async () => {
    const { model } = await recorded("untied-resized");
    const adapter = await folder();
    await cp(data("peft-tokens/untied-resized"), adapter, { recursive: true });
    const path = join(adapter, "adapter_model.safetensors");
    const without = [...(await readSafetensors(path))].filter(([name]) => !name.includes("lm_head"));
    await writeSafetensors(path, new Map(without));
    await expect(merged(adapter, model)).rejects.toThrow("in the head as in the embeddings, got 291 and 295");
    await cp(data("peft-tokens/untied-rows"), adapter, { recursive: true });
    const settings = JSON.parse(await readFile(join(adapter, "adapter_config.json"), "utf8"));
    settings.trainable_token_indices.embed_tokens[1] = 291;
    await writeFile(join(adapter, "adapter_config.json"), JSON.stringify(settings));
    await expect(merged(adapter, model)).rejects.toThrow("no place for model.embed_tokens.token_adapter.");
  });

  it("is what a trainer is referred to that should load it", async () => {
    const { model } = await recorded("untied-resized");
    const lora = { rank: 2, alpha: 3, targetModules: ["q_proj"] };
    await using({ model, device: "cpu", lora }, async (trainer) => {
      await expect(trainer.load(data("peft-tokens/untied-resized"))).rejects.toThrow(
        /expected plain LoRA, got modules_to_save \["embed_tokens","lm_head"\]; mergeAdapter makes a model of it/,
      );
    });
  });
});

describe("an adapter's files", () => {
  const broken = async (change: (dir: string) => Promise<unknown>) => {
    const dir = await folder();
    await cp(peft, dir, { recursive: true });
    await change(dir);
    return mergeAdapter(dir, await folder(), { model: checkpointDir });
  };

  it("are refused as Git-LFS pointers, as a .bin alone, and as shards that nobody gathered", async () => {
    const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3988609112\n";
    const weights = (dir: string) => join(dir, "adapter_model.safetensors");
    await expect(broken((dir) => writeFile(weights(dir), pointer))).rejects.toThrow("got a Git-LFS pointer");
    await expect(broken((dir) => writeFile(join(dir, "adapter_config.json"), pointer))).rejects.toThrow(
      "got a Git-LFS pointer",
    );
    const renamed = (dir: string) => rename(weights(dir), join(dir, "adapter_model.bin"));
    await expect(broken(renamed)).rejects.toThrow("got adapter_model.bin alone");
    const empty = async (dir: string) => {
      const names = [...(await readSafetensors(weights(dir))).keys()];
      const nothing = { shape: [0], data: new Float32Array() };
      await writeSafetensors(weights(dir), new Map(names.map((name) => [name, nothing])));
    };
    await expect(broken(empty)).rejects.toThrow(/12 of its 12 tensors are empty, as DeepSpeed ZeRO-3/);
  });

  it("are no TypeError when adapter_config.json is no object", async () => {
    for (const json of ["null", "[]", "7"])
      await expect(broken((dir) => writeFile(join(dir, "adapter_config.json"), json))).rejects.toThrow(
        "expected an object of settings",
      );
  });

  it("have PEFT's defaults for what adapter_config.json leaves out", async () => {
    const settings = JSON.parse(await readFile(join(peft, "adapter_config.json"), "utf8"));
    for (const left of ["r", "lora_alpha"]) delete settings[left];
    await expect(
      broken((dir) => writeFile(join(dir, "adapter_config.json"), JSON.stringify(settings))),
    ).rejects.toThrow("expected matrices of rank 8");
  });
});

describe("an adapter's settings name", () => {
  const targets = async (targetModules: readonly string[] | "all-linear") => {
    const dir = await folder();
    await using({ model: checkpointDir, device: "cpu", lora: { rank: 1, targetModules } }, (trainer) =>
      trainer.save(dir),
    );
    return JSON.parse(await readFile(join(dir, "adapter_config.json"), "utf8")).target_modules.sort();
  };

  it("layers as PEFT itself does where all are adapted", async () => {
    const theirs = JSON.parse(await readFile(join(data("shapes/untied"), "adapter/adapter_config.json"), "utf8"));
    expect(await targets("all-linear")).toEqual(theirs.target_modules);
  });

  it("no layers but those that are adapted", async () => {
    expect(await targets(["q_proj", "up_proj"])).toEqual(["q_proj", "up_proj"]);
    // By "proj" PEFT would adapt the patch embedding, by "2" whole layers.
    expect(await targets(["attn.proj", "mlp.2"])).toEqual(["attn.proj", "mlp.2"]);
    expect(await targets(["blocks.1.attn.qkv"])).toEqual(["1.attn.qkv"]);
  });
});
