import { feelings } from "./feelings";
import { type Token, tokenise } from "./tokens";

/** Where a text says a label: whole words, the last one in any inflection, joined by space, "-", "_" or nothing. */
export function findClassNames(
  tokens: readonly Token[],
  labels: readonly string[],
): { readonly kind: "class-name"; readonly start: number; readonly end: number }[] {
  const words = tokens.filter(({ text }) => text !== "-" && text !== "_");
  return labels.flatMap((label) => {
    const name = tokenise(label).filter(({ text }) => text !== "-" && text !== "_");
    const last = name.at(-1);
    if (!last) return [];
    const forms = inflections(last.text);
    const start = name.slice(0, -1);
    const closed = start.map(({ text }) => text).join("");
    return words.flatMap((first, at) => {
      if (closed && first.text.startsWith(closed) && forms.has(bare(first).slice(closed.length))) {
        return [{ kind: "class-name" as const, start: first.start, end: first.end }];
      }
      const final = words[at + name.length - 1];
      const isName = final && forms.has(bare(final)) && start.every((word, i) => words[at + i]!.text === word.text);
      return isName ? [{ kind: "class-name" as const, start: first.start, end: final.end }] : [];
    });
  });
}

/** "children's" → "children" */
function bare(token: Token): string {
  return token.text.replace(/['’]s?$/, "");
}

/**
 * The words that name what an English noun or adjective names. A feeling: its whole family (sadness: sad, sadder, sadly).
 * Anything else: plural, and the adverb or noun made of an adjective; not verb forms, for "training" names no train.
 */
export function inflections(word: string): ReadonlySet<string> {
  const forms = new Set([word, `${word}s`, plural(word), ...(feelings.get(word) ?? qualities(word))]);
  if (/[^f]fe?$/.test(word)) forms.add(word.replace(/fe?$/, "ves"));
  const adjective = /...ness$/.test(word) ? word.slice(0, -4).replace(/i$/, "y") : undefined;
  if (adjective) for (const form of [adjective, ...qualities(adjective)]) forms.add(form);
  return forms;
}

function plural(word: string): string {
  const irregular = irregularPlurals.get(word);
  if (irregular !== undefined) return irregular;
  if (word.endsWith("man")) return `${word.slice(0, -3)}men`;
  if (/(?:s|x|z|ch|sh)$/.test(word)) return `${word}es`;
  return /[^aeiou]y$/.test(word) ? `${word.slice(0, -1)}ies` : `${word}s`;
}

const irregularPlurals: ReadonlyMap<string, string> = new Map([
  ["person", "people"],
  ["child", "children"],
  ["mouse", "mice"],
  ["goose", "geese"],
  ["foot", "feet"],
  ["tooth", "teeth"],
]);

function qualities(word: string): string[] {
  // "Ear" has no adverb; what looks like one is "early".
  if (word.length < 4) return [];
  const stem = /[^aeiou]y$/.test(word) ? `${word.slice(0, -1)}i` : word;
  return [`${stem}ly`, `${stem}ness`];
}
