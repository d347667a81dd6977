/** A value as a message has it, cut where it is long: the text "1" is told from the number 1. */
export function shown(value: unknown): string {
  if (typeof value === "function") return "a function";
  // NaN and undefined, which JSON has not, among them.
  if (typeof value !== "string" && typeof value !== "object") return String(value);
  try {
    return excerpt(JSON.stringify(value));
  } catch {
    return "what cannot be shown";
  }
}

/** The beginning of a text, for a message. */
export const excerpt = (text: string) => (text.length > 80 ? `${text.slice(0, 80)}…` : text);
