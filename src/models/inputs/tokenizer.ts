import { join } from "node:path";
import { DataError } from "../../errors";
import { kindInsteadOfText } from "../../files/kind";
import { readText } from "../../files/open";
import { excerpt, shown } from "../../options/display";
import type { Prompt } from "../../types";
import { exists, readJson } from "../files/directory";
import type { Architecture } from "../parts/architecture";
import type { SpecialTokens } from "../parts/config";
import { withOrderedMarks } from "./tokenizing/marks";
import { runJob } from "./tokenizing/sandbox";

export interface ChatTokenizer {
  /**
   * A chat as the model reads it, ready for its answer. Each picture's place is filled with as many image tokens as `imageTokens` says.
   * A special token's name inside a text stays text.
   */
  encodePrompt(prompt: Prompt, imageTokens: readonly number[]): number[];
  /** Token ids of plain text; a special token's name stays text. */
  encode(text: string): number[];
  /** Special tokens are left out. */
  decode(ids: readonly number[]): string;
  /** The same of many at once, which takes hardly longer than one. */
  decodeAll(rows: readonly (readonly number[])[]): string[];
}

/**
 * The tokenizer of a Hugging Face directory, run by transformers.js, in a process of its own that ends what does not end; nothing is fetched.
 * @param jobMs milliseconds that a call may take (10 000), and more for long texts
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
  const settingsPath = join(dir, "tokenizer_config.json");
  const settings = await readText(settingsPath, "a JSON file");
  const { chat_template: ownTemplate } = objectIn(await readJson(settingsPath), settingsPath);
  const chat_template = (await chatTemplateFile(dir)) ?? templateWithPictures(ownTemplate) ?? chatTemplate;
  if (!added.some(({ id }) => id === tokens.image))
    throw new DataError(`${dir}: config.json has image_token_id ${tokens.image}, which tokenizer.json does not define`);
  const specials = specialTexts(added, tokens);
  const sources = { json, settings, template: chat_template };
  const { encode, decodeAll, chatTokens } = openTokenizer(dir, sources, text.vocabSize, jobMs);
  const prepared = (text: string) => (normalises ? withOrderedMarks(text) : text);
  return {
    encode(text) {
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
          `${dir}: the chat template made places for ${places} pictures, but the prompt has ${imageTokens.length}`,
        );
      let image = 0;
      return ids.flatMap((id) => (id === tokens.image ? Array<number>(imageTokens[image++]!).fill(id) : [id]));
    },
  };
}

/** The texts of special tokens, which must not be read as such inside a prompt. */
function specialTexts(added: readonly AddedToken[], tokens: SpecialTokens): ReadonlySet<string> {
  const { image, video, visionStart, visionEnd, eos, pad } = tokens;
  const reserved = new Set([image, video, visionStart, visionEnd, ...eos, pad]);
  return new Set(added.filter(({ id, special }) => special || reserved.has(id)).map(({ content }) => content));
}

/** The tokenizer in its process, opened there again if that process ends. */
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
  if (encode("a", "\n").length === 0)
    throw new DataError(`${unusable}: expected a vocabulary with letters, found none`);
  return { encode, decodeAll, chatTokens };
}

/** A prompt as chat templates take it, cut at `seam` inside every special token that its texts spell. */
function chatOf(prompt: Prompt, prepared: (text: string) => string, specials: ReadonlySet<string>) {
  const ready = prompt.map(({ role, content }) => ({
    role,
    parts: content.map((part) => (part.type === "text" ? prepared(part.text) : undefined)),
  }));
  const seam = seamFor(ready.flatMap(({ parts }) => parts.map((part) => part ?? "")).join(""));
  const chat = ready.map(({ role, parts }) => {
    const whole = parts.map((part) => part ?? seam);
    const texts = disarm(whole, specials, seam);
    const content = parts.map((part, i) =>
      part === undefined ? { type: "image" } : { type: "text", text: texts[i]! },
    );
    return { role, content };
  });
  return { chat, seam };
}

/** Chats that are not encoded anew: a prompt is sampled from and trained on, once for each of its completions. */
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

/** By which the process knows it. */
let opened = 0;

const [firstPrivate, lastPrivate] = [0xe000, 0xf8ff];

/**
 * A character for private use, or two where a text has all of them, that the text does not have: there the rendered chat is cut, so that the tokenizer never
 * sees a special token's name in one piece.
 */
function seamFor(text: string): string {
  const free = (before: string): string | undefined => {
    const there = new Set<number>();
    for (let at = text.indexOf(before); at >= 0 && at < text.length; at = text.indexOf(before, at + 1))
      there.add(text.charCodeAt(at + before.length));
    for (let code = firstPrivate; code <= lastPrivate; code++)
      // If two are equal, the first could belong to the text.
      if (!there.has(code) && code !== before.charCodeAt(0)) return before + String.fromCharCode(code);
    return undefined;
  };
  let seam = free("");
  for (let code = firstPrivate; seam === undefined; code++) seam = free(String.fromCharCode(code));
  return seam;
}

/** `parts`, cut inside every special token that they spell, alone or one after another. */
function disarm(parts: readonly string[], specials: ReadonlySet<string>, seam: string): string[] {
  const whole = parts.join("");
  const cuts = new Set<number>();
  for (const special of specials)
    for (let at = whole.indexOf(special); at >= 0; at = whole.indexOf(special, at + 1))
      cuts.add(at + Math.min(2, special.length - 1));
  const sorted = [...cuts].sort((a, b) => a - b);
  let [next, end] = [0, 0];
  return parts.map((part) => {
    const start = end;
    end += part.length;
    const inside: number[] = [];
    for (; next < sorted.length && sorted[next]! < end; next++) inside.push(sorted[next]! - start);
    return [0, ...inside].map((cut, i) => part.slice(cut, inside[i])).join(seam);
  });
}

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special?: boolean;
}

/** Tokens with a name of their own; models have some hundred. */
const mostAdded = 2 ** 16;

/**
 * The parts of tokenizer.json that must be right before it is used.
 * @throws DataError naming what is not
 */
function checkedVocabulary(path: string, json: unknown, vocabSize: number) {
  const { added_tokens = [], model, normalizer } = objectIn(json, path);
  const added = (added_tokens ?? []) as readonly AddedToken[];
  const refuse = (expected: string, found: unknown): never => {
    throw new DataError(`${path}: expected ${expected}, found ${shown(found)}`);
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
  const { vocab } = Object(model) as { readonly vocab?: unknown };
  if (typeof vocab !== "object" || vocab === null || Object.keys(vocab).length === 0)
    refuse("a model with a vocab", vocab);
  if (!Array.isArray(vocab)) {
    const bad = Object.entries(vocab as object).find(([, id]) => !isId(id) || id >= vocabSize);
    if (bad) refuse(`a vocab of whole numbers from 0 to ${vocabSize - 1}, as config.json has vocab_size`, bad);
  }
  try {
    return { added, normalises: JSON.stringify(normalizer ?? null).includes('"NF') };
  } catch {
    return refuse("a normalizer in a few levels", normalizer);
  }
}

/** @throws DataError for what is no object */
function objectIn(json: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new DataError(`${path}: expected an object, found ${shown(json)}`);
  return json as Readonly<Record<string, unknown>>;
}

/** The processor's own template, which knows pictures, where it is a file of its own. */
async function chatTemplateFile(dir: string): Promise<string | undefined> {
  const [jinja, json] = [join(dir, "chat_template.jinja"), join(dir, "chat_template.json")];
  if (await exists(jinja)) return templateIn(await readText(jinja, "a template"), jinja);
  if (!(await exists(json))) return undefined;
  const { chat_template } = objectIn(await readJson(json), json);
  if (typeof chat_template !== "string") throw new DataError(`${json}: expected { "chat_template": string }`);
  return chat_template;
}

/** @throws DataError for a file that something else lies in the place of: nearly any text is a template */
function templateIn(text: string, path: string): string {
  const kind = kindInsteadOfText(Buffer.from(text));
  if (kind) throw new DataError(`${path}: expected a template, got ${kind}`);
  return text;
}

/** A tokenizer may carry a language model's template, which would print a picture's place as JSON; or several, by name. */
function templateWithPictures(setting: unknown): string | undefined {
  const template = Array.isArray(setting) ? setting.find((one) => one?.name === "default")?.template : setting;
  return typeof template === "string" && template.includes("image") ? template : undefined;
}
