import { DataError } from "../../errors";
import { withOrderedMarks } from "../../models/inputs/tokenizing/marks";
import { chatOf } from "../../models/inputs/tokenizing/seams";
import { checkPrompt } from "../../prompts/check-prompt";
import type { Prompt } from "../../types";
import { imageInput } from "./images";
import type { Inputs, Library, Opened, Processor, Tokenizer } from "./library";

/**
 * Makes the inputs of a model from a prompt. The texts of special tokens in it stay text: the rendered chat is cut
 * inside them, and the pieces are tokenized apart.
 */
export function promptEncoder(opened: Opened, maxImagePixels: number | undefined): (prompt: Prompt) => Promise<Inputs> {
  const { library, processor, model, imagesFirst, oneImage } = opened;
  const { tokenizer, image_processor } = processor.components;
  const specials = new Set([
    ...tokenizer.all_special_tokens,
    ...reservedTokens(model.config).map((id) => tokenizer.decode([id], { skip_special_tokens: false })),
  ]);
  const normalises = JSON.stringify(tokenizer._tokenizerJSON?.normalizer ?? null).includes('"NF');
  const prepared = (text: string) => (normalises ? withOrderedMarks(text) : text);
  const images = imageInput(library, image_processor, maxImagePixels);
  return async (prompt) => {
    checkPrompt(prompt);
    const sources = prompt.flatMap(({ content }) =>
      content.flatMap((part) => (part.type === "image" ? part.image : [])),
    );
    if (oneImage && sources.length > 1)
      throw new DataError(`a prompt: expected one image, as the model's processor takes it, got ${sources.length}`);
    const loaded = await Promise.all(sources.map(images.load));
    const { chat, seam } = chatOf(prompt, prepared, specials);
    const text = processor.apply_chat_template(chat, { add_generation_prompt: true });
    const tokenize = cutting(library, tokenizer, seam);
    if (loaded.length === 0) return tokenize(text);
    const own = Object.create(processor, {
      components: { value: { ...processor.components, tokenizer: tokenize, image_processor: images.processor } },
    }) as Processor;
    return imagesFirst ? own._call(loaded, text) : own._call(text, loaded);
  };
}

/** Ids of image tokens and their like, by the keys that config.json has for them. */
export const reservedTokens = (config: Readonly<Record<string, unknown>>): number[] =>
  Object.entries(config).flatMap(([key, id]) =>
    /^(image|video|audio|vision|boi|eoi|boa|eoa)_(\w+_)?(id|index)$/.test(key) && Number.isInteger(id)
      ? [Number(id)]
      : [],
  );

/** The tokenizer for a text that is cut at `seam`. */
function cutting({ Tensor }: Library, tokenizer: Tokenizer, seam: string): Tokenizer & ((text: unknown) => Inputs) {
  const apply = (text: string | readonly string[]): Inputs => {
    const whole = [text].flat()[0]!;
    // As in transformers: a template may have written the first token itself.
    const add = !(tokenizer.bos_token && whole.startsWith(tokenizer.bos_token));
    const pieces = whole.split(seam).filter((piece, i) => piece !== "" || i === 0);
    const ids = pieces.flatMap((piece, i) => tokenizer.encode(piece, { add_special_tokens: add && i === 0 }));
    const dims = [1, ids.length];
    return {
      input_ids: new Tensor("int64", BigInt64Array.from(ids, BigInt), dims),
      attention_mask: new Tensor("int64", new BigInt64Array(ids.length).fill(1n), dims),
    };
  };
  return new Proxy(tokenizer, { apply: (_, __, [text]) => apply(text) }) as ReturnType<typeof cutting>;
}
