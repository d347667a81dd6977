import { ConfigError } from "../errors";
import { counted } from "../options/display";
import { splitWords } from "./scripted-backend";

/** Ends every completion. */
export const endToken = 0;

/** A node: the words that can follow the same beginning. */
export interface PhraseNode {
  /** Index of this node's first logit in a context's table, which has one for each of `next`. */
  readonly offset: number;
  readonly next: ReadonlyMap<number, PhraseNode>;
}

/** Texts merged by their common beginnings. */
export interface PhraseTree {
  readonly root: PhraseNode;
  /** Logits of a whole table. */
  readonly size: number;
  /** The word of each token; `""` ends a text. */
  readonly words: readonly string[];
  /** @throws ConfigError for a text that is not in the tree */
  encode(text: string): number[];
}

export function phraseTree(texts: readonly string[]): PhraseTree {
  if (texts.length === 0) throw new ConfigError("scriptedTrainer: expected at least one text, got none");
  const words = ["", ...new Set(texts.flatMap(splitWords))];
  const ids = new Map(words.map((word, id) => [word, id]));
  const tokens = (text: string) => [...splitWords(text).map((word) => ids.get(word) ?? -1), endToken];
  let size = 0;
  const grow = (tails: readonly (readonly number[])[]): PhraseNode => {
    const heads = [...new Set(tails.flatMap(([head]) => (head === undefined ? [] : [head])))];
    const offset = size;
    size += heads.length;
    const below = (head: number) => tails.filter(([first]) => first === head).map(([, ...rest]) => rest);
    return { offset, next: new Map(heads.map((head) => [head, grow(below(head))])) };
  };
  const root = grow(texts.map(tokens));
  return {
    root,
    size,
    words,
    encode(text) {
      if (!texts.includes(text))
        throw new ConfigError(
          `scriptedTrainer: expected one of its ${counted(texts.length, "text")}, got ${JSON.stringify(text)}; add it to texts`,
        );
      return tokens(text);
    },
  };
}
