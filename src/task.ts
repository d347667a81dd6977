import type { DrawnShape, Example, Leak, Prompt } from "./types";

/**
 * The knowledge that RISE needs of a kind of annotation. One contract suite holds every task to these laws:
 * `parse(format(a)) = a`; `similarity(a, a) = 1`; `0 ≤ similarity ≤ 1`; `leaks(format(a), a)` is not empty;
 * `parse` never throws and runs in linear time.
 */
export interface Task<A> {
  readonly name: string;
  /** Asks for a cot that justifies A without giving it away: π(R | I, A). */
  cotPrompt(example: Example<A>): Prompt;
  /** Asks for the annotation from image and cot, without A: π(Â | I, R). */
  reconstructionPrompt(example: Example<A>, cot: string): Prompt;
  /** Asks for `<think>R</think><answer>Â</answer>` from the image alone. */
  answerPrompt(example: Example<A>): Prompt;
  /** The annotation as the model should write it. */
  format(annotation: A): string;
  /** The annotation a model wrote, or `null`. Never throws. */
  parse(text: string): A | null;
  /** The flaws that `parse` overlooked, such as "trailing comma"; empty if a text is written as asked. */
  repairs?(text: string): readonly string[];
  /** Why `parse` gives null for a text, if words can say it, such as the key that a box stands under. */
  problem?(text: string): string | undefined;
  /** S(A, Â) in [0, 1]. */
  similarity(truth: A, prediction: A): number;
  /**
   * Places in the cot that give A away: numbers, and label names with `strict`. `findLeaks` lets small spelled counts
   * pass ("three children"); a task whose annotations are counts passes `counts: true` to it.
   */
  leaks(cot: string, annotation: A, options?: { readonly strict?: boolean }): readonly Leak[];
  /** Checks an annotation before any compute is spent on it. @throws DataError naming what is wrong with it */
  validate(annotation: A, where: string): void;
  /** Shapes that show an annotation on a page. A task without `draw` is shown as its formatted text. */
  draw?(annotation: A): readonly DrawnShape[];
}
