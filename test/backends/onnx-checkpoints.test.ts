import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { onnxBackend } from "../../src/backends/onnx";
import { readSafetensors, type StoredDtype, writeSafetensors } from "../../src/models/files/safetensors";
import { checkpointDir, promptOf, reference } from "../models/reference";

const scratch = await mkdtemp(join(tmpdir(), "rise-checkpoints-"));
afterAll(() => rm(scratch, { recursive: true }));

const prompts = reference.cases.map(promptOf);
const weights = await readSafetensors(join(checkpointDir, "model.safetensors"));
const original = await written(checkpointDir);

describe("a checkpoint computes the same", () => {
  it("in shards", async () => {
    const dir = await copy();
    const shards = [0, 1, 2].map((k) => new Map([...weights].filter((_, i) => i % 3 === k)));
    const fileOf = (k: number) => `model-0000${k + 1}-of-00003.safetensors`;
    for (const [k, shard] of shards.entries()) await writeSafetensors(join(dir, fileOf(k)), shard);
    const weight_map = Object.fromEntries(shards.flatMap((s, k) => [...s.keys()].map((name) => [name, fileOf(k)])));
    await writeFile(join(dir, "model.safetensors.index.json"), JSON.stringify({ metadata: {}, weight_map }));
    await rm(join(dir, "model.safetensors"));
    expect(await written(dir)).toEqual(original);
  });

  it("with names as later versions of transformers nest them", async () => {
    const dir = await copy();
    const nested = (name: string) =>
      name.startsWith("visual.") ? `model.${name}` : name.replace(/^model\./, "model.language_model.");
    await writeSafetensors(join(dir, "model.safetensors"), new Map([...weights].map(([n, t]) => [nested(n), t])));
    expect(await written(dir)).toEqual(original);
  });

  it("with output weights of their own, which are used: swapping two rows of them swaps two tokens", async () => {
    const dir = await copy();
    await editJson(join(dir, "config.json"), (config) => ({
      ...config,
      tie_word_embeddings: false,
      text_config: { ...(config.text_config as object), tie_word_embeddings: false },
    }));
    const embeddings = weights.get("model.embed_tokens.weight")!;
    const untied = { shape: embeddings.shape, data: embeddings.data.slice() };
    const save = () =>
      writeSafetensors(join(dir, "model.safetensors"), new Map([...weights, ["lm_head.weight", untied]]));
    await save();
    expect(await written(dir)).toEqual(original);

    const width = embeddings.shape[1]!;
    const first = original[0]!.tokenIds![0]!;
    const other = first === 65 ? 66 : 65;
    const row = (id: number) => embeddings.data.subarray(id * width, (id + 1) * width);
    untied.data.set(row(other), first * width);
    untied.data.set(row(first), other * width);
    await save();
    expect((await written(dir))[0]!.tokenIds![0]).toBe(other);
  });

  it("with a flat config.json and rope_scaling, as Qwen published its own", async () => {
    const dir = await copy();
    await editJson(join(dir, "config.json"), ({ text_config, vision_config, ...outer }) => {
      const {
        rope_parameters: rope,
        model_type: _,
        ...text
      } = text_config as { rope_parameters: Rope; model_type: string };
      return {
        ...text,
        ...outer,
        vision_config,
        rope_theta: rope.rope_theta,
        rope_scaling: { type: "mrope", mrope_section: rope.mrope_section },
      };
    });
    expect(await written(dir)).toEqual(original);
  });

  it("with processor_config.json in place of preprocessor_config.json", async () => {
    const dir = await copy();
    const image_processor = JSON.parse(await readFile(join(dir, "preprocessor_config.json"), "utf8"));
    await writeFile(join(dir, "processor_config.json"), JSON.stringify({ image_processor }));
    await rm(join(dir, "preprocessor_config.json"));
    expect(await written(dir)).toEqual(original);
  });

  it.each<StoredDtype>(["BF16", "F16"])("in %s as in float32 with the same numbers", async (dtype) => {
    const [half, single] = [await copy(), await copy()];
    await writeSafetensors(join(half, "model.safetensors"), weights, dtype);
    const rounded = await readSafetensors(join(half, "model.safetensors"));
    expect(rounded).not.toEqual(weights);
    await writeSafetensors(join(single, "model.safetensors"), rounded);
    const [a, b] = [await written(half), await written(single)];
    expect(a.map(({ tokenIds }) => tokenIds)).toEqual(b.map(({ tokenIds }) => tokenIds));
    for (const [i, { logProbs }] of a.entries())
      for (const [t, logProb] of logProbs!.entries()) expect(logProb).toBeCloseTo(b[i]!.logProbs![t]!, 5);
  });
});

interface Rope {
  readonly rope_theta: number;
  readonly mrope_section: readonly number[];
}

async function written(model: string) {
  const backend = await onnxBackend({ model, device: "cpu" });
  try {
    return (await backend.generate(prompts, { maxTokens: 6, temperature: 0, seed: 0 })).flat();
  } finally {
    await backend.dispose();
  }
}

async function copy(): Promise<string> {
  const dir = await mkdtemp(join(scratch, "model-"));
  await cp(checkpointDir, dir, { recursive: true });
  return dir;
}

async function editJson(path: string, edit: (json: Record<string, unknown>) => unknown): Promise<void> {
  await writeFile(path, JSON.stringify(edit(JSON.parse(await readFile(path, "utf8")))));
}
