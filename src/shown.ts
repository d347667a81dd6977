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
export const excerpt = (text: string) => (text.length > 80 ? `${text.slice(0, 80)}…` : text);
