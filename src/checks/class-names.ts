import { type Token, tokenise } from "./tokens";

/** Where a text says a label: whole words, the last one in any inflection, joined by nothing but space, "-" or "_". */
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
    return words.flatMap((first, at) => {
      const final = words[at + name.length - 1];
      const isName =
        final && forms.has(bare(final)) && name.slice(0, -1).every((word, i) => words[at + i]!.text === word.text);
      return isName ? [{ kind: "class-name" as const, start: first.start, end: final.end }] : [];
    });
  });
}

/** "children's" → "children" */
function bare(token: Token): string {
  return token.text.replace(/['’]s?$/, "");
}

/**
 * The forms of an English noun or adjective that still name it: plural, verb forms, and the adjectives and adverbs made from
 * it (sadness: sad, sadder, sadly; anger: angry, angrily; joy: joyful, joyous). Not "-less": it says the opposite.
 */
export function inflections(word: string): ReadonlySet<string> {
  const forms = new Set(suffixed(word));
  const irregular = irregularPlurals[word] ?? (word.endsWith("man") ? `${word.slice(0, -3)}men` : undefined);
  if (irregular) forms.add(irregular);
  if (/[^f]fe?$/.test(word)) forms.add(word.replace(/fe?$/, "ves"));
  if (/..[^aeiou]er$/.test(word)) for (const end of ["ry", "rily", "rier", "riest"]) forms.add(word.slice(0, -2) + end);
  if (/...ness$/.test(word)) {
    const adjective = word.slice(0, -4).replace(/i$/, "y");
    for (const form of [...suffixed(adjective), adverb(adjective)]) forms.add(form);
  }
  return forms;
}

const irregularPlurals: Readonly<Record<string, string>> = {
  person: "people",
  child: "children",
  mouse: "mice",
  goose: "geese",
  foot: "feet",
  tooth: "teeth",
};

function suffixed(word: string): string[] {
  const plural = /(?:s|x|z|ch|sh)$/.test(word)
    ? `${word}es`
    : /[^aeiou]y$/.test(word)
      ? `${word.slice(0, -1)}ies`
      : `${word}s`;
  const qualities = ["ful", "fully", "ous", "ously", "ness"].map((end) => word + end);
  // "ear" has no adverb; what looks like one is "early".
  if (word.length >= 4) qualities.push(adverb(word));
  return [
    word,
    plural,
    ...qualities,
    ...verbStems(word).flatMap(({ stem, e }) => [
      `${stem}${e}d`,
      `${stem}${e}r`,
      `${stem}${e}st`,
      `${stem}ing`,
      `${stem}ingly`,
      `${stem}${e}dly`,
    ]),
  ];
}

function adverb(word: string): string {
  return /[^aeiou]y$/.test(word) ? `${word.slice(0, -1)}ily` : `${word}ly`;
}

/** What -ed, -er, -est and -ing are added to: "surpris-", "sadd-", "fear-". */
function verbStems(word: string): { readonly stem: string; readonly e: string }[] {
  if (word.endsWith("e")) return [{ stem: word.slice(0, -1), e: "e" }];
  if (/[^aeiou]y$/.test(word)) return [{ stem: `${word.slice(0, -1)}i`, e: "e" }];
  const isShort = /^[^aeiou]*[aeiou][^aeiouwxy]$/.test(word);
  // One syllable doubles its consonant ("sadder"), which keeps "car" apart from "caring".
  return [{ stem: isShort ? word + word.at(-1) : word, e: "e" }];
}
