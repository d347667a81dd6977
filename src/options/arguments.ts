import { ConfigError } from "../errors";
import { shown } from "./display";

/** The kind that an argument must have: words that follow "to be", a test, and the kinds of its elements or fields. */
export interface Kind {
  readonly words: string;
  readonly is: (value: unknown) => boolean;
  readonly each?: Kind;
  readonly fields?: Readonly<Record<string, Kind>>;
}

const isObject = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);

export const textKind: Kind = { words: "text", is: (value) => typeof value === "string" };
export const flagKind: Kind = { words: "true or false", is: (value) => typeof value === "boolean" };
export const numberKind: Kind = { words: "a number", is: (value) => typeof value === "number" };
export const functionKind: Kind = { words: "a function", is: (value) => typeof value === "function" };
export const objectKind: Kind = { words: "an object", is: isObject };
export const mapKind: Kind = { words: "a Map", is: (value) => value instanceof Map };

/** A list or a typed array. */
export const listKind = (each?: Kind): Kind => ({
  words: "a list",
  is: (value) => Array.isArray(value) || (ArrayBuffer.isView(value) && "length" in value),
  ...(each && { each }),
});

/** An object with at least these fields; `undefined` counts as missing. */
export const fieldsKind = (fields: Readonly<Record<string, Kind>>): Kind => ({ ...objectKind, fields });

/** The same, or `undefined`. */
export const optionalKind = (kind: Kind): Kind => ({
  ...kind,
  is: (value) => value === undefined || kind.is(value),
});

/** An object, or null. */
export const objectOrNullKind: Kind = { words: "an object or null", is: (value) => value === null || isObject(value) };

/** Any value except `undefined`. */
export const presentKind: Kind = { words: "given", is: (value) => value !== undefined };

/**
 * Refuses an argument that is missing or of another kind, for callers without TypeScript. Options have `readOptions`.
 * @param values the arguments by their names
 * @throws ConfigError naming the first that is wrong, its element or its field
 * @example
 * checkArguments("winRate", { ours, baseline }, { ours: listKind(numberKind), baseline: listKind(numberKind) });
 */
export function checkArguments(
  where: string,
  values: Readonly<Record<string, unknown>>,
  kinds: Readonly<Record<string, Kind>>,
): void {
  for (const name of Object.keys(kinds)) checkKind(where, name, values[name], kinds[name]!);
}

/** @throws ConfigError for an option that was given where it has no effect; an empty list counts as absent */
export function refuseIdle(where: string, why: string, given: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(given))
    if (value !== undefined && !(Array.isArray(value) && value.length === 0))
      throw new ConfigError(`${where}: expected no ${name} ${why}, got ${shown(value)}; leave it out`);
}

function checkKind(where: string, name: string, value: unknown, { words, is, each, fields }: Kind): void {
  if (!is(value)) {
    const got = value instanceof Promise ? "a promise; await it" : shown(value);
    throw new ConfigError(`${where}: expected ${name} to be ${words}, got ${got}`);
  }
  if (value === undefined) return;
  if (each)
    for (let i = 0; i < (value as unknown[]).length; i++)
      checkKind(where, `${name}[${i}]`, (value as unknown[])[i], each);
  for (const field of Object.keys(fields ?? {}))
    checkKind(where, `${name}.${field}`, (value as Record<string, unknown>)[field], fields![field]!);
}
