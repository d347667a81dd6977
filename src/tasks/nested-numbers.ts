import { scanNumber } from "./scan";

/** A bracket in a text: it holds numbers, or further brackets, or nothing. */
export interface Nested {
  readonly numbers: readonly number[];
  readonly lists: readonly Nested[];
}

/**
 * The outermost brackets of a text that hold nothing but numbers and commas, however deep; in linear time.
 *
 * Round or square; commas may be missing, or one too many stand at the end. A bracket with words in it is prose: what it encloses is read as if it stood
 * outside. In prose and outside, a number alone in brackets, or with words, is a footnote.
 *
 * @param repairs is told of everything that is not `[…]` with commas and nothing around it
 * @returns null where numbers and brackets are mixed, brackets go on with an ellipsis, or the text stops in the middle of one
 */
export function readNested(text: string, repairs: Set<string>): Nested[] | null {
  const outer = openFrame("");
  const frames = [outer];
  for (let at = 0; at < text.length; ) {
    const frame = frames.at(-1)!;
    const character = text[at]!;
    if (character === "[" || character === "(") {
      if (frames.length > MAX_DEPTH) return null;
      frames.push(openFrame(character === "[" ? "]" : ")"));
      at++;
    } else if ((character === "]" || character === ")") && frame !== outer) {
      frames.pop();
      if (character !== frame.closer) frame.isProse = true;
      const lists = closeFrame(frame, repairs);
      if (lists === null) return null;
      const parent = frames.at(-1)!;
      if (lists.length === 0) parent.isProse = true;
      if (!parent.afterComma) parent.lacksComma = true;
      for (const list of lists) parent.lists.push(list);
      parent.afterComma = false;
      at++;
    } else if (frame === outer) {
      if (character === "]" || character === ")") repairs.add("extra brackets");
      else if (!/[\s,]/.test(character)) repairs.add("text around it");
      at++;
    } else at = readInside(text, at, frame);
  }
  const isFinished = frames.slice(1).every(({ numbers, lists }) => numbers.length === 0 && lists.length === 0);
  const found = outer.lists.filter((list) => !isFootnote(list));
  const isAlone = frames.length === 1 && found.length === outer.lists.length;
  if (!isAlone || (found.length === 1 && /^\s*,|,\s*$/.test(text))) repairs.add("text around it");
  return isFinished ? found : null;
}

/** Nesting deeper than this is no annotation; the limit also keeps the time linear. */
const MAX_DEPTH = 8;

/** A bracket that is still open. */
interface Frame {
  readonly closer: string;
  readonly numbers: number[];
  readonly lists: Nested[];
  /** Holds something else than numbers, brackets and commas between them. */
  isProse: boolean;
  /** An ellipsis stands for some of what it holds. */
  isAbridged: boolean;
  afterComma: boolean;
  /** Something follows something without a comma between. */
  lacksComma: boolean;
}

function openFrame(closer: string): Frame {
  // A comma may not come first.
  return { closer, numbers: [], lists: [], isProse: false, isAbridged: false, afterComma: true, lacksComma: false };
}

/** One step inside a bracket: a number, a comma, white space or prose. */
function readInside(text: string, at: number, frame: Frame): number {
  const character = text[at]!;
  if (character === ",") {
    if (frame.afterComma) frame.isProse = true;
    frame.afterComma = true;
    return at + 1;
  }
  const number = scanNumber(text, at);
  if (number) {
    const isSeparated = /[\s,\])]/.test(text[number.end] ?? ",");
    if (!isSeparated || Number.isNaN(number.value)) frame.isProse = true;
    if (!frame.afterComma) frame.lacksComma = true;
    frame.numbers.push(number.value);
    frame.afterComma = false;
    return number.end;
  }
  if (frame.afterComma && /^(?:\.\.\.|…)/.test(text.slice(at, at + 3))) frame.isAbridged = true;
  if (!/\s/.test(character)) frame.isProse = true;
  return at + 1;
}

/** What a closed bracket hands to the one around it: itself, or, of prose, what it encloses; null where that would not be all. */
function closeFrame(frame: Frame, repairs: Set<string>): Nested[] | null {
  const { closer, numbers, lists, isProse, isAbridged, afterComma, lacksComma } = frame;
  if (isAbridged && lists.length > 0) return null;
  if (isProse) {
    repairs.add("text around it");
    const enclosed = lists.filter((list) => !isFootnote(list));
    return enclosed.length === 0 && numbers.length > 0 ? [garbled] : enclosed;
  }
  if (numbers.length > 0 && lists.length > 0) return null;
  if (isFootnote(frame)) return [{ numbers, lists }];
  const isEmpty = numbers.length === 0 && lists.length === 0;
  if (closer === ")") repairs.add("round brackets");
  if (lacksComma) repairs.add("missing commas");
  if (afterComma && !isEmpty) repairs.add("trailing comma");
  return [{ numbers, lists }];
}

/** In place of numbers with words among them: a footnote as well, so that no box that cannot be read is dropped from among others. */
const garbled: Nested = { numbers: [Number.NaN], lists: [] };

/** A number alone, in whatever brackets: among boxes it is one that lacks numbers, in prose it is none. */
const isFootnote = ({ numbers, lists }: Nested): boolean =>
  lists.length > 0 ? numbers.length === 0 && lists.every(isFootnote) : numbers.length === 1;
