const entities: ReadonlyMap<string, string> = new Map([
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ['"', "&quot;"],
  ["'", "&#39;"],
]);

/** Escapes text for HTML and its attributes, since models write anything. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => entities.get(character)!);
