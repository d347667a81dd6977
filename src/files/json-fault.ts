/** Looks for the first place at which a text is not JSON. */
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
 * Makes a scanner for text that a parser has refused, since parsers do not say where they stopped, or at what. Intact
 * files are never scanned.
 *
 * @example
 * jsonScanner().push('{"area": NaN}')
 * // "got NaN, which JSON does not have, at line 1, column 10 (area); write null or a number"
 */
export function jsonScanner(): JsonScanner {
  const at: Position = {
    open: [],
    expected: "a value",
    word: undefined,
    isText: false,
    escaped: undefined,
    line: 1,
    column: 0,
  };
  return {
    push(text) {
      for (const character of text) {
        at.column++;
        const wrong = take(at, character);
        if (wrong !== undefined) return wrong;
        if (character === "\n") [at.line, at.column] = [at.line + 1, 0];
      }
      return undefined;
    },
    end() {
      at.column++;
      const wrong = at.word === undefined || at.isText ? undefined : finish(at);
      if (wrong !== undefined || (at.word === undefined && at.expected === "the end")) return wrong;
      return fault(at, "text that ends early", "copy or write it again, whole");
    },
  };
}

/** The fault of a whole text that a parser has refused. */
export function jsonFault(text: string): string | undefined {
  const scanner = jsonScanner();
  return scanner.push(text) ?? scanner.end();
}

/** The place of a scanner in its text. */
interface Position {
  /** The arrays and objects around it, outermost first, each with the index or key that it has reached. */
  readonly open: { readonly isArray: boolean; place: number | string }[];
  expected: Expected;
  /** The beginning of the text, number or literal that has begun. */
  word: string | undefined;
  isText: boolean;
  /** The part of an escape after its backslash. */
  escaped: string | undefined;
  line: number;
  column: number;
}

function fault({ open, line, column }: Position, found: string, advice = "", at = column): string {
  const element = open.map(({ place }) => place).filter((place) => place !== "");
  return `got ${found}, at line ${line}, column ${at}${element.length > 0 ? ` (${element.join(".")})` : ""}${advice && `; ${advice}`}`;
}

const misplaced = (at: Position, found: string) =>
  fault(at, `${found} where ${at.expected} belongs`, found === "'" ? quotes : "");

function take(at: Position, character: string): string | undefined {
  if (at.word !== undefined && at.isText) return takeText(at, character);
  if (at.word !== undefined && !delimiter.test(character)) {
    if (at.word.length < longestWord) at.word += character;
    return undefined;
  }
  const wrong = at.word === undefined ? undefined : finish(at);
  return wrong ?? (space.test(character) ? undefined : takeMark(at, character));
}

/** Ends the text, number or literal that has begun. */
function finish(at: Position): string | undefined {
  const finished = at.word!;
  at.word = undefined;
  if (at.isText && at.expected.startsWith("a key")) {
    at.open.at(-1)!.place = finished;
    at.expected = "a colon";
    return undefined;
  }
  if (!at.isText && !literal.test(finished)) return fault(at, ...wrongWord(finished), at.column - finished.length);
  expectAfterValue(at);
  return undefined;
}

function expectAfterValue(at: Position): void {
  at.expected = at.open.length === 0 ? "the end" : "a comma or the end";
}

function takeText(at: Position, character: string): string | undefined {
  if (at.escaped !== undefined) {
    at.escaped += character;
    if (!/^(?:["\\/bfnrt]|u[\da-f]{0,4})$/.test(at.escaped.replace(/[A-F]/g, "a")))
      return fault(at, `\\${at.escaped}, which is not an escape of JSON`, 'write "\\\\" for a backslash');
    if (at.escaped.length === (at.escaped.startsWith("u") ? 5 : 1)) at.escaped = undefined;
  } else if (character === "\\") at.escaped = "";
  else if (character === '"') return finish(at);
  else if (character < " ") return fault(at, `${JSON.stringify(character)} inside a text`, "write it as an escape");
  else if (at.word!.length < longestWord) at.word += character;
  return undefined;
}

function takeMark(at: Position, character: string): string | undefined {
  const { open, expected } = at;
  const inside = open.at(-1);
  const wantsValue = expected.startsWith("a value");
  if (character === '"') {
    if (!wantsValue && !expected.startsWith("a key")) return misplaced(at, character);
    [at.word, at.isText] = ["", true];
  } else if (character === "{" || character === "[") {
    if (!wantsValue) return misplaced(at, character);
    const isArray = character === "[";
    open.push({ isArray, place: isArray ? 0 : "" });
    at.expected = isArray ? "a value or ]" : "a key in quotes or }";
  } else if (character === "}" || character === "]") {
    const canClose = expected.includes(character) || expected === "a comma or the end";
    if (!canClose || inside?.isArray !== (character === "]")) return misplaced(at, character);
    open.pop();
    expectAfterValue(at);
  } else if (character === ",") {
    if (expected !== "a comma or the end") return misplaced(at, character);
    if (inside!.isArray) inside!.place = Number(inside!.place) + 1;
    at.expected = inside!.isArray ? "a value" : "a key in quotes";
  } else if (character === ":") {
    if (expected !== "a colon") return misplaced(at, character);
    at.expected = "a value";
  } else if (!wantsValue) {
    return misplaced(at, character);
  } else {
    [at.word, at.isText] = [character, false];
  }
  return undefined;
}

const quotes = "write texts and keys in double quotes";
const longestWord = 40;
const space = /[ \t\n\r]/;
const delimiter = /[ \t\n\r,:[\]{}"]/;
const literal = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;

/** Describes a word that is not a value, and says what to write instead. */
function wrongWord(word: string): [found: string, advice: string] {
  const found = `${word}, which JSON does not have`;
  if (/^[+-]?(?:nan|inf(?:inity)?)$/i.test(word)) return [found, "write null or a number"];
  if (word.startsWith("'")) return [found, quotes];
  return [found, "write a number, a text in double quotes, true, false or null"];
}
