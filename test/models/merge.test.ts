import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { CheckpointError } from "../../src/errors";
import { mergeAdapter } from "../../src/models/qwen2-vl/merge";
import { readSafetensors } from "../../src/models/qwen2-vl/safetensors";
import { onnxTrainer } from "../../src/trainers/onnx";
import type { LossFn, Trainer, TrainSequence } from "../../src/trainers/trainer";
import { checkpointDir, largestError, promptOf, reference } from "./qwen2-vl/reference";

// Recorded by test/reference/peft/make.py and qwen2-vl/shapes.py: PEFT 0.21.2, transformers 5.23.0, torch 2.13.0 (CPU, float32).
const data = (path: string) => fileURLToPath(new URL(`../reference/data/${path}`, import.meta.url));
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
    await mergeAdapter(peft, dir, { model: checkpointDir });
    const expected = (await readSafetensors(join(peft, "figures.safetensors"))).get("logProbs")!.data;
    expect(largestError(await logProbsOf(dir, sequence), expected)).toBeLessThan(1e-5);
  });

  it("has them of rsLoRA on both towers of a bfloat16 checkpoint in four files too, to 1e-5", async () => {
    const shape = data("shapes/untied");
    const dir = await folder();
    await mergeAdapter(join(shape, "adapter"), dir, { model: join(shape, "checkpoint") });
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
    await mergeAdapter(adapter, dir);
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
      ...[{ peft_type: "LOHA" }, { modules_to_save: ["lm_head"] }, { alora_invocation_tokens: [1] }],
      ...[{ init_lora_weights: "pissa" }, { init_lora_weights: "pissa_niter_4" }, { init_lora_weights: "olora" }],
    ])
      await expect(merging(other)).rejects.toThrow(
        `expected plain LoRA, found ${Object.keys(other)[0]} ${JSON.stringify(Object.values(other)[0])}`,
      );
    for (const plain of [{ init_lora_weights: "gaussian" }, { init_lora_weights: false, loftq_config: {} }])
      await merging(plain);
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
