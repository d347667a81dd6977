import { join } from "node:path";
import { DataError } from "../../errors";
import { kindInsteadOfText } from "../../files/kind";
import { readText } from "../../files/open";
import { shown } from "../../options/display";
import { exists, objectIn, readJson } from "../files/directory";

/**
 * The chat template of a Hugging Face directory: a file of its own, or the one in tokenizer_config.json, or `fallback`.
 * @throws DataError naming an invalid template and its file
 */
export async function chatTemplateOf(dir: string, fallback: string): Promise<string> {
  const path = join(dir, "tokenizer_config.json");
  const { chat_template: ownTemplate } = objectIn(await readJson(path), path);
  return (await chatTemplateFile(dir)) ?? templateWithPictures(ownTemplate, path) ?? fallback;
}

/** The processor's own template, which supports images, if it has a file of its own. */
async function chatTemplateFile(dir: string): Promise<string | undefined> {
  const [jinja, json] = [join(dir, "chat_template.jinja"), join(dir, "chat_template.json")];
  if (await exists(jinja)) return templateIn(await readText(jinja, "a template"), jinja);
  if (!(await exists(json))) return undefined;
  const { chat_template } = objectIn(await readJson(json), json);
  if (typeof chat_template !== "string")
    throw new DataError(`${json}: expected chat_template to be text, got ${shown(chat_template)}`);
  return chat_template;
}

/** @throws DataError for a file of a known other kind: nearly any text is a template */
function templateIn(text: string, path: string): string {
  const kind = kindInsteadOfText(Buffer.from(text));
  if (kind) throw new DataError(`${path}: expected a template, got ${kind}`);
  return text;
}

/**
 * The template of tokenizer_config.json if it supports images: a language model's would print an image as JSON. Named
 * templates come as a list or an object; "default" is used, and the last of two with one name, as in transformers.
 * @throws DataError naming the invalid template
 */
function templateWithPictures(setting: unknown, path: string): string | undefined {
  if (setting === undefined || setting === null) return undefined;
  const refuse = (expected: string, got: unknown): never => {
    throw new DataError(`${path}: expected ${expected}, got ${shown(got)}; mend chat_template or leave it out`);
  };
  const named = Array.isArray(setting) ? setting.map((one) => [one?.name, one?.template] as const) : [];
  const wrong = named.findIndex((parts) => !parts.every((part) => typeof part === "string"));
  if (wrong >= 0)
    refuse(`chat_template[${wrong}] to be { "name": text, "template": text }`, (setting as unknown[])[wrong]);
  const byName =
    typeof setting === "object" ? new Map(Array.isArray(setting) ? named : Object.entries(setting)) : undefined;
  if (byName && !byName.has("default")) refuse('a chat_template named "default"', [...byName.keys()]);
  const template: unknown = byName ? byName.get("default") : setting;
  if (typeof template !== "string") return refuse("chat_template to be text, or texts by name", template);
  return template.includes("image") ? template : undefined;
}
