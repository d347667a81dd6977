import { excerpt } from "../../options/display";

/** Looks for the first place at which a text is no JSON. */
export interface JsonScanner {
  /** The fault in the text so far, with its place; `undefined` while the text may still be JSON. */
  push(text: string): string | undefined;
  /** The same after the last piece. */
  end(): string | undefined;
}

type Expected =
  | "a value"
  | "a value or ]"
  | "a key in quotes or }"
  | "a key in quotes"
  | "a colon"
  | "a comma or the end"
  | "the end";

/**
 * A scanner for text that a parser has refused: parsers stop, and do not say where or at what. It costs nothing while
 * files are in order.
 *
 * @example
 * jsonScanner().push('{"area": NaN}') // "got NaN, which JSON does not have, at line 1, column 10 (area); write null or a number"
 */
export function jsonScanner(): JsonScanner {
  const open: { readonly isArray: boolean; place: number | string }[] = [];
  let expected: Expected = "a value";
  /** The beginning of the text, number or literal that has begun. */
  let word: string | undefined;
  let isText = false;
  let escaped: string | undefined;
  let [line, column] = [1, 0];

  const fault = (found: string, advice = "", at = column): string => {
    const element = open.map(({ place }) => place).filter((place) => place !== "");
    return `got ${found}, at line ${line}, column ${at}${element.length > 0 ? ` (${element.join(".")})` : ""}${advice && `; ${advice}`}`;
  };
  const misplaced = (found: string) => fault(`${found} where ${expected} belongs`, found === "'" ? quotes : "");
  const afterValue = () => {
    expected = open.length === 0 ? "the end" : "a comma or the end";
  };
  const finish = (): string | undefined => {
    const finished = word!;
    word = undefined;
    if (isText && expected.startsWith("a key")) {
      open.at(-1)!.place = finished;
      expected = "a colon";
      return undefined;
    }
    if (!isText && !literal.test(finished)) return fault(...wrongWord(finished), column - finished.length);
    afterValue();
    return undefined;
  };

  const takeText = (character: string): string | undefined => {
    if (escaped !== undefined) {
      escaped += character;
      if (!/^(?:["\\/bfnrt]|u[\da-f]{0,4})$/.test(escaped.replace(/[A-F]/g, "a")))
        return fault(`\\${escaped}, which is no escape of JSON`, 'write "\\\\" for a backslash');
      if (escaped.length === (escaped.startsWith("u") ? 5 : 1)) escaped = undefined;
    } else if (character === "\\") escaped = "";
    else if (character === '"') return finish();
    else if (character < " ") return fault(`${JSON.stringify(character)} inside a text`, "write it as an escape");
    else if (word!.length < longestWord) word += character;
    return undefined;
  };

  const takeMark = (character: string): string | undefined => {
    const inside = open.at(-1);
    const wantsValue = expected.startsWith("a value");
    if (character === '"') {
      if (!wantsValue && !expected.startsWith("a key")) return misplaced(character);
      [word, isText] = ["", true];
    } else if (character === "{" || character === "[") {
      if (!wantsValue) return misplaced(character);
      const isArray = character === "[";
      open.push({ isArray, place: isArray ? 0 : "" });
      expected = isArray ? "a value or ]" : "a key in quotes or }";
    } else if (character === "}" || character === "]") {
      const canClose = expected.includes(character) || expected === "a comma or the end";
      if (!canClose || inside?.isArray !== (character === "]")) return misplaced(character);
      open.pop();
      afterValue();
    } else if (character === ",") {
      if (expected !== "a comma or the end") return misplaced(character);
      if (inside!.isArray) inside!.place = Number(inside!.place) + 1;
      expected = inside!.isArray ? "a value" : "a key in quotes";
    } else if (character === ":") {
      if (expected !== "a colon") return misplaced(character);
      expected = "a value";
    } else if (!wantsValue) {
      return misplaced(character);
    } else {
      [word, isText] = [character, false];
    }
    return undefined;
  };

  const take = (character: string): string | undefined => {
    if (word !== undefined && isText) return takeText(character);
    if (word !== undefined && !delimiter.test(character)) {
      if (word.length < longestWord) word += character;
      return undefined;
    }
    const wrong = word === undefined ? undefined : finish();
    return wrong ?? (space.test(character) ? undefined : takeMark(character));
  };

  return {
    push(text) {
      for (const character of text) {
        column++;
        const wrong = take(character);
        if (wrong !== undefined) return wrong;
        if (character === "\n") [line, column] = [line + 1, 0];
      }
      return undefined;
    },
    end() {
      column++;
      const wrong = word === undefined || isText ? undefined : finish();
      if (wrong !== undefined || (word === undefined && expected === "the end")) return wrong;
      return fault("text that ends early", "copy or write it again, whole");
    },
  };
}

const quotes = "write texts and keys in double quotes";
const longestWord = 40;
const space = /[ \t\n\r]/;
const delimiter = /[ \t\n\r,:[\]{}"]/;
const literal = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;

/** A word that is no value, and what to write instead. */
function wrongWord(word: string): [found: string, advice: string] {
  const found = `${excerpt(word)}, which JSON does not have`;
  if (/^[+-]?(?:nan|inf(?:inity)?)$/i.test(word)) return [found, "write null or a number"];
  if (word.startsWith("'")) return [found, quotes];
  return [found, "write a number, a text in double quotes, true, false or null"];
}
