import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../../../src/errors";
import { expectedTensors } from "../../../../src/models/checkpoint/recorded";
import { configJson, readConfig } from "../../../../src/models/families/qwen2-5-vl/config";
import { qwen25VlArchitecture } from "../../../../src/models/families/qwen2-5-vl/family";

const load = (json: unknown, generation: unknown = {}) =>
  readConfig({ path: "dir/config.json", json, generationPath: "dir/generation_config.json", generation });

const saved = JSON.parse(
  readFileSync(
    fileURLToPath(
      new URL("../../../reference/data/families/qwen2-5-vl/untied/checkpoint/config.json", import.meta.url),
    ),
    "utf8",
  ),
);

/** The flat form of config.json that the model cards of Qwen2.5-VL have. */
const shared = {
  architectures: ["Qwen2_5_VLForConditionalGeneration"],
  attention_dropout: 0,
  bos_token_id: 151643,
  eos_token_id: 151645,
  vision_start_token_id: 151652,
  vision_end_token_id: 151653,
  vision_token_id: 151654,
  image_token_id: 151655,
  video_token_id: 151656,
  hidden_act: "silu",
  initializer_range: 0.02,
  max_position_embeddings: 128_000,
  model_type: "qwen2_5_vl",
  rms_norm_eps: 1e-6,
  rope_theta: 1_000_000,
  sliding_window: 32_768,
  torch_dtype: "bfloat16",
  use_cache: true,
  use_sliding_window: false,
  rope_scaling: { type: "mrope", mrope_section: [16, 24, 24] },
};
const tower = {
  depth: 32,
  hidden_act: "silu",
  hidden_size: 1280,
  intermediate_size: 3420,
  num_heads: 16,
  in_chans: 3,
  patch_size: 14,
  spatial_merge_size: 2,
  spatial_patch_size: 14,
  window_size: 112,
  fullatt_block_indexes: [7, 15, 23, 31],
  tokens_per_second: 2,
  temporal_patch_size: 2,
};
const threeBillion = {
  ...shared,
  hidden_size: 2048,
  intermediate_size: 11_008,
  max_window_layers: 70,
  num_attention_heads: 16,
  num_hidden_layers: 36,
  num_key_value_heads: 2,
  tie_word_embeddings: true,
  vocab_size: 151_936,
  vision_config: { ...tower, out_hidden_size: 2048 },
};
const sevenBillion = {
  ...shared,
  hidden_size: 3584,
  intermediate_size: 18_944,
  max_window_layers: 28,
  num_attention_heads: 28,
  num_hidden_layers: 28,
  num_key_value_heads: 4,
  tie_word_embeddings: false,
  vocab_size: 152_064,
  vision_config: { ...tower, out_hidden_size: 3584 },
};

describe("a configuration of Qwen2.5-VL", () => {
  it("is read as transformers 5 saves it", () => {
    expect(load(saved)).toEqual({
      text: {
        vocabSize: 291,
        hiddenSize: 32,
        intermediateSize: 56,
        layers: 2,
        heads: 4,
        kvHeads: 1,
        headDim: 8,
        rmsNormEps: 1e-6,
        ropeTheta: 1e6,
        mropeSection: [1, 2, 1],
        contextLength: 512,
        tieWordEmbeddings: false,
      },
      vision: {
        depth: 3,
        hiddenSize: 24,
        intermediateSize: 52,
        heads: 3,
        windowSize: 100,
        fullAttention: [0, 2],
        patchSize: 14,
        temporalPatchSize: 2,
        spatialMergeSize: 2,
        inChannels: 3,
      },
      tokens: { image: 289, video: 290, visionStart: 287, visionEnd: 288, eos: [284], pad: 285 },
    });
  });

  // Counted by Qwen2_5_VLForConditionalGeneration of transformers 5.24.0 on PyTorch's meta device.
  it.each([
    ["3B", threeBillion, 3_754_622_976, 824],
    ["7B", sevenBillion, 8_292_166_656, 729],
  ])("of the %s model has the parameters that transformers counts", (_, json, parameters, count) => {
    const tensors = expectedTensors(qwen25VlArchitecture(load(json)));
    const sizes = [...tensors.values()].map((shape) => shape.reduce((a, b) => a * b, 1));
    expect(sizes.reduce((a, b) => a + b, 0)).toBe(parameters);
    expect(sizes).toHaveLength(count);
  });

  it("comes back from the file it writes", () => {
    for (const json of [threeBillion, sevenBillion, saved]) {
      const config = load(json);
      expect(load(configJson(config))).toEqual(config);
    }
  });

  it("has the fields of its class where they are left out or null", () => {
    const bare = {
      model_type: "qwen2_5_vl",
      text_config: { hidden_size: 3584, num_attention_heads: 28, num_key_value_heads: 4 },
    };
    const vision = {
      ...{
        depth: 32,
        hiddenSize: 3584,
        intermediateSize: 3420,
        heads: 16,
        windowSize: 112,
        fullAttention: [7, 15, 23, 31],
      },
      ...{ patchSize: 14, temporalPatchSize: 2, spatialMergeSize: 2, inChannels: 3 },
    };
    expect(load(bare).vision).toEqual(vision);
    expect(load({ ...bare, vision_config: { window_size: null, fullatt_block_indexes: null } }).vision).toEqual(vision);
  });

  it("ignores blocks with full attention that the tower does not have, as transformers does", () => {
    const vision_config = { ...saved.vision_config, fullatt_block_indexes: [1, 7, -1] };
    expect(load({ ...saved, vision_config }).vision.fullAttention).toEqual([1]);
  });
});

describe("a configuration that the network of Qwen2.5-VL cannot represent", () => {
  const { text_config: text, vision_config: vision } = saved;

  it.each<[string, object]>([
    ["model_type", { model_type: "qwen2_vl" }],
    ["rope_type", { text_config: { ...text, rope_parameters: { ...text.rope_parameters, rope_type: "yarn" } } }],
    ["use_sliding_window", { text_config: { ...text, use_sliding_window: true } }],
    ["vision_config.out_hidden_size", { vision_config: { ...vision, out_hidden_size: 128 } }],
    ["vision_config.window_size", { vision_config: { ...vision, window_size: 27 } }],
    ["vision_config.window_size", { vision_config: { ...vision, window_size: 0 } }],
    ["vision_config.fullatt_block_indexes", { vision_config: { ...vision, fullatt_block_indexes: 7 } }],
    ["vision_config.fullatt_block_indexes", { vision_config: { ...vision, fullatt_block_indexes: [0.5] } }],
    ["vision_config.hidden_act", { vision_config: { ...vision, hidden_act: "quick_gelu" } }],
    ["vision_config.in_channels", { vision_config: { ...vision, in_channels: 1 } }],
    ["vision_config.patch_size", { vision_config: { ...vision, patch_size: [14, 14] } }],
    ["vision_config.depth", { vision_config: { ...vision, depth: 1e8 } }],
    ["num_heads 24", { vision_config: { ...vision, num_heads: 24 } }],
    [
      "vision_config.rope_parameters.rope_theta",
      { vision_config: { ...vision, rope_parameters: { rope_type: "axial", rope_theta: 5 } } },
    ],
    ["quantization_config", { quantization_config: { quant_method: "awq" } }],
  ])("is refused by the name of %s and its file", (key, change) => {
    const loading = () => load({ ...saved, ...change });
    expect(loading).toThrow(ConfigError);
    expect(loading).toThrow(key);
    expect(loading).toThrow("dir/config.json");
  });
});
