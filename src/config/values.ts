import { existsSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { parse } from "yaml";
import type { z } from "zod";

/** Options by name, as a file or a command line has them. */
export type Values = Readonly<Record<string, unknown>>;

export const isPlain = (value: unknown): value is Values =>
  typeof value === "object" && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value));

export const valueAt = (values: unknown, keys: readonly string[]): unknown =>
  keys.reduce<unknown>((outer, key) => (isPlain(outer) && Object.hasOwn(outer, key) ? outer[key] : undefined), values);

/** The same options with another value at a path; a value on the way that holds no options gives way. */
export function withValue(values: unknown, [key, ...rest]: readonly string[], value: unknown): Values {
  const own = isPlain(values) ? values : {};
  return { ...own, [key!]: rest.length === 0 ? value : withValue(valueAt(own, [key!]), rest, value) };
}

/**
 * The value that the text of a flag means: as YAML, as the text itself, or as texts between commas, whichever its
 * option takes.
 */
export function valueOfText(text: string, schema: z.ZodType | undefined): unknown {
  const parts = text.split(",").map((part) => part.trim());
  const candidates = [yamlValue(text), text, parts.filter((part) => part !== "")];
  return candidates.find((value) => schema?.safeParse(value).success) ?? candidates[0];
}

function yamlValue(text: string): unknown {
  try {
    return parse(text) as unknown;
  } catch {
    return text;
  }
}

/** Options that are paths. A model is one if it looks like one, or exists. */
const paths = ["data.path", "data.images", "data.root", "data.test", "data.validation", "runDir"];
const models = ["model", "trainer.model", "backend.model"];

/** The same options with paths that start from a folder. */
export function absolutePaths(values: Values, folder: string): Values {
  const isPath = (text: string) =>
    isAbsolute(text) || /^\.{1,2}(?:[\\/]|$)/.test(text) || existsSync(resolve(folder, text));
  return [...paths, ...models].reduce((all, name) => {
    const keys = name.split(".");
    const text = valueAt(all, keys);
    const counts = typeof text === "string" && text !== "" && (paths.includes(name) || isPath(text));
    return counts ? withValue(all, keys, resolve(folder, text)) : all;
  }, values);
}
