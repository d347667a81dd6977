import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
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
  const chat_template =
    (await chatTemplateFile(dir)) ?? templateWithPictures(settings.chat_template) ?? qwen2VlChatTemplate;
  const tokenizer = orDataError(
    `${dir}: tokenizer.json cannot be used`,
    () => new PreTrainedTokenizer(json, { ...settings, chat_template }),
  );
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
  const encode = (pieces: string, seam: string): number[] =>
    pieces.split(seam).flatMap((piece) => (piece === "" ? [] : tokenizer.encode(piece, { add_special_tokens: false })));

  return {
    encode(text) {
      const seam = seamFor([text]);
      return encode(disarm([text], specials, seam).join(""), seam);
    },
    // transformers.js refuses to decode nothing.
    decode: (ids) =>
      ids.length === 0
        ? ""
        : tokenizer.decode([...ids], { skip_special_tokens: true, clean_up_tokenization_spaces: false }),
    encodePrompt(prompt, imageTokens) {
      const seam = seamFor(
        prompt.flatMap(({ content }) => content.map((part) => (part.type === "text" ? part.text : ""))),
      );
      const chat = prompt.map(({ role, content }) => {
        const texts = disarm(
          content.map((part) => (part.type === "text" ? part.text : seam)),
          specials,
          seam,
        );
        return {
          role,
          content: content.map(({ type }, i) => (type === "text" ? { type, text: texts[i] } : { type })),
        };
      });
      const settings = { tokenize: false, add_generation_prompt: true };
      const rendered = orDataError(
        `${dir}: the chat template cannot be used`,
        () => tokenizer.apply_chat_template(chat as never, settings) as string,
      );
      let picture = 0;
      const ids = encode(rendered, seam).flatMap((id) =>
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

/** What other people's code throws is about the files that it was given. */
function orDataError<T>(problem: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw new DataError(`${problem}: ${(cause as Error).message}`, { cause });
  }
}

/**
 * A character that none of the texts has, at which the rendered chat is cut, so that the tokenizer never sees a special token's name in one
 * piece.
 */
function seamFor(texts: readonly string[]): string {
  const firstPrivate = 0xe000;
  const free = (code: number) => texts.every((text) => !text.includes(String.fromCharCode(code)));
  let code = firstPrivate;
  while (!free(code)) code++;
  return String.fromCharCode(code);
}

/** `parts`, cut inside every special token that they spell, alone or one after another. */
function disarm(parts: readonly string[], specials: readonly string[], seam: string): string[] {
  const whole = parts.join("");
  const cuts = specials.flatMap((special) =>
    placesOf(special, whole).map((at) => at + Math.min(2, special.length - 1)),
  );
  const sorted = [...new Set(cuts)].sort((a, b) => a - b);
  let end = 0;
  return parts.map((part) => {
    const start = end;
    end += part.length;
    const inside = sorted.filter((cut) => start <= cut && cut < end).map((cut) => cut - start);
    return [0, ...inside].map((cut, i) => part.slice(cut, inside[i])).join(seam);
  });
}

function placesOf(wanted: string, text: string): number[] {
  const places: number[] = [];
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) places.push(at);
  return places;
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

/** A tokenizer may carry a language model's template, which would print a picture's place as JSON; or several, by name. */
function templateWithPictures(setting: unknown): string | undefined {
  const named = z.array(z.object({ name: z.string(), template: z.string() })).safeParse(setting).data;
  const template = named ? named.find(({ name }) => name === "default")?.template : setting;
  return typeof template === "string" && template.includes("image") ? template : undefined;
}

/** The chat format that Qwen2-VL was tuned on, for checkpoints that come without their template. */
const qwen2VlChatTemplate = [
  "{%- if messages[0].role != 'system' %}{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}",
  "{%- for message in messages %}{{ '<|im_start|>' + message.role + '\\n' }}",
  "{%- for part in message.content %}",
  "{%- if part.type == 'image' %}{{ '<|vision_start|><|image_pad|><|vision_end|>' }}{% else %}{{ part.text }}{% endif %}",
  "{%- endfor %}{{ '<|im_end|>\\n' }}{% endfor %}",
  "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
].join("");
