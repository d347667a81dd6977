import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { DataError } from "../../../src/errors";
import { expectedTensors } from "../../../src/models/checkpoint/recorded";
import { openCheckpoint } from "../../../src/models/checkpoint/weights";
import { loadConfig } from "../../../src/models/families/qwen2-vl/config";
import { qwen2VlArchitecture } from "../../../src/models/families/qwen2-vl/family";
import { readSafetensors, writeSafetensors } from "../../../src/models/files/safetensors";
import { checkpointDir } from "../reference";

const config = await loadConfig(checkpointDir);
const architecture = qwen2VlArchitecture(config);
const tensors = await readSafetensors(join(checkpointDir, "model.safetensors"));
const scratch = await mkdtemp(join(tmpdir(), "weights-"));
afterAll(() => rm(scratch, { recursive: true }));
const folder = () => mkdtemp(join(scratch, "dir-"));

/** The names that transformers 4.52 to 4.57 give them. */
const nested = (name: string) =>
  name.startsWith("visual.") ? `model.${name}` : name.replace(/^model\./, "model.language_model.");

describe("the weights of a checkpoint", () => {
  it("are the tensors that its configuration says, and no others", () => {
    const shapes = [...tensors].map(([name, { shape }]) => [name, shape] as const);
    expect(new Map(shapes)).toEqual(expectedTensors(architecture));
  });

  it("of the 2B model are 2 208 985 600 numbers, as Qwen counts them", () => {
    const text = {
      ...config.text,
      vocabSize: 151936,
      hiddenSize: 1536,
      intermediateSize: 8960,
      layers: 28,
      heads: 12,
      kvHeads: 2,
      headDim: 128,
    };
    const vision = { ...config.vision, depth: 32, embedDim: 1280, heads: 16, mlpRatio: 4 };
    const sizes = [...expectedTensors(qwen2VlArchitecture({ ...config, text, vision })).values()].map((shape) =>
      shape.reduce((a, b) => a * b),
    );
    expect(sizes.reduce((a, b) => a + b)).toBe(2_208_985_600);
  });

  it("are read under Qwen's names, whichever the file has", async () => {
    const dir = await folder();
    await writeSafetensors(join(dir, "model.safetensors"), new Map([...tensors].map(([name, t]) => [nested(name), t])));
    const checkpoint = await openCheckpoint(dir, architecture);
    expect([...checkpoint.tensors.keys()].sort()).toEqual([...tensors.keys()].sort());
    const name = "model.layers.1.mlp.up_proj.weight";
    expect(await checkpoint.read(name)).toEqual(tensors.get(name)!.data);
  });

  it("may be spread over several files", async () => {
    const dir = await folder();
    const shards = [0, 1].map((k) => new Map([...tensors].filter((_, i) => i % 2 === k)));
    for (const [k, shard] of shards.entries()) await writeSafetensors(join(dir, `part-${k}.safetensors`), shard);
    const weight_map = Object.fromEntries(
      shards.flatMap((s, k) => [...s.keys()].map((n) => [n, `part-${k}.safetensors`])),
    );
    await writeFile(join(dir, "model.safetensors.index.json"), JSON.stringify({ weight_map }));
    const checkpoint = await openCheckpoint(dir, architecture);
    for (const [name, { data }] of tensors) expect(await checkpoint.read(name)).toEqual(data);
    await rm(join(dir, "part-1.safetensors"));
    await expect(openCheckpoint(dir, architecture)).rejects.toThrow("names part-1.safetensors");
  });

  it("are found where a Hugging Face cache links to", async () => {
    const [blobs, dir] = [join(await folder(), "blobs"), await folder()];
    await mkdir(blobs);
    await cp(join(checkpointDir, "model.safetensors"), join(blobs, "abc123"));
    await symlink(join(blobs, "abc123"), join(dir, "model.safetensors"));
    const checkpoint = await openCheckpoint(dir, architecture);
    expect(checkpoint.folder).toBe(blobs);
    expect(checkpoint.tensors.get("model.norm.weight")!.file).toBe("abc123");
  });

  it("leave out a stored copy of tied embeddings", async () => {
    const dir = await folder();
    const copy = tensors.get("model.embed_tokens.weight")!;
    await writeSafetensors(join(dir, "model.safetensors"), new Map([...tensors, ["lm_head.weight", copy]]));
    expect((await openCheckpoint(dir, architecture)).tensors.has("lm_head.weight")).toBe(false);
  });

  it("are refused where a tied head has numbers of its own: transformers would not tie it", async () => {
    const dir = await folder();
    const { shape, data } = tensors.get("model.embed_tokens.weight")!;
    const other = Float32Array.from(data);
    other[other.length - 1]! += 1;
    const both = new Map([...tensors, ["lm_head.weight", { shape, data: other }] as const]);
    await writeSafetensors(join(dir, "model.safetensors"), both);
    await expect(openCheckpoint(dir, architecture)).rejects.toThrow(
      /lm_head\.weight: expected a copy of model\.embed_tokens\.weight.*tie_word_embeddings false/,
    );
  });
});

describe("weights that do not fit the configuration", () => {
  it("are all listed in one DataError", async () => {
    const dir = await folder();
    const some = new Map(tensors);
    some.delete("model.norm.weight");
    some.delete("visual.blocks.0.attn.qkv.bias");
    some.set("visual.merger.ln_q.bias", { shape: [2], data: new Float32Array(2) });
    some.set("model.layers.2.mlp.up_proj.weight", { shape: [1], data: new Float32Array(1) });
    await writeSafetensors(join(dir, "model.safetensors"), some);
    const opening = openCheckpoint(dir, architecture);
    await expect(opening).rejects.toThrow(DataError);
    await expect(opening).rejects.toThrow("model.norm.weight: expected F32, F16 or BF16 [64], got none");
    await expect(opening).rejects.toThrow("visual.blocks.0.attn.qkv.bias: expected F32, F16 or BF16 [96], got none");
    await expect(opening).rejects.toThrow("visual.merger.ln_q.bias: expected F32, F16 or BF16 [32], got F32 [2]");
    await expect(opening).rejects.toThrow("model.layers.2.mlp.up_proj.weight: expected none, got F32 [1]");
  });

  it("are named when they are stored in a type that cannot be read", async () => {
    const dir = await folder();
    const path = join(dir, "model.safetensors");
    await writeSafetensors(path, tensors);
    const bytes = await readFile(path);
    const dtype = bytes.indexOf('"F32"', bytes.indexOf('"model.norm.weight"'));
    await writeFile(path, bytes.fill("U", dtype + 1, dtype + 2));
    await expect(openCheckpoint(dir, architecture)).rejects.toThrow(
      "model.norm.weight: expected F32, F16 or BF16 [64], got U32 [64]",
    );
  });

  it("are refused when a tensor is there under both its names", async () => {
    const dir = await folder();
    const twice = tensors.get("visual.merger.ln_q.bias")!;
    const both = new Map([...tensors, ["model.visual.merger.ln_q.bias", twice]]);
    await writeSafetensors(join(dir, "model.safetensors"), both);
    await expect(openCheckpoint(dir, architecture)).rejects.toThrow(
      "visual.merger.ln_q.bias: expected one tensor, got one in",
    );
  });

  it("of another network are told in twenty lines", async () => {
    const dir = await folder();
    const renamed = new Map([...tensors].map(([name, tensor]) => [`transformer.${name}`, tensor]));
    await writeSafetensors(join(dir, "model.safetensors"), renamed);
    const message = await openCheckpoint(dir, architecture).catch((error: Error) => error.message);
    expect(String(message).split("\n")).toHaveLength(22);
    expect(message).toContain(`… and ${2 * tensors.size - 20} more`);
  });

  it.each(["module.", "base_model.model.", "model.model.", "_orig_mod.module.", "model."])(
    "are read under a name that a wrapper writes before each: %s",
    async (prefix) => {
      const dir = await folder();
      const renamed = [...tensors].map(
        ([name, tensor]) => [`${prefix}${name.replace(/^model\./, "")}`, tensor] as const,
      );
      await writeSafetensors(join(dir, "model.safetensors"), new Map(renamed));
      const checkpoint = await openCheckpoint(dir, architecture);
      expect([...checkpoint.tensors.keys()].sort()).toEqual([...tensors.keys()].sort());
    },
  );

  it("stand beside the names that are there, when they are called otherwise", async () => {
    const dir = await folder();
    const renamed = [...tensors].map(([name, tensor]) => [`transformer.${name}`, tensor] as const);
    await writeSafetensors(join(dir, "model.safetensors"), new Map(renamed));
    await expect(openCheckpoint(dir, architecture)).rejects.toThrow(
      /got none\n {2}transformer\.\S+: expected none, got F32/,
    );
  });

  it("are called empty shards where DeepSpeed did not gather them", async () => {
    const dir = await folder();
    const empty = [...tensors].map(([name]) => [name, { shape: [0], data: new Float32Array() }] as const);
    await writeSafetensors(join(dir, "model.safetensors"), new Map(empty));
    await expect(openCheckpoint(dir, architecture)).rejects.toThrow(
      `${tensors.size} of its ${tensors.size} tensors are empty, as DeepSpeed ZeRO-3 saves`,
    );
  });

  it("are told in a few words when the index is wrong in very many places", async () => {
    const dir = await folder();
    const index = join(dir, "model.safetensors.index.json");
    for (const weight_map of [
      Object.fromEntries(Array.from({ length: 1e5 }, (_, i) => [`w${i}`, `f${i}`])),
      [1, 2],
      null,
    ]) {
      await writeFile(index, JSON.stringify({ weight_map }));
      const error: Error = await openCheckpoint(dir, architecture).then(
        () => expect.fail("it was read"),
        (error) => error,
      );
      expect(error).toBeInstanceOf(DataError);
      expect(error.message.length).toBeLessThan(2000);
    }
  });

  it("lack their output layer when embeddings are not tied and none is stored", async () => {
    const untied = qwen2VlArchitecture({ ...config, text: { ...config.text, tieWordEmbeddings: false } });
    await expect(openCheckpoint(checkpointDir, untied)).rejects.toThrow(
      "lm_head.weight: expected F32, F16 or BF16 [291, 64], got none",
    );
  });

  it("are asked for by name when they are missing", async () => {
    const dir = await folder();
    await expect(openCheckpoint(dir, architecture)).rejects.toThrow(
      `${dir}: expected model.safetensors or model.safetensors.index.json, got none`,
    );
    await writeFile(join(dir, "pytorch_model.bin"), "");
    await expect(openCheckpoint(dir, architecture)).rejects.toThrow("got pytorch_model.bin");
  });
});
