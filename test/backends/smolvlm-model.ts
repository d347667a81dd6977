import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  concat,
  createGraph,
  type Graph,
  gather,
  matMul,
  reduceSum,
  reshape,
  sub,
  swapLast,
} from "../../src/onnx/graph/graph";
import type { Value } from "../../src/onnx/graph/value";
import { serialiseModel } from "../../src/onnx/runtime/serialise";
import { createRng } from "../../src/rng";
import { checkpointDir } from "../models/reference";

const [width, vocabulary, side, tokensOfFrame] = [16, 300, 28, 4];
const special = { "<|image_pad|>": "<image>", "<|im_end|>": "<end_of_utterance>" };
const template =
  "{% for message in messages %}<|im_start|>{{ message.role }}: {% for part in message.content %}{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";

/**
 * Writes a model that has the files, inputs and outputs of a SmolVLM for transformers.js, and random weights: a frame of an image becomes four
 * tokens, and one layer of attention follows. Its text has no meaning, but depends on all that came before.
 */
export async function writeSmolVlm(dir: string): Promise<void> {
  const tokenizer = await readFile(join(checkpointDir, "tokenizer.json"), "utf8");
  const renamed = Object.entries(special).reduce((text, [from, to]) => text.replaceAll(from, to), tokenizer);
  const idOf = (token: string) =>
    (JSON.parse(renamed).added_tokens as { id: number; content: string }[]).find(({ content }) => content === token)!
      .id;
  const [image, end] = [idOf("<image>"), idOf("<end_of_utterance>")];
  const text = {
    ...{ model_type: "llama", num_hidden_layers: 1, num_attention_heads: 1, num_key_value_heads: 1 },
    ...{
      head_dim: width,
      hidden_size: width,
      vocab_size: vocabulary,
      max_position_embeddings: 2048,
      eos_token_id: end,
    },
  };
  const files: Record<string, unknown> = {
    "config.json": {
      ...{ model_type: "smolvlm", architectures: ["SmolVLMForConditionalGeneration"] },
      ...{ image_token_id: image, text_config: text, "transformers.js_config": { dtype: "fp32" } },
    },
    "generation_config.json": { eos_token_id: end, repetition_penalty: 1.2, do_sample: true },
    "processor_config.json": { processor_class: "SmolVLMProcessor", image_seq_len: tokensOfFrame },
    "preprocessor_config.json": {
      ...{ processor_class: "SmolVLMProcessor", image_processor_type: "SmolVLMImageProcessor" },
      ...{ do_resize: true, do_rescale: true, do_normalize: true, do_image_splitting: true, resample: 2 },
      ...{ size: { longest_edge: 2 * side }, max_image_size: { longest_edge: side } },
      ...{ image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] },
    },
    "tokenizer_config.json": {
      tokenizer_class: "PreTrainedTokenizer",
      eos_token: "<end_of_utterance>",
      chat_template: template,
    },
  };
  await mkdir(join(dir, "onnx"), { recursive: true });
  await writeFile(join(dir, "tokenizer.json"), renamed);
  for (const [file, json] of Object.entries(files)) await writeFile(join(dir, file), JSON.stringify(json));
  for (const [name, build] of Object.entries({
    embed_tokens: embed,
    vision_encoder: vision,
    decoder_model_merged: decoder,
  })) {
    const graph = createGraph();
    const outputs = build(graph);
    await writeFile(join(dir, "onnx", `${name}.onnx`), serialiseModel(graph, outputs, { namedSizes: true }));
  }
}

function random(g: Graph, name: string, shape: readonly number[], deviation: number): Value {
  const rng = createRng(3, "smolvlm", name);
  return g.constant(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => deviation * rng.normal()),
    shape,
  );
}

function embed(g: Graph): Record<string, Value> {
  return {
    inputs_embeds: gather(
      g,
      random(g, "embeddings", [vocabulary, width], 1),
      g.input("input_ids", "int64", [1, "time"]),
    ),
  };
}

function vision(g: Graph): Record<string, Value> {
  const pixels = reshape(g, g.input("pixel_values", "float32", [1, "frames", 3, side, side]), [
    "frames",
    3 * side * side,
  ]);
  const features = matMul(g, pixels, random(g, "vision", [3 * side * side, tokensOfFrame * width], 0.03));
  return { image_features: reshape(g, features, ["frames", tokensOfFrame, width]) };
}

function decoder(g: Graph): Record<string, Value> {
  const x = g.input("inputs_embeds", "float32", [1, "time", width]);
  const [key, value] = ["key", "value"].map((part) =>
    concat(
      g,
      [g.input(`past_key_values.0.${part}`, "float32", [1, 1, "past", width]), reshape(g, x, [1, 1, "time", width])],
      2,
    ),
  ) as [Value, Value];
  const rows = reshape(g, x, ["time", width]);
  const first = reshape(g, g.op("Slice", [rows], { axis: 1, start: 0, end: 1 }), ["time"]);
  const count = reduceSum(g, g.op("Cast", [g.op("Equal", [first, first], {})], { to: "int64" }), [0], true);
  const query = reshape(g, gather(g, rows, sub(g, count, g.integers([1]))), [1, 1, 1, width]);
  const attended = matMul(g, g.op("Softmax", [matMul(g, query, swapLast(g, key))], {}), value);
  const mixed = g.op("Add", [reshape(g, attended, [1, 1, width]), reshape(g, query, [1, 1, width])], {});
  const logits = matMul(g, mixed, random(g, "head", [width, vocabulary], 0.7));
  return { logits, "present.0.key": key, "present.0.value": value };
}
