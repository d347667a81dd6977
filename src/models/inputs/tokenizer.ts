import { join } from "node:path";
import { DataError } from "../../errors";
import { readText } from "../../files/open";
import { checkArguments, textKind } from "../../options/arguments";
import { counted, excerpt, shown } from "../../options/display";
import type { Prompt } from "../../types";
import { objectIn, readJson } from "../files/directory";
import type { Architecture } from "../parts/architecture";
import type { SpecialTokens } from "../parts/config";
import { chatTemplateOf } from "./chat-template";
import { withOrderedMarks } from "./tokenizing/marks";
import { runJob } from "./tokenizing/sandbox";
import { chatOf, disarm, seamFor } from "./tokenizing/seams";
import { checkMerges, checkWords } from "./tokenizing/words";

export interface ChatTokenizer {
  /**
   * A chat as the model reads it, ready for its answer. Each image is replaced by as many image tokens as `imageTokens`
   * says. A special token's name inside a text stays text.
   */
  encodePrompt(prompt: Prompt, imageTokens: readonly number[]): number[];
  /** Token ids of plain text; a special token's name stays text. */
  encode(text: string): number[];
  /** Text of token ids, without special tokens. */
  decode(ids: readonly number[]): string;
  /** Decodes many rows at once, which takes hardly longer than one. */
  decodeAll(rows: readonly (readonly number[])[]): string[];
}

/**
 * The tokenizer of a Hugging Face directory, run by transformers.js in a separate process, so that endless loops can be
 * stopped; nothing is fetched.
 * @param jobMs milliseconds that a call may take (10 000), plus more for long texts
 * @throws DataError when a file is missing or the vocabulary lacks a token that config.json names
 */
export async function loadTokenizer(
  dir: string,
  { config: { text, tokens }, chatTemplate }: Pick<Architecture, "config" | "chatTemplate">,
  jobMs?: number,
): Promise<ChatTokenizer> {
  const path = join(dir, "tokenizer.json");
  const json = await readText(path, "a JSON file");
  const { added, normalises } = checkedVocabulary(path, await readJson(path), text.vocabSize);
  const settings = await readText(join(dir, "tokenizer_config.json"), "a JSON file");
  const template = await chatTemplateOf(dir, chatTemplate);
  if (!added.some(({ id }) => id === tokens.image))
    throw new DataError(`${dir}: config.json has image_token_id ${tokens.image}, which tokenizer.json does not define`);
  const specials = specialTexts(added, tokens);
  const sources = { json, settings, template };
  const { encode, decodeAll, chatTokens } = openTokenizer(dir, sources, text.vocabSize, jobMs);
  const prepared = (text: string) => (normalises ? withOrderedMarks(text) : text);
  return {
    encode(text) {
      checkArguments("encode", { text }, { text: textKind });
      const ready = prepared(text);
      const seam = seamFor(ready);
      return encode(disarm([ready], specials, seam).join(""), seam);
    },
    decodeAll,
    decode: (ids) => decodeAll([ids])[0]!,
    encodePrompt(prompt, imageTokens) {
      const { chat, seam } = chatOf(prompt, prepared, specials);
      const ids = chatTokens(JSON.stringify(chat), seam);
      if (ids.length === 0)
        throw new DataError(
          `${dir}: expected the chat template to write the prompt, got an empty text; mend the template`,
        );
      const places = ids.filter((id) => id === tokens.image).length;
      if (places !== imageTokens.length)
        throw new DataError(
          `${dir}: expected a chat template that makes a place for each of ${counted(imageTokens.length, "image")}, got ${places}`,
        );
      let image = 0;
      return ids.flatMap((id) => (id === tokens.image ? Array<number>(imageTokens[image++]!).fill(id) : [id]));
    },
  };
}

/** The texts of special tokens, which must stay plain text inside a prompt. */
function specialTexts(added: readonly AddedToken[], tokens: SpecialTokens): ReadonlySet<string> {
  const { image, video, visionStart, visionEnd, eos, pad } = tokens;
  const reserved = new Set([image, video, visionStart, visionEnd, ...eos, pad]);
  return new Set(added.filter(({ id, special }) => special || reserved.has(id)).map(({ content }) => content));
}

/** The tokenizer in its process; it is reopened if that process ends. */
function openTokenizer(
  dir: string,
  sources: { readonly json: string; readonly settings: string; readonly template: string },
  vocabSize: number,
  jobMs?: number,
) {
  const key = opened++;
  const unusable = `${dir}: tokenizer.json cannot be used`;
  const size = sources.json.length + sources.settings.length;
  const open = () => void runJob(unusable, { job: "open", key, ...sources }, size, () => {}, jobMs);
  open();

  /** @throws DataError for an id outside the vocabulary */
  const checked = (ids: number[]): number[] => {
    const bad = ids.findIndex((id) => !(Number.isInteger(id) && id >= 0 && id < vocabSize));
    if (bad >= 0)
      throw new DataError(`${unusable}: expected tokens from 0 to ${vocabSize - 1}, got ${shown(ids[bad])}`);
    return ids;
  };
  const encode = (texts: string, seam: string) =>
    checked(runJob(unusable, { job: "encode", key, pieces: texts.split(seam) }, texts.length, open, jobMs) as number[]);
  const decodeAll = (rows: readonly (readonly number[])[]): string[] => {
    // transformers.js refuses to decode an empty list.
    const some = rows.filter((ids) => ids.length > 0);
    const length = some.reduce((sum, ids) => sum + ids.length, 0);
    const texts =
      length > 0 ? (runJob(unusable, { job: "decode", key, rows: some }, length, open, jobMs) as string[]) : [];
    let next = 0;
    return rows.map((ids) => (ids.length > 0 ? texts[next++]! : ""));
  };
  const chatTokens = remembered((chat: string, seam: string) => {
    const job = { job: "prompt", key, chat: JSON.parse(chat) as object[], seam } as const;
    const problem = `${dir}: the chat template or the tokenizer cannot be used`;
    return checked(runJob(problem, job, chat.length + sources.template.length, open, jobMs) as number[]);
  });
  if (encode("a", "\n").length === 0) throw new DataError(`${unusable}: expected a vocabulary with letters, got none`);
  return { encode, decodeAll, chatTokens };
}

/** Number of cached chats: a prompt is sampled from and trained on, once for each of its completions. */
const rememberedChats = 256;

function remembered(encode: (chat: string, seam: string) => number[]): (chat: string, seam: string) => number[] {
  const known = new Map<string, number[]>();
  return (chat, seam) => {
    const key = `${seam}${chat}`;
    const ids = known.get(key) ?? encode(chat, seam);
    known.delete(key);
    known.set(key, ids);
    if (known.size > rememberedChats) known.delete(known.keys().next().value!);
    return ids;
  };
}

/** The number that identifies it to the process. */
let opened = 0;

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special?: boolean;
}

/** Limit on added tokens; models have some hundred. */
const mostAdded = 2 ** 16;

/**
 * Checks the parts of tokenizer.json that the process relies on.
 * @throws DataError naming the invalid part
 */
function checkedVocabulary(path: string, json: unknown, vocabSize: number) {
  const { added_tokens = [], model, normalizer } = objectIn(json, path);
  const added = (added_tokens ?? []) as readonly AddedToken[];
  const refuse = (expected: string, found: unknown): never => {
    throw new DataError(`${path}: expected ${expected}, got ${shown(found)}`);
  };
  if (!Array.isArray(added) || added.length > mostAdded) refuse(`at most ${mostAdded} added_tokens`, added_tokens);
  const isId = (id: unknown) => Number.isInteger(id) && (id as number) >= 0;
  const wrong = added.find((token) => !isId(token?.id) || typeof token.content !== "string" || token.content === "");
  if (wrong !== undefined) refuse("added_tokens with an id from 0 on and content that is not empty", wrong);
  const tooLarge = added.find(({ id }) => id >= vocabSize);
  if (tooLarge)
    throw new DataError(
      `${path}: token ${excerpt(tooLarge.content)} has id ${tooLarge.id}, but config.json has vocab_size ${vocabSize}`,
    );
  const { type, vocab, merges } = Object(model) as {
    readonly type?: unknown;
    readonly vocab?: unknown;
    readonly merges?: unknown;
  };
  // One pass makes the list: an object of 150 000 words takes a tenth of a second.
  const words = Object.entries(typeof vocab === "object" ? (vocab ?? {}) : {}) as [string, number][];
  if (words.length === 0) refuse("a model with a vocab", vocab);
  if (!Array.isArray(vocab)) {
    const bad = words.find(([, id]) => !isId(id) || id >= vocabSize);
    if (bad) refuse(`a vocab of whole numbers from 0 to ${vocabSize - 1}, as config.json has vocab_size`, bad);
  }
  checkWords(path, Array.isArray(vocab) ? [] : words, added);
  checkMerges(path, { type, merges });
  try {
    return { added, normalises: JSON.stringify(normalizer ?? null).includes('"NF') };
  } catch {
    return refuse("a normalizer in a few levels", normalizer);
  }
}
