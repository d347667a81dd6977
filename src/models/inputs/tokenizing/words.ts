import { DataError } from "../../../errors";
import { shown } from "../../../options/display";

interface Token {
  readonly id: number;
  readonly content: string;
}

/**
 * Checks that every id has one word, and every word one id; an added token may repeat a word of the vocab with its id.
 * @param path of tokenizer.json
 * @param words of the vocab with their ids; empty for models whose ids are list positions
 * @throws DataError naming both words and their id, or both ids of a word
 */
export function checkWords(path: string, words: readonly (readonly [string, number])[], added: readonly Token[]): void {
  const refuse = (expected: string, got: string): never => {
    throw new DataError(
      `${path}: expected ${expected}, got ${got}; take tokenizer.json from the model that it belongs to`,
    );
  };
  const taken = new Map<number, string>();
  const add = (word: string, id: number) => {
    const other = taken.get(id) ?? word;
    if (other !== word) refuse("an id for each token", `id ${id} for ${shown(other)} and for ${shown(word)}`);
    taken.set(id, word);
  };
  for (const [word, id] of words) add(word, id);
  const contents = new Set(added.map(({ content }) => content));
  const ids = new Map(words.filter(([word]) => contents.has(word)));
  for (const { id, content } of added) {
    add(content, id);
    const other = ids.get(content) ?? id;
    if (other !== id) refuse("one id for a token", `${shown(content)} with id ${other} and with id ${id}`);
    ids.set(content, id);
  }
}

/**
 * Checks a BPE model's merges: all of them texts such as "a b", or all of them pairs such as ["a", "b"].
 * @throws DataError naming the first invalid one, and its place
 */
export function checkMerges(path: string, { type, merges }: { readonly type?: unknown; readonly merges?: unknown }) {
  if (merges === undefined && type !== "BPE") return;
  const refuse = (place: string, expected: string, got: unknown): never => {
    const problem = `expected model.merges${place} to be ${expected}, got ${shown(got)}`;
    throw new DataError(`${path}: ${problem}; take tokenizer.json from the model that it belongs to`);
  };
  if (!Array.isArray(merges)) return refuse("", "a list", merges);
  const [isMerge, form] = Array.isArray(merges[0])
    ? ([isPair, "a pair of texts"] as const)
    : ([isLine, "two words"] as const);
  const bad = merges.findIndex((merge) => !isMerge(merge));
  if (bad >= 0) refuse(`[${bad}]`, form, merges[bad]);
}

const isPair = (merge: unknown) =>
  Array.isArray(merge) && merge.length === 2 && typeof merge[0] === "string" && typeof merge[1] === "string";

const isLine = (merge: unknown) => {
  if (typeof merge !== "string") return false;
  const space = merge.indexOf(" ");
  return space >= 0 && !merge.includes(" ", space + 1);
};
