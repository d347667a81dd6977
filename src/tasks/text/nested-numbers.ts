import { scanNumber } from "./scan";

/** A bracket in a text: it holds numbers, or further brackets, or nothing. */
export interface Nested {
  readonly numbers: readonly number[];
  /** The numbers as they are written. */
  readonly written: readonly string[];
  readonly lists: readonly Nested[];
  /** The key that the bracket stands under, as in `{"bbox": […]}`. */
  readonly key?: Key | undefined;
  /** Whether words stand between the bracket and the one before it. */
  readonly afterWords?: boolean | undefined;
}

export interface Key {
  readonly name: string;
  /** Whether the key stands in quotes or in braces; otherwise it may be the last word of a sentence. */
  readonly isJson: boolean;
}

/**
 * Reads the outermost brackets of a text that hold only numbers and commas, however deep; in linear time.
 *
 * Brackets are round or square; commas may be missing, or one too many at the end. A bracket with words in it is prose:
 * the brackets inside it are read as if they stood outside. In prose and outside, a number alone in brackets, or with
 * words, is a footnote.
 *
 * @param repairs is told of everything that is not `[…]` with commas and nothing around it
 * @returns null if numbers and brackets are mixed, brackets continue with an ellipsis, or the text stops inside one
 */
export function readNested(text: string, repairs: Set<string>): Nested[] | null {
  const outer = openFrame("");
  const frames = [outer];
  let braces = 0;
  let afterWords = false;
  for (let at = 0; at < text.length; ) {
    const frame = frames.at(-1)!;
    const character = text[at]!;
    afterWords ||= /\p{L}/u.test(character);
    if (character === "{") braces++;
    if (character === "}" && braces > 0) braces--;
    if (character === "[" || character === "(") {
      if (frames.length > MAX_DEPTH) return null;
      frames.push({ ...openFrame(character === "[" ? "]" : ")"), key: keyBefore(text, at, braces > 0), afterWords });
      afterWords = false;
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

/** The deepest nesting of an annotation; the limit also keeps the time linear. */
const MAX_DEPTH = 8;

/** A bracket that is still open. */
interface Frame extends Nested {
  readonly closer: string;
  readonly numbers: number[];
  readonly written: string[];
  readonly lists: Nested[];
  /** Whether it holds anything but numbers, brackets and commas between them. */
  isProse: boolean;
  /** Whether an ellipsis stands for some of its content. */
  isAbridged: boolean;
  afterComma: boolean;
  /** Whether two entries have no comma between them. */
  lacksComma: boolean;
}

function openFrame(closer: string): Frame {
  // A comma may not come first.
  const found = { numbers: [], written: [], lists: [] };
  return { closer, ...found, isProse: false, isAbridged: false, afterComma: true, lacksComma: false };
}

/** The length of text before a bracket that is searched for its key: known keys are shorter. */
const LONGEST_KEY = 80;

/** The key of the bracket at `at`, if `key:` or `key =` stands before it, perhaps with an opening quote. */
function keyBefore(text: string, at: number, isInBraces: boolean): Key | undefined {
  if (at === 0 || "[(,".includes(text[at - 1]!)) return undefined;
  const before = text.slice(Math.max(0, at - LONGEST_KEY), at);
  if (!/[:=]\s*["'`]?$/.test(before)) return undefined;
  const [, quoted] = /["'“”‘’`]([^"'“”‘’`{}[\]]*)["'“”‘’`]\s*[:=]\s*["'`]?$/.exec(before) ?? [];
  if (quoted !== undefined) return { name: quoted, isJson: true };
  const [, bare] = /([\p{L}\p{N}_-]+)\s*[:=]\s*["'`]?$/u.exec(before) ?? [];
  return bare === undefined ? undefined : { name: bare, isJson: isInBraces };
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
    frame.written.push(text.slice(at, number.end));
    frame.afterComma = false;
    return number.end;
  }
  if (frame.afterComma && /^(?:\.\.\.|…)/.test(text.slice(at, at + 3))) frame.isAbridged = true;
  if (!/\s/.test(character)) frame.isProse = true;
  return at + 1;
}

/**
 * The brackets that a closed bracket hands to the one around it: itself or, if it is prose, those inside it; null if
 * some are missing.
 */
function closeFrame(frame: Frame, repairs: Set<string>): Nested[] | null {
  const { closer, numbers, written, lists, key, afterWords, isProse, isAbridged, afterComma, lacksComma } = frame;
  if (isAbridged && lists.length > 0) return null;
  if (isProse) {
    repairs.add("text around it");
    const enclosed = lists.filter((list) => !isFootnote(list));
    return enclosed.length === 0 && numbers.length > 0 ? [garbled] : enclosed;
  }
  if (numbers.length > 0 && lists.length > 0) return null;
  if (isFootnote(frame)) return [{ numbers, written, lists }];
  const isEmpty = numbers.length === 0 && lists.length === 0;
  if (closer === ")") repairs.add("round brackets");
  if (lacksComma) repairs.add("missing commas");
  if (afterComma && !isEmpty) repairs.add("trailing comma");
  return [{ numbers, written, lists, key, afterWords }];
}

/** Stands in for an unreadable group, so that the whole answer fails instead of losing one box. */
const garbled: Nested = { numbers: [Number.NaN], written: [""], lists: [] };

/** A single number in brackets: a malformed box inside a list, a footnote in prose. */
const isFootnote = ({ numbers, lists }: Nested): boolean =>
  lists.length > 0 ? numbers.length === 0 && lists.every(isFootnote) : numbers.length === 1;

/** Two numbers: a point, a range, or the size of an image. */
export const isPair = ({ numbers, lists }: Nested): boolean => numbers.length === 2 && lists.length === 0;

/**
 * The groups of an answer without the pairs that a sentence mentions, as in "normalised to [0, 1000]": words stand
 * before such a pair, and the answer follows it or is a list of its own.
 */
export function withoutRemarks(groups: readonly Nested[]): readonly Nested[] {
  const first = groups.findIndex((group) => !isPair(group));
  const hasList = groups.some(({ lists }) => lists.length > 0);
  if (first < 0) return groups;
  return groups.filter((group, i) => !(isPair(group) && group.afterWords && (i < first || hasList)));
}
