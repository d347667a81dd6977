import { feelings } from "./numbers/emotion-words";
import { type Token, tokenise } from "./numbers/tokens";

/**
 * Finds the places where a text says a label: whole words, the last in any inflection, joined by space, "-", "_" or
 * nothing; in scripts without spaces between words, anywhere.
 */
export function findClassNames(
  tokens: readonly Token[],
  labels: readonly string[],
): { readonly kind: "class-name"; readonly start: number; readonly end: number }[] {
  const words = spelled(tokens);
  return labels.flatMap((label) => {
    const name = spelled(tokenise(label));
    const last = name.at(-1);
    if (!last) return [];
    if (name.length === 1 && unspaced.test(last.text)) return words.flatMap((word) => within(word, last.text));
    if (name.length === 1 && korean.test(last.text)) return words.flatMap((word) => withParticle(word, last.text));
    const forms = inflections(last.text);
    const start = name.slice(0, -1);
    const closed = start.map(({ text }) => text).join("");
    return words.flatMap((first, at) => {
      if (closed && first.text.startsWith(closed) && forms.has(bare(first).slice(closed.length)))
        return [{ kind: "class-name" as const, start: first.start, end: first.end }];
      const final = words[at + name.length - 1];
      const isName = final && forms.has(bare(final)) && start.every((word, i) => words[at + i]!.text === word.text);
      return isName ? [{ kind: "class-name" as const, start: first.start, end: final.end }] : [];
    });
  });
}

/** The words, each in one spelling of its accents. */
const spelled = (tokens: readonly Token[]): readonly Token[] =>
  tokens.flatMap((token) => (token.text === "-" ? [] : { ...token, text: composed(token.text) }));

/**
 * No language puts more than 30 marks on a letter (UAX #15, stream-safe text), and composing takes the square of their
 * number: a letter with more keeps them as they are.
 */
const composed = (text: string): string => (/\p{M}{31}/u.test(text) ? text : text.normalize("NFC"));

const unspaced =
  /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

const korean = /^\p{Script=Hangul}+$/u;

/** Korean writes particles, and the copula, on its nouns: "기쁨을", "기쁨이다"; not "영화" for "영". */
const particle =
  /^(?:들)?(?:이|가|은|는|을|를|의|에|에서|에게|로|으로|와|과|도|만|나|이나|까지|부터|처럼|보다|마저|조차|이다|이며|이고|입니다|이었다|였다)?$/;

function withParticle({ text, start, end }: Token, name: string) {
  const isNamed = text.startsWith(name) && particle.test(text.slice(name.length));
  return isNamed ? [{ kind: "class-name" as const, start, end }] : [];
}

/** Every place where a name stands within a word, which may be a whole sentence. */
function within({ text, start, end }: Token, name: string) {
  // In another spelling its places are not those of the text.
  if (text.length !== end - start) return text.includes(name) ? [{ kind: "class-name" as const, start, end }] : [];
  const found = [];
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + name.length))
    found.push({ kind: "class-name" as const, start: start + at, end: start + at + name.length });
  return found;
}

/** "children's" → "children" */
function bare(token: Token): string {
  return token.text.replace(/['’]s?$/, "");
}

/**
 * The forms of an English noun or adjective that name the same thing. A feeling has its whole family (sadness: sad,
 * sadder, sadly). Other words have a plural, and the adverb or noun made of an adjective, but no verb forms: "training"
 * is not a train.
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
  if (/(?:s|x|z|ch|sh|[^aeiou]o)$/.test(word)) return `${word}es`;
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
  // "Early" only looks like the adverb of "ear".
  if (word.length < 4) return [];
  const stem = /[^aeiou]y$/.test(word) ? `${word.slice(0, -1)}i` : word;
  return [`${stem}ly`, `${stem}ness`];
}
