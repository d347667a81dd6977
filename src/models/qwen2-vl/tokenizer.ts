import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "../../errors";
import type { Prompt } from "../../types";
import { type Qwen2VlConfig, readJson } from "./config";

export interface Qwen2VlTokenizer {
  /**
   * A chat as the model reads it, ready for its answer. Each picture's place is filled with as many image tokens as `imageTokens` says.
   * A special token's name inside a text stays text.
   */
  encodePrompt(prompt: Prompt, imageTokens: readonly number[]): number[];
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
  const settings = (await readJson(join(dir, "tokenizer_config.json"))) as { chat_template?: string };
  const { PreTrainedTokenizer } = await import("@huggingface/transformers");
  const tokenizer = new PreTrainedTokenizer(json, {
    ...settings,
    chat_template: settings.chat_template ?? (await chatTemplate(dir)),
  });
  const added = json.added_tokens ?? [];
  const tooLarge = added.find(({ id }) => id >= text.vocabSize);
  if (tooLarge)
    throw new DataError(
      `${dir}: token ${tooLarge.content} has id ${tooLarge.id}, but config.json has vocab_size ${text.vocabSize}`,
    );
  if (!added.some(({ id }) => id === tokens.image))
    throw new DataError(`${dir}: config.json has image_token_id ${tokens.image}, which tokenizer.json does not define`);
  const specials = added.filter(({ special }) => special).map(({ content }) => content);
  const encode = (piece: string): number[] =>
    piece === "" ? [] : tokenizer.encode(piece, { add_special_tokens: false });

  return {
    encode,
    decode: (ids) => tokenizer.decode([...ids], { skip_special_tokens: true, clean_up_tokenization_spaces: false }),
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
      const ids = rendered
        .split(seam)
        .flatMap(encode)
        .flatMap((id) => (id === tokens.image ? Array<number>(imageTokens[picture++] ?? 0).fill(id) : [id]));
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

/** Checkpoints keep their chat template inside tokenizer_config.json, or in a file of its own. */
async function chatTemplate(dir: string): Promise<string> {
  const jinja = await readFile(join(dir, "chat_template.jinja"), "utf8").catch(() => undefined);
  if (jinja !== undefined) return jinja;
  const { chat_template } = (await readJson(join(dir, "chat_template.json"))) as { chat_template?: unknown };
  if (typeof chat_template !== "string")
    throw new DataError(`${dir}/chat_template.json: expected { "chat_template": string }`);
  return chat_template;
}
