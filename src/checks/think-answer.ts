import { checkArguments, textKind } from "../options/arguments";

/** Both parts of a stage-2 completion, without surrounding space. */
export interface ThinkAnswer {
  readonly think: string;
  readonly answer: string;
}

/**
 * Writes the stage-2 target `<think>R</think><answer>A</answer>`; `parseThinkAnswer` reads it back unless a part has
 * one of the tags.
 * @example
 * formatThinkAnswer(cot, task.format(annotation));
 */
export function formatThinkAnswer(think: string, answer: string): string {
  checkArguments("formatThinkAnswer", { think, answer }, { think: textKind, answer: textKind });
  return `<think>${think.trim()}</think><answer>${answer.trim()}</answer>`;
}

/**
 * Reads `<think>R</think><answer>Â</answer>`: each tag exactly once, in this order, nothing but space around and
 * between. Newlines inside the parts are legal. Never throws; linear time.
 * @example
 * parseThinkAnswer("<think>Rain.</think><answer>[]</answer>")?.answer; // "[]"
 */
export function parseThinkAnswer(text: string): ThinkAnswer | null {
  checkArguments("parseThinkAnswer", { text }, { text: textKind });
  let at = 0;
  const between: string[] = [];
  for (const tag of ["<think>", "</think>", "<answer>", "</answer>"]) {
    const found = text.indexOf(tag, at);
    if (found < 0) return null;
    between.push(text.slice(at, found).trim());
    at = found + tag.length;
  }
  const [before, think = "", gap, answer = ""] = between;
  const parts = { think, answer };
  const hasTag = Object.values(parts).some((part) => /<\/?(?:think|answer)>/.test(part));
  return before === "" && gap === "" && text.slice(at).trim() === "" && !hasTag ? parts : null;
}
