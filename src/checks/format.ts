import { checkArguments, functionKind, textKind } from "../options/arguments";
import type { FormatCheck } from "../types";
import { hasSentence } from "./sentences";
import { parseThinkAnswer } from "./think-answer";

/**
 * Checks that a cot is a descriptive narrative: words, at least one full sentence of three, prose rather than a list or
 * data, and without the tags that enclose it in stage 2. Words and sentences may be in any language (`hasSentence`).
 *
 * Source: RISE, F_CoT in Eq. 1 (its first half; the second is that Â parses). The paper leaves "narrative" to us.
 * @example
 * checkCotFormat("A child laughs in the rain."); // { ok: true }
 */
export function checkCotFormat(cot: string): FormatCheck {
  checkArguments("checkCotFormat", { cot }, { cot: textKind });
  const text = cot.trim();
  if (text === "") return fail("the cot is empty");
  if (/<\/?(?:think|answer)>/i.test(text)) return fail("the cot contains a <think> or <answer> tag");
  const prose = text.replace(/<[^<>]*>/g, " ");
  if (!/\p{L}/u.test(prose)) return fail("the cot has no words, only tags, numbers or punctuation");
  // "[Sighs] The old man turns away." is prose.
  if (/^(?:\{|\[(?!\s*\p{L})|```)/u.test(text)) return fail("the cot is data, not prose");
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const items = lines.filter((line) => listItem.test(line));
  if (items.length >= 2 && items.length * 2 > lines.length) return fail("the cot is a list, not prose");
  return hasSentence(prose, 3) ? PASS : fail("the cot has no full sentence of three words");
}

/** "- a mug", "1. a mug", and without a space in scripts that do not write one: "・マグ", "1、杯子". */
const listItem = /^\s*(?:[-*•+]\s|[・●◦‣•]|\p{N}{1,9}(?:[.)]\s|[、．）]))/u;

/**
 * Checks that a completion is `<think>R</think><answer>Â</answer>`, that R is not empty and that Â parses.
 *
 * @param parse the task's parser
 * Source: RISE, F_R1 in Eq. 9.
 * @example
 * checkAnswerFormat(completion.text, (answer) => task.parse(answer)).ok;
 */
export function checkAnswerFormat(text: string, parse: (answer: string) => unknown): FormatCheck {
  checkArguments("checkAnswerFormat", { text, parse }, { text: textKind, parse: functionKind });
  return readAnswer(text, { parse }).format;
}

/**
 * The parts of a stage-2 completion; `think` and `answer` are null if its format is wrong, `prediction` if Â does not
 * parse.
 */
export interface ReadAnswer<A> {
  readonly format: FormatCheck;
  readonly think: string | null;
  readonly answer: string | null;
  readonly prediction: A | null;
  /** The flaws that were overlooked to read Â. */
  readonly repairs: readonly string[];
}

export interface AnswerReader<A> {
  parse(text: string): A | null;
  repairs?(text: string): readonly string[];
  problem?(text: string): string | undefined;
}

/** Checks a completion as `checkAnswerFormat` does, and returns its parts. */
export function readAnswer<A>(text: string, task: AnswerReader<A>): ReadAnswer<A> {
  const parts = parseThinkAnswer(text);
  if (parts === null) {
    const format = fail("the completion is not <think>…</think><answer>…</answer>");
    return { format, think: null, answer: null, prediction: null, repairs: [] };
  }
  const prediction = task.parse(parts.answer);
  const format =
    parts.think === ""
      ? fail("the think part is empty")
      : prediction === null
        ? fail(doesNotParse("the answer", parts.answer, task))
        : PASS;
  const repairs = prediction === null ? [] : (task.repairs?.(parts.answer) ?? []);
  return { format, ...parts, prediction, repairs };
}

/** Says that a text cannot be read, and why if the task knows. */
export function doesNotParse(what: string, text: string, task: Pick<AnswerReader<unknown>, "problem">): string {
  const problem = task.problem?.(text);
  return `${what} does not parse${problem === undefined ? "" : `: ${problem}`}`;
}

const PASS: FormatCheck = { ok: true };

function fail(reason: string): FormatCheck {
  return { ok: false, reason };
}
