import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "../../errors";
import type { Prompt } from "../../types";
import { exists, readJson } from "../model-directory";
import type { Qwen2VlConfig } from "./config";

export interface Qwen2VlTokenizer {
  /**
   * A chat as the model reads it, ready for its answer. Each picture's place is filled with as many image tokens as `imageTokens` says.
   * A special token's name inside a text stays text.
   */
  encodePrompt(prompt: Prompt, imageTokens: readonly number[]): number[];
  /** Token ids of plain text; a special token's name stays text. */
  encode(text: string): number[];
  /** Special tokens are left out. */
  decode(ids: readonly number[]): string;
}

/**
 * The tokenizer of a Hugging Face directory, run by transformers.js; nothing is fetched.
 * @throws DataError when a file is missing or the vocabulary lacks a token that config.json names
 */
export async function loadTokenizer(dir: string, { text, tokens }: Qwen2VlConfig): Promise<Qwen2VlTokenizer> {
  const json = (await readJson(join(dir, "tokenizer.json"))) as {
    added_tokens?: { id: number; content: string; special: boolean }[];
  };
  const settings = (await readJson(join(dir, "tokenizer_config.json"))) as { chat_template?: unknown };
  const { PreTrainedTokenizer } = await import("@huggingface/transformers");
  const tokenizer = new PreTrainedTokenizer(json, {
    ...settings,
    chat_template: (await chatTemplateFile(dir)) ?? templateWithPictures(settings.chat_template) ?? qwen2VlChatTemplate,
  });
  const added = json.added_tokens ?? [];
  const tooLarge = added.find(({ id }) => id >= text.vocabSize);
  if (tooLarge)
    throw new DataError(
      `${dir}: token ${tooLarge.content} has id ${tooLarge.id}, but config.json has vocab_size ${text.vocabSize}`,
    );
  if (!added.some(({ id }) => id === tokens.image))
    throw new DataError(`${dir}: config.json has image_token_id ${tokens.image}, which tokenizer.json does not define`);
  const reserved: number[] = [
    tokens.image,
    tokens.video,
    tokens.visionStart,
    tokens.visionEnd,
    ...tokens.eos,
    tokens.pad,
  ];
  const specials = added.filter(({ id, special }) => special || reserved.includes(id)).map(({ content }) => content);
  const encode = (pieces: string): number[] =>
    pieces.split(seam).flatMap((piece) => (piece === "" ? [] : tokenizer.encode(piece, { add_special_tokens: false })));

  return {
    encode: (text) => encode(disarm(text, specials)),
    // transformers.js refuses to decode nothing.
    decode: (ids) =>
      ids.length === 0
        ? ""
        : tokenizer.decode([...ids], { skip_special_tokens: true, clean_up_tokenization_spaces: false }),
    encodePrompt(prompt, imageTokens) {
      const chat = prompt.map(({ role, content }) => ({
        role,
        content: content.map((part) =>
          part.type === "text" ? { type: "text", text: disarm(part.text, specials) } : { type: "image" },
        ),
      }));
      const rendered = tokenizer.apply_chat_template(chat as never, {
        tokenize: false,
        add_generation_prompt: true,
      }) as string;
      let picture = 0;
      const ids = encode(rendered).flatMap((id) =>
        id === tokens.image ? Array<number>(imageTokens[picture++] ?? 0).fill(id) : [id],
      );
      if (picture !== imageTokens.length)
        throw new DataError(
          `${dir}: the chat template made places for ${picture} pictures, but the prompt has ${imageTokens.length}`,
        );
      return ids;
    },
  };
}

/** A private-use character at which the rendered chat is cut, so that the tokenizer never sees a special token's name in one piece. */
const seam = "\ue000";

function disarm(text: string, specials: readonly string[]): string {
  return specials.reduce(
    (safe, special) => safe.replaceAll(special, `${special.slice(0, 2)}${seam}${special.slice(2)}`),
    text.replaceAll(seam, ""),
  );
}

/** The processor's own template, which knows pictures, where it is a file of its own. */
async function chatTemplateFile(dir: string): Promise<string | undefined> {
  const [jinja, json] = [join(dir, "chat_template.jinja"), join(dir, "chat_template.json")];
  if (await exists(jinja)) return readFile(jinja, "utf8");
  if (!(await exists(json))) return undefined;
  const { chat_template } = (await readJson(json)) as { chat_template?: unknown };
  if (typeof chat_template !== "string") throw new DataError(`${json}: expected { "chat_template": string }`);
  return chat_template;
}

/** A tokenizer may carry a language model's template, which would print a picture's place as JSON. */
const templateWithPictures = (template: unknown) =>
  typeof template === "string" && template.includes("image") ? template : undefined;

/** The chat format that Qwen2-VL was tuned on, for checkpoints that come without their template. */
const qwen2VlChatTemplate = [
  "{%- if messages[0].role != 'system' %}{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}",
  "{%- for message in messages %}{{ '<|im_start|>' + message.role + '\\n' }}",
  "{%- for part in message.content %}",
  "{%- if part.type == 'image' %}{{ '<|vision_start|><|image_pad|><|vision_end|>' }}{% else %}{{ part.text }}{% endif %}",
  "{%- endfor %}{{ '<|im_end|>\\n' }}{% endfor %}",
  "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
].join("");
