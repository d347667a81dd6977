import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../../../../src/errors";
import { configJson, loadConfig } from "../../../../src/models/families/qwen2-vl/config";
import { checkpointDir } from "../../reference";

const scratch = await mkdtemp(join(tmpdir(), "config-"));
afterAll(() => rm(scratch, { recursive: true }));

const saved = JSON.parse(await readFile(join(checkpointDir, "config.json"), "utf8"));

async function load(json: unknown, generation?: unknown) {
  const dir = await mkdtemp(join(scratch, "dir-"));
  await writeFile(join(dir, "config.json"), JSON.stringify(json));
  if (generation) await writeFile(join(dir, "generation_config.json"), JSON.stringify(generation));
  return loadConfig(dir);
}

/** As Qwen published the 2B model: one flat object, `rope_scaling`, `in_chans`. */
const published = {
  architectures: ["Qwen2VLForConditionalGeneration"],
  attention_dropout: 0,
  bos_token_id: 151643,
  eos_token_id: 151645,
  vision_start_token_id: 151652,
  vision_end_token_id: 151653,
  vision_token_id: 151654,
  image_token_id: 151655,
  video_token_id: 151656,
  hidden_act: "silu",
  hidden_size: 1536,
  intermediate_size: 8960,
  max_position_embeddings: 32768,
  max_window_layers: 28,
  model_type: "qwen2_vl",
  num_attention_heads: 12,
  num_hidden_layers: 28,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-6,
  rope_theta: 1_000_000,
  sliding_window: 32768,
  tie_word_embeddings: true,
  torch_dtype: "bfloat16",
  use_sliding_window: false,
  vision_config: {
    depth: 32,
    embed_dim: 1280,
    mlp_ratio: 4,
    num_heads: 16,
    in_chans: 3,
    hidden_size: 1536,
    patch_size: 14,
  },
  rope_scaling: { type: "mrope", mrope_section: [16, 24, 24] },
  vocab_size: 151936,
};

describe("a configuration", () => {
  it("is read as transformers 5 saves it", async () => {
    expect(await loadConfig(checkpointDir)).toEqual({
      text: {
        vocabSize: 291,
        hiddenSize: 64,
        intermediateSize: 72,
        layers: 2,
        heads: 4,
        kvHeads: 2,
        headDim: 16,
        rmsNormEps: 1e-6,
        ropeTheta: 1e6,
        mropeSection: [2, 3, 3],
        contextLength: 512,
        tieWordEmbeddings: true,
      },
      vision: {
        depth: 2,
        embedDim: 32,
        heads: 2,
        mlpRatio: 2,
        patchSize: 14,
        temporalPatchSize: 2,
        spatialMergeSize: 2,
        inChannels: 3,
      },
      tokens: { image: 289, video: 290, visionStart: 287, visionEnd: 288, eos: [284, 285], pad: 285 },
    });
  });

  it("is read as Qwen published it", async () => {
    const { text, vision, tokens } = await load(published, { eos_token_id: [151645, 151643], pad_token_id: 151643 });
    expect(text).toMatchObject({ hiddenSize: 1536, headDim: 128, ropeTheta: 1e6, mropeSection: [16, 24, 24] });
    expect(text.tieWordEmbeddings).toBe(true);
    expect(vision).toMatchObject({ depth: 32, embedDim: 1280, patchSize: 14, temporalPatchSize: 2, inChannels: 3 });
    expect(tokens).toMatchObject({ image: 151655, eos: [151645, 151643], pad: 151643 });
  });

  it("comes back from the file it writes", async () => {
    const config = await load(published);
    expect(await load(configJson(config))).toEqual(config);
  });

  it("takes the first end token for padding when it has no other", async () => {
    expect((await load(published)).tokens).toMatchObject({ eos: [151645], pad: 151645 });
  });

  it("takes an end token for padding when the one it names is no token", async () => {
    for (const pad_token_id of [-1, 151936])
      expect((await load(published, { pad_token_id, eos_token_id: [200000, 151643] })).tokens.pad).toBe(151643);
  });

  it("has the published sections and angle where it names none, and none for an axis without frequencies", async () => {
    const { rope_scaling: _, rope_theta: __, ...bare } = published;
    expect((await load(bare)).text).toMatchObject({ ropeTheta: 1e6, mropeSection: [16, 24, 24] });
    const still = { type: "mrope", mrope_section: [0, 32, 32] };
    expect((await load({ ...published, rope_scaling: still })).text.mropeSection).toEqual([0, 32, 32]);
  });

  it("follows rope_scaling where it has rope_parameters too, as transformers does", async () => {
    const rope_parameters = { rope_type: "default", rope_theta: 5, mrope_section: [20, 22, 22] };
    const { text } = await load({ ...published, rope_parameters });
    expect(text).toMatchObject({ ropeTheta: 1e6, mropeSection: [16, 24, 24] });
  });

  it("takes an empty rope_scaling for none, as transformers does", async () => {
    const rope_parameters = { rope_type: "default", rope_theta: 5, mrope_section: [20, 22, 22] };
    const { text } = await load({ ...published, rope_scaling: {}, rope_parameters });
    expect(text).toMatchObject({ ropeTheta: 5, mropeSection: [20, 22, 22] });
  });

  it("ties embeddings when only text_config says so, as transformers does", async () => {
    const { text } = await load({ ...saved, tie_word_embeddings: false });
    expect(text.tieWordEmbeddings).toBe(true);
  });
});

describe("a configuration that leaves out what is the default of its class", () => {
  // The file that transformers 4.46.3 wrote for a 7B model.
  const { vision_config: _, ...language } = {
    ...published,
    hidden_size: 3584,
    num_attention_heads: 28,
    num_key_value_heads: 4,
  };
  const seven = { ...language, vision_config: { in_chans: 3, model_type: "qwen2_vl", spatial_patch_size: 14 } };
  const tower = {
    ...{ depth: 32, embedDim: 1280, heads: 16, mlpRatio: 4 },
    ...{ patchSize: 14, temporalPatchSize: 2, spatialMergeSize: 2, inChannels: 3 },
  };

  it("has the vision tower of a published model, whether a field is left out or null", async () => {
    expect((await load(seven)).vision).toEqual(tower);
    expect((await load(language)).vision).toEqual(tower);
    const nulls = Object.fromEntries(
      ["depth", "embed_dim", "mlp_ratio", "in_channels", "in_chans"].map((key) => [key, null]),
    );
    expect((await load({ ...seven, vision_config: nulls })).vision).toEqual(tower);
  });

  it("has the language model of the class", async () => {
    const bare = { model_type: "qwen2_vl", vision_config: { hidden_size: 8192 }, text_config: {} };
    const { text, tokens } = await load(bare);
    expect(text).toMatchObject({
      vocabSize: 152_064,
      hiddenSize: 8192,
      intermediateSize: 29_568,
      layers: 80,
      heads: 64,
    });
    expect(text).toMatchObject({ kvHeads: 8, rmsNormEps: 1e-5, ropeTheta: 1e6, contextLength: 32_768 });
    expect(text.tieWordEmbeddings).toBe(false);
    expect(tokens).toMatchObject({ image: 151_655, visionStart: 151_652, eos: [151_645] });
    const everyHead = await load({ ...bare, text_config: { num_key_value_heads: null } });
    expect(everyHead.text.kvHeads).toBe(64);
  });
});

describe("a configuration that this network cannot represent", () => {
  const { text_config: text, vision_config: vision } = saved;
  const rope = (change: object) => ({
    text_config: { ...text, rope_parameters: { ...text.rope_parameters, ...change } },
  });

  it.each<[string, object]>([
    ["model_type", { model_type: "qwen2_5_vl" }],
    ["quantised", { quantization_config: { quant_method: "awq" } }],
    ["hidden_act", { text_config: { ...text, hidden_act: "gelu" } }],
    ["use_sliding_window", { text_config: { ...text, use_sliding_window: true } }],
    ["layer_types", { text_config: { ...text, layer_types: ["full_attention", "sliding_attention"] } }],
    ["rope_type", rope({ rope_type: "yarn" })],
    ["mrope_section", rope({ mrope_section: [2, 3, 4] })],
    ["head_dim", { text_config: { ...text, head_dim: 32 } }],
    ["num_key_value_heads", { text_config: { ...text, num_key_value_heads: 3 } }],
    ["vocab_size", { text_config: { ...text, vocab_size: "many" } }],
    ["hidden_size", { vision_config: { ...vision, hidden_size: 128 } }],
    ["hidden_act", { vision_config: { ...vision, hidden_act: "silu" } }],
    ["in_channels", { vision_config: { ...vision, in_channels: 1 } }],
    ["num_heads", { vision_config: { ...vision, num_heads: 16 } }],
    ["rope_theta", { vision_config: { ...vision, rope_parameters: { rope_type: "axial", rope_theta: 5 } } }],
  ])("names %s and the file", async (key, change) => {
    const loading = load({ ...saved, ...change });
    await expect(loading).rejects.toThrow(ConfigError);
    await expect(loading).rejects.toThrow(key);
    await expect(loading).rejects.toThrow("config.json");
  });

  it.each<[string, object]>([
    ["num_hidden_layers", { text_config: { ...text, num_hidden_layers: 1e6 } }],
    ["vocab_size", { text_config: { ...text, vocab_size: 1e12 } }],
    ["depth", { vision_config: { ...vision, depth: 1e8 } }],
    ["layer_types", { text_config: { ...text, layer_types: new Array(1e5).fill("x".repeat(100)) } }],
    ["image_token_id", { image_token_id: -1 }],
    ["video_token_id", { video_token_id: 291 }],
    ["image_token_id", { image_token_id: 1.5 }],
  ])("names %s in a short message when it is out of bounds", async (key, change) => {
    const error: Error = await load({ ...saved, ...change }).then(
      () => expect.fail("it was read"),
      (error) => error,
    );
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message).toContain(key);
    expect(error.message.length).toBeLessThan(1000);
  });

  it.each([[-1], [[284, -1]], [289], [291], [new Array(1e6).fill(284)], [[0.5]]])(
    "names eos_token_id when it is no token that can end a turn",
    async (eos_token_id) => {
      await expect(load(saved, { eos_token_id })).rejects.toThrow("eos_token_id");
    },
  );

  it("names everything that is wrong at once", async () => {
    const wrong = { ...text, head_dim: 32, num_key_value_heads: 3, rope_parameters: null };
    const loading = load({ ...saved, text_config: wrong, vision_config: { ...vision, num_heads: 16 } });
    for (const part of ["head_dim", "num_key_value_heads", "got [16,24,24]", "num_heads 16"])
      await expect(loading).rejects.toThrow(part);
  });

  it("names an empty list of end tokens", async () => {
    await expect(load(published, { eos_token_id: [] })).rejects.toThrow("eos_token_id");
  });

  it("says what it found", async () => {
    await expect(load({ ...saved, model_type: "llava" })).rejects.toThrow('got "llava"');
  });
});

describe("a directory without a configuration", () => {
  it("is a DataError that names the file", async () => {
    await expect(loadConfig(scratch)).rejects.toThrow(DataError);
    await expect(loadConfig(scratch)).rejects.toThrow(join(scratch, "config.json"));
  });

  it("is a DataError when something else lies in the file's place", async () => {
    const dir = await mkdtemp(join(scratch, "other-"));
    const path = join(dir, "config.json");
    for (const [content, found] of [
      ["version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n", "a Git-LFS pointer"],
      ["<!DOCTYPE html><html></html>", "a web page"],
      ["", "an empty file"],
    ] as const) {
      await writeFile(path, content);
      await expect(loadConfig(dir)).rejects.toThrow(`${path}: expected JSON, got`);
      await expect(loadConfig(dir)).rejects.toThrow(found);
    }
    await rm(path);
    await mkdir(path);
    await expect(loadConfig(dir)).rejects.toThrow(`${path}: expected a JSON file, got a folder`);
    if (process.platform === "win32") return;
    await rm(path, { recursive: true });
    execFileSync("mkfifo", [path]);
    await expect(loadConfig(dir)).rejects.toThrow(`${path}: expected a JSON file, got a pipe`);
    await rm(path);
    await symlink("/dev/zero", path);
    await expect(loadConfig(dir)).rejects.toThrow(`${path}: expected a JSON file, got a device`);
  });

  it("is a DataError when a file is no JSON, generation_config.json too", async () => {
    const dir = await mkdtemp(join(scratch, "broken-"));
    await writeFile(join(dir, "config.json"), "{");
    await expect(loadConfig(dir)).rejects.toThrow(DataError);
    await writeFile(join(dir, "config.json"), JSON.stringify(saved));
    await writeFile(join(dir, "generation_config.json"), "{");
    await expect(loadConfig(dir)).rejects.toThrow("generation_config.json");
  });
});
