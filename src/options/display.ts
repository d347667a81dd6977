import { inspect } from "node:util";

/** Formats a value for a message: one line, truncated, text in quotes. */
export function shown(value: unknown): string {
  if (typeof value === "function") return "a function";
  // JSON lacks NaN and undefined.
  if (typeof value !== "string" && typeof value !== "object") return String(value);
  if (!isData(value)) return excerpt(inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY }));
  try {
    return excerpt(JSON.stringify(value));
  } catch {
    return "what cannot be shown";
  }
}

/** Whether a value is data as JSON holds it, unlike a promise or a URL. */
const isData = (value: string | object | null) =>
  typeof value === "string" ||
  value === null ||
  Array.isArray(value) ||
  [Object.prototype, null].includes(Object.getPrototypeOf(value));

/** A text's beginning, for a message. */
export const excerpt = (text: string, most = 80) => (text.length > most ? `${text.slice(0, most)}…` : text);

/**
 * Lists the first few of many things, each truncated, and how many more there are: a file may be wrong in a million
 * places.
 */
export function listed(things: readonly string[], separator = ", ", most = 5): string {
  const rest = things.length > most ? [`… and ${things.length - most} more`] : [];
  return [...things.slice(0, most).map((thing) => excerpt(thing, 300)), ...rest].join(separator);
}
