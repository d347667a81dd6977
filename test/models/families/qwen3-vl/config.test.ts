import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../../../src/errors";
import { expectedTensors } from "../../../../src/models/checkpoint/recorded";
import { loadArchitecture } from "../../../../src/models/families";
import { configJson, readConfig } from "../../../../src/models/families/qwen3-vl/config";
import { qwen3VlArchitecture } from "../../../../src/models/families/qwen3-vl/family";

const load = (json: unknown, generation: unknown = {}) =>
  readConfig({ path: "dir/config.json", json, generationPath: "dir/generation_config.json", generation });

const saved = JSON.parse(
  readFileSync(
    fileURLToPath(new URL("../../../reference/data/families/qwen3-vl/untied/checkpoint/config.json", import.meta.url)),
    "utf8",
  ),
);

interface Published {
  readonly hidden: number;
  readonly intermediate: number;
  readonly layers: number;
  readonly heads: number;
  readonly tied: boolean;
  readonly tower: object;
}

/** config.json in the form that Qwen publishes it for Qwen3-VL: written by transformers 4.57. */
const published = ({ hidden, intermediate, layers, heads, tied, tower }: Published) => ({
  architectures: ["Qwen3VLForConditionalGeneration"],
  image_token_id: 151_655,
  model_type: "qwen3_vl",
  text_config: {
    attention_bias: false,
    attention_dropout: 0,
    bos_token_id: 151_643,
    dtype: "bfloat16",
    eos_token_id: 151_645,
    head_dim: 128,
    hidden_act: "silu",
    hidden_size: hidden,
    initializer_range: 0.02,
    intermediate_size: intermediate,
    max_position_embeddings: 262_144,
    model_type: "qwen3_vl_text",
    num_attention_heads: heads,
    num_hidden_layers: layers,
    num_key_value_heads: 8,
    rms_norm_eps: 1e-6,
    rope_scaling: { mrope_interleaved: true, mrope_section: [24, 20, 20], rope_type: "default" },
    rope_theta: 5_000_000,
    tie_word_embeddings: tied,
    use_cache: true,
    vocab_size: 151_936,
  },
  tie_word_embeddings: tied,
  transformers_version: "4.57.0.dev0",
  video_token_id: 151_656,
  vision_config: {
    ...{ hidden_act: "gelu_pytorch_tanh", in_channels: 3, initializer_range: 0.02, model_type: "qwen3_vl" },
    ...{ num_heads: 16, num_position_embeddings: 2304, out_hidden_size: hidden, patch_size: 16 },
    ...{ spatial_merge_size: 2, temporal_patch_size: 2, ...tower },
  },
  vision_end_token_id: 151_653,
  vision_start_token_id: 151_652,
});

const small = { deepstack_visual_indexes: [5, 11, 17], depth: 24, hidden_size: 1024, intermediate_size: 4096 };
const large = { deepstack_visual_indexes: [8, 16, 24], depth: 27, hidden_size: 1152, intermediate_size: 4304 };
const twoBillion = published({ hidden: 2048, intermediate: 6144, layers: 28, heads: 16, tied: true, tower: small });
const fourBillion = published({ hidden: 2560, intermediate: 9728, layers: 36, heads: 32, tied: true, tower: small });
const eightBillion = published({
  hidden: 4096,
  intermediate: 12_288,
  layers: 36,
  heads: 32,
  tied: false,
  tower: large,
});

describe("a configuration of Qwen3-VL", () => {
  it("is read as transformers 5 saves it", () => {
    expect(load(saved)).toEqual({
      text: {
        vocabSize: 291,
        hiddenSize: 32,
        intermediateSize: 56,
        layers: 2,
        heads: 4,
        kvHeads: 1,
        headDim: 16,
        rmsNormEps: 1e-6,
        ropeTheta: 5e6,
        mropeSection: [4, 2, 2],
        contextLength: 512,
        tieWordEmbeddings: false,
      },
      vision: {
        depth: 3,
        hiddenSize: 24,
        intermediateSize: 52,
        heads: 3,
        positions: 30,
        deepstack: [0, 2],
        patchSize: 16,
        temporalPatchSize: 2,
        spatialMergeSize: 2,
        inChannels: 3,
      },
      tokens: { image: 289, video: 290, visionStart: 287, visionEnd: 288, eos: [284], pad: 285 },
    });
  });

  // Counted by Qwen3VLForConditionalGeneration of transformers 5.24.0 on PyTorch's meta device.
  it.each([
    ["2B", twoBillion, 2_127_532_032, 625],
    ["4B", fourBillion, 4_437_815_808, 713],
    ["8B", eightBillion, 8_767_123_696, 750],
  ])("of the %s model has the parameters that transformers counts", (_, json, parameters, count) => {
    const tensors = expectedTensors(qwen3VlArchitecture(load(json)));
    const sizes = [...tensors.values()].map((shape) => shape.reduce((a, b) => a * b, 1));
    expect(sizes.reduce((a, b) => a + b, 0)).toBe(parameters);
    expect(sizes).toHaveLength(count);
  });

  it("comes back from the file it writes", () => {
    for (const json of [twoBillion, fourBillion, eightBillion, saved]) {
      const config = load(json);
      expect(load(configJson(config))).toEqual(config);
    }
  });

  it("takes the fields of its class where they are left out or null", () => {
    const { text, vision } = load({
      model_type: "qwen3_vl",
      text_config: { hidden_size: 3584 },
      vision_config: { num_position_embeddings: null },
    });
    expect(text).toEqual({
      ...{ vocabSize: 151_936, hiddenSize: 3584, intermediateSize: 22_016, layers: 32, heads: 32, kvHeads: 32 },
      ...{ headDim: 128, rmsNormEps: 1e-6, ropeTheta: 5e5, mropeSection: [24, 20, 20], contextLength: 128_000 },
      tieWordEmbeddings: false,
    });
    expect(vision).toEqual({
      ...{ depth: 27, hiddenSize: 1152, intermediateSize: 4304, heads: 16, positions: 2304, deepstack: [8, 16, 24] },
      ...{ patchSize: 16, temporalPatchSize: 2, spatialMergeSize: 2, inChannels: 3 },
    });
  });

  it("may have no features of deeper blocks", () => {
    const vision_config = { ...saved.vision_config, deepstack_visual_indexes: [] };
    const architecture = qwen3VlArchitecture(load({ ...saved, vision_config }));
    expect(architecture.featureCount).toBe(1);
    expect([...expectedTensors(architecture).keys()].filter((name) => name.includes("deepstack"))).toEqual([]);
  });
});

describe("a configuration that the network of Qwen3-VL cannot represent", () => {
  const { text_config: text, vision_config: vision } = saved;
  const rope = (change: object) => ({
    text_config: { ...text, rope_parameters: { ...text.rope_parameters, ...change } },
  });
  const tower = (change: object) => ({ vision_config: { ...vision, ...change } });

  it.each<[string, object]>([
    ["model_type", { model_type: "qwen3_vl_moe" }],
    ["rope_type", rope({ rope_type: "yarn", factor: 4 })],
    ["mrope_interleaved", rope({ mrope_interleaved: false })],
    ["mrope_section: expected a sum of 8, half the head size, got [4,2,1]", rope({ mrope_section: [4, 2, 1] })],
    ["mrope_section", { text_config: { ...text, head_dim: 128 } }],
    ["attention_bias", { text_config: { ...text, attention_bias: true } }],
    ["hidden_act", { text_config: { ...text, hidden_act: "gelu" } }],
    ["vision_config.out_hidden_size", tower({ out_hidden_size: 128 })],
    ["vision_config.hidden_act", tower({ hidden_act: "quick_gelu" })],
    ["vision_config.in_channels", tower({ in_channels: 1 })],
    ["vision_config.patch_size", tower({ patch_size: [16, 16] })],
    ["vision_config.depth", tower({ depth: 1e8 })],
    ["vision_config.num_position_embeddings", tower({ num_position_embeddings: 0 })],
    [
      "vision_config.deepstack_visual_indexes: expected different blocks from 0 to 2",
      tower({ deepstack_visual_indexes: [3] }),
    ],
    ["vision_config.deepstack_visual_indexes", tower({ deepstack_visual_indexes: [-1] })],
    ["vision_config.deepstack_visual_indexes", tower({ deepstack_visual_indexes: [1, 1] })],
    ["vision_config.deepstack_visual_indexes", tower({ deepstack_visual_indexes: 1 })],
    ["num_heads 24", tower({ num_heads: 24 })],
    ["vision_config.rope_parameters.rope_theta", tower({ rope_parameters: { rope_type: "axial", rope_theta: 5 } })],
    ["quantization_config", { quantization_config: { quant_method: "fp8" } }],
  ])("is refused by the name of %s and its file", (key, change) => {
    const loading = () => load({ ...saved, ...change });
    expect(loading).toThrow(ConfigError);
    expect(loading).toThrow(key);
    expect(loading).toThrow("dir/config.json");
  });
});

describe("a mixture of experts", () => {
  it("is refused by its name, with the names of the families that can be opened", async () => {
    const dir = await mkdtemp(join(tmpdir(), "rise-moe-"));
    try {
      await writeFile(join(dir, "config.json"), JSON.stringify({ ...saved, model_type: "qwen3_vl_moe" }));
      await expect(loadArchitecture(dir)).rejects.toThrow(ConfigError);
      await expect(loadArchitecture(dir)).rejects.toThrow(/expected .*"qwen3_vl", got "qwen3_vl_moe"/);
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
