import { ConfigError } from "../errors";
import { specOf, text as textOption } from "../options/spec";
import type { ImageSource, Prompt } from "../types";

/** Texts that replace a task's own prompts; each may use the placeholders its task names. */
export interface PromptTexts {
  /** Asks for a cot; must use `{{annotation}}`. */
  readonly cot?: string;
  /** Asks for the annotation back; must use `{{cot}}`. */
  readonly reconstruction?: string;
  /** Asks for `<think>…</think><answer>…</answer>`. */
  readonly answer?: string;
}

export const promptsSpec = specOf<PromptTexts>()(() => ({
  cot: textOption().optional().describe("Asks for a cot; must use {{annotation}}"),
  reconstruction: textOption().optional().describe("Asks for the annotation back; must use {{cot}}"),
  answer: textOption().optional().describe("Asks for <think>…</think><answer>…</answer>"),
}));

/** Names of the `{{placeholders}}` in a text, read off its type. */
export type PlaceholdersOf<Text extends string> = Text extends `${string}{{${infer Name}}}${infer Rest}`
  ? Name | PlaceholdersOf<Rest>
  : never;

/** The placeholder that a prompt must use, and the other two may not. */
export interface OwnPlaceholder {
  readonly cot: "annotation";
  readonly reconstruction: "cot";
  readonly answer: never;
}

/** The text itself or, if it is refused, a sentence that says why: the compiler shows it. */
type FittingText<Text extends string, Common extends string, Own extends string> = string extends Text
  ? Text
  : [Exclude<PlaceholdersOf<Text>, Common | Own>] extends [never]
    ? [Exclude<Own, PlaceholdersOf<Text>>] extends [never]
      ? Text
      : `this text must use {{${Own}}}`
    : `{{${Exclude<PlaceholdersOf<Text>, Common | Own>}}} is nothing that this text can use`;

type FittingTexts<Texts extends PromptTexts, Common extends string> = {
  readonly [Name in keyof Texts]: Name extends keyof OwnPlaceholder
    ? Texts[Name] extends string
      ? FittingText<Texts[Name], Common, OwnPlaceholder[Name]>
      : Texts[Name]
    : Texts[Name];
};

/** Texts for a task's `prompts` whose placeholders the compiler checks; a task checks them when it is made. */
export function promptTexts<Common extends string>() {
  return <const Texts extends PromptTexts>(texts: Texts & FittingTexts<Texts, Common>): Texts => texts;
}

type Joined<Parts extends readonly string[]> = Parts extends readonly [
  infer First extends string,
  ...infer Rest extends readonly string[],
]
  ? Rest extends readonly []
    ? First
    : `${First} ${Joined<Rest>}`
  : "";

/** Joins sentences to one text whose type still shows the placeholders, which the type of `a + b` does not. */
export function sentences<const Parts extends readonly string[]>(...parts: Parts): Joined<Parts> {
  return parts.join(" ") as Joined<Parts>;
}

/** A text with its placeholders still open; fill it by calling it. */
export interface Template<Name extends string> {
  (values: Readonly<Record<Name, string>>): string;
  readonly uses: ReadonlySet<string>;
}

/**
 * Compiles a text with `{{name}}` placeholders.
 *
 * Filling is one pass: a value that itself contains `{{name}}` (a cot may) is inserted as it is.
 *
 * @param where the option or constant the text came from, for error messages
 * @param names placeholders the text must use, and those it may use
 * @throws ConfigError for a required placeholder that is missing, and for an unknown one
 */
export function template<const Required extends string = never, const Optional extends string = never>(
  text: string,
  where: string,
  names: { readonly required?: readonly Required[]; readonly optional?: readonly Optional[] },
): Template<Required | Optional> {
  const required: readonly string[] = names.required ?? [];
  const known = new Set<string>([...required, ...(names.optional ?? [])]);
  const parts = split(text, where);
  const uses = new Set(parts.filter((_, i) => i % 2 === 1));
  const list = [...known].map((name) => `{{${name}}}`).join(", ") || "none";
  for (const name of uses)
    if (!known.has(name)) throw new ConfigError(`${where}: expected placeholders out of ${list}, got {{${name}}}`);
  for (const name of required)
    if (!uses.has(name))
      throw new ConfigError(`${where}: expected a text that uses {{${name}}}, got ${JSON.stringify(text)}`);
  const fill = (values: Readonly<Record<string, string>>) =>
    parts.map((part, i) => (i % 2 === 0 ? part : values[part])).join("");
  return Object.assign(fill, { uses });
}

/**
 * A prompt of one user message: the image, then the text.
 * @example
 * imagePrompt("photo.jpg", "What can be seen?");
 */
export function imagePrompt(image: ImageSource, text: string): Prompt {
  return [
    {
      role: "user",
      content: [
        { type: "image", image },
        { type: "text", text },
      ],
    },
  ];
}

/** Text and placeholder names in turn: even entries are text, odd entries names. */
function split(text: string, where: string): string[] {
  const parts: string[] = [];
  let at = 0;
  for (;;) {
    const open = text.indexOf("{{", at);
    if (open < 0) return [...parts, text.slice(at)];
    const close = text.indexOf("}}", open);
    if (close < 0)
      throw new ConfigError(`${where} opens a placeholder at character ${open} and never closes it with }}`);
    parts.push(text.slice(at, open), text.slice(open + 2, close).trim());
    at = close + 2;
  }
}
