import { describe, expect, it } from "vitest";
import { expectedTensors, linearLayers } from "../../../src/models/checkpoint/recorded";
import { loadConfig } from "../../../src/models/families/qwen2-vl/config";
import { qwen2VlArchitecture } from "../../../src/models/families/qwen2-vl/family";
import { checkpointDir } from "../reference";

const config = await loadConfig(checkpointDir);
const architecture = qwen2VlArchitecture({ ...config, text: { ...config.text, tieWordEmbeddings: false } });

describe("expectedTensors", () => {
  it("lists norms, then queries, then the other matrices of a layer, each with its bias behind it", () => {
    const layer = [...expectedTensors(architecture).keys()].filter((name) => name.startsWith("model.layers.0."));
    expect(layer.map((name) => name.replace("model.layers.0.", ""))).toEqual([
      "input_layernorm.weight",
      "post_attention_layernorm.weight",
      "self_attn.q_proj.weight",
      "self_attn.q_proj.bias",
      "self_attn.k_proj.weight",
      "self_attn.k_proj.bias",
      "self_attn.v_proj.weight",
      "self_attn.v_proj.bias",
      "self_attn.o_proj.weight",
      "mlp.gate_proj.weight",
      "mlp.up_proj.weight",
      "mlp.down_proj.weight",
    ]);
  });

  it("lists the vision tower, the embeddings, the layers, the last norm and an untied head in this order", () => {
    const names = [...expectedTensors(architecture).keys()];
    const parts = names.map(
      (name) => /^(visual|model\.layers|model\.norm|model\.embed_tokens|lm_head)/.exec(name)?.[0],
    );
    expect([...new Set(parts)]).toEqual(["visual", "model.embed_tokens", "model.layers", "model.norm", "lm_head"]);
  });
});

describe("linearLayers", () => {
  it("lists the language model's layers before the vision tower's, without embeddings, kernels and head", () => {
    const { depth } = config.vision;
    const { layers, hiddenSize, vocabSize } = config.text;
    const found = linearLayers(architecture);
    expect(found.length).toBe(7 * layers + 4 * depth + 2);
    expect(found.findIndex(({ name }) => name.startsWith("visual."))).toBe(7 * layers);
    expect(found.some(({ outputs }) => outputs === vocabSize)).toBe(false);
    expect(found.find(({ name }) => name === "visual.merger.mlp.2")?.outputs).toBe(hiddenSize);
  });

  it("says which layers add to a residual stream", () => {
    const residual = linearLayers(architecture).filter(({ intoResidual }) => intoResidual);
    const ends = new Set(residual.map(({ name }) => name.split(".").slice(-2).join(".")));
    expect([...ends]).toEqual(["self_attn.o_proj", "mlp.down_proj", "attn.proj", "mlp.fc2"]);
  });
});
