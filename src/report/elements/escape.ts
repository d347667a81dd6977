const entities: ReadonlyMap<string, string> = new Map([
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ['"', "&quot;"],
  ["'", "&#39;"],
]);

/** Text that means itself inside HTML and its attributes: models write anything. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => entities.get(character)!);
