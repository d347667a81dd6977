/** Formats a value for a message: one line, truncated, text in quotes. */
export function shown(value: unknown): string {
  if (typeof value === "function") return "a function";
  // JSON lacks NaN and undefined.
  if (typeof value !== "string" && typeof value !== "object") return String(value);
  try {
    return excerpt(isData(value) ? JSON.stringify(value) : objectText(value));
  } catch {
    return "what cannot be shown";
  }
}

/** Whether a value is data as JSON holds it, unlike a promise or a URL. */
const isData = (value: string | object | null): value is string | null =>
  typeof value === "string" ||
  value === null ||
  Array.isArray(value) ||
  [Object.prototype, null].includes(Object.getPrototypeOf(value));

/** An object by the name of its class, and its text or its fields. Node's `inspect` is not there in a browser. */
function objectText(value: object): string {
  const { name } = value.constructor ?? { name: "object" };
  const hasText = [Error, URL, Date, RegExp].some((kind) => value instanceof kind);
  if (hasText) return `${name} ${value}`;
  if ("length" in value && ArrayBuffer.isView(value)) return `${name} of ${value.length}`;
  return `${name} ${"size" in value ? `of ${value.size}` : JSON.stringify(value)}`;
}

/** A count of things, such as "1 image" and "2 images". */
export const counted = (count: number, thing: string) => `${count} ${thing}${count === 1 ? "" : "s"}`;

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
