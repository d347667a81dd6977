import { inspect } from "node:util";

/** A value as a message has it, on one line and cut where it is long: the text "1" is told from the number 1. */
export function shown(value: unknown): string {
  if (typeof value === "function") return "a function";
  // NaN and undefined, which JSON has not, among them.
  if (typeof value !== "string" && typeof value !== "object") return String(value);
  if (!isData(value)) return excerpt(inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY }));
  try {
    return excerpt(JSON.stringify(value));
  } catch {
    return "what cannot be shown";
  }
}

/** What a file of JSON may hold, and no promise or URL. */
const isData = (value: string | object | null) =>
  typeof value === "string" ||
  value === null ||
  Array.isArray(value) ||
  [Object.prototype, null].includes(Object.getPrototypeOf(value));

/** The beginning of a text, for a message. */
export const excerpt = (text: string, most = 80) => (text.length > most ? `${text.slice(0, most)}…` : text);

/**
 * Of many things the first few, each cut where it is long, and how many more there are: a file may be wrong in a
 * million places.
 */
export function listed(things: readonly string[], separator = ", ", most = 5): string {
  const rest = things.length > most ? [`… and ${things.length - most} more`] : [];
  return [...things.slice(0, most).map((thing) => excerpt(thing, 300)), ...rest].join(separator);
}
