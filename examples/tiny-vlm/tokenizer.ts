/**
 * Learns a tokenizer from the texts of the tiny model's lessons and writes it over the one in `checkpoint`: train the model again afterwards.
 *
 *   npx tsx examples/tiny-vlm/tokenizer.ts
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sceneObjects } from "../pictures/vocabulary";
import { learnMerges, specialTokens, tokenizerJson } from "./bpe";
import { practice } from "./practice";

const size = 1272;
const lessons = 3000;
const out = fileURLToPath(new URL("checkpoint", import.meta.url));

const chatTemplate = [
  "{% for message in messages %}<|im_start|>{{ message['role'] }}\n",
  "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}",
  "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}",
  "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}",
  "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
].join("");

/** The scenes ask with descriptions that no lesson shows; their words deserve tokens all the same. */
const texts: string[] = ["user\n", "assistant\n", ...sceneObjects.flatMap(({ gloss }) => Array(20).fill(gloss))];
for (let i = 0; i < lessons; i++) {
  const { prompt, completion } = await practice(7, i);
  for (const { content } of prompt) for (const part of content) if (part.type === "text") texts.push(part.text);
  texts.push(completion);
}
const merges = learnMerges(texts, size);

const write = (file: string, json: object) => writeFile(join(out, file), `${JSON.stringify(json, null, 1)}\n`);
await mkdir(out, { recursive: true });
await write("tokenizer.json", tokenizerJson(merges));
await write("tokenizer_config.json", {
  tokenizer_class: "Qwen2Tokenizer",
  add_prefix_space: false,
  add_bos_token: false,
  bos_token: null,
  eos_token: "<|im_end|>",
  pad_token: "<|endoftext|>",
  unk_token: null,
  model_max_length: 4096,
  clean_up_tokenization_spaces: false,
  chat_template: chatTemplate,
});
const id = (token: (typeof specialTokens)[number]) => 256 + merges.length + specialTokens.indexOf(token);
await write("generation_config.json", { eos_token_id: [id("<|im_end|>")], pad_token_id: id("<|endoftext|>") });
await write("preprocessor_config.json", {
  image_processor_type: "Qwen2VLImageProcessor",
  min_pixels: 3136,
  max_pixels: 401408,
  patch_size: 14,
  temporal_patch_size: 2,
  merge_size: 2,
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
});
console.log(`wrote ${out}: ${256 + merges.length + specialTokens.length} tokens from ${texts.length} texts`);
