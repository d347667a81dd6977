import { DataError } from "../errors";
import { choice, given, group, type Settings, specOf } from "../options/spec";
import { answerTexts, cotTexts, reconstructionTexts } from "../prompts/default-texts";
import { imagePrompt, type PromptTexts, promptsSpec, template } from "../prompts/template";
import { boxSpace } from "../similarity/boxes";
import { type Denominator, denominators } from "../similarity/matching";
import type { Task } from "../task";
import type { BoxSpace, Example } from "../types";
import { type Reading, readingOption } from "./text/lenient";

export interface LocatingOptions {
  /** The target in examples that have no `subject` of their own. */
  readonly target?: string;
  /** Replacements for the prompts. Placeholders: target, form, scale; annotation (cot), cot (reconstruction). */
  readonly prompts?: PromptTexts;
  /** The divisor of the matched IoUs (`"truth"`). */
  readonly similarity?: Denominator;
  /** The space of annotations and of what the model writes (`"thousand"`, Qwen2-VL's own). */
  readonly space?: BoxSpace;
  /**
   * Whether an answer that is not quite as asked is read, its repairs noted in the rollouts, or does not parse
   * ("lenient").
   */
  readonly reading?: Reading;
}

export const isPhrase = (value: unknown): value is string => typeof value === "string" && value.trim() !== "";

export const locatingSpec = specOf<LocatingOptions>()(() => ({
  target: given<string>("text that says what to find", isPhrase)
    .optional()
    .describe("The target in examples that have no `subject` of their own"),
  prompts: group(promptsSpec()).describe("Replacements for the prompts"),
  similarity: choice(denominators).default("truth").describe("The divisor of the matched IoUs"),
  space: boxSpace().default("thousand").describe("The space of annotations and of what the model writes"),
  reading: readingOption(),
}));

/** The way in which places are written. */
export interface Notation<A> {
  /** The form that the model is shown, such as `[x, y, w, h]`. */
  readonly form: string;
  /** The meaning of its numbers. */
  readonly scale: string;
  format(annotation: A): string;
}

/**
 * Makes the prompts of a task that looks for something in the image.
 * @param who the task's function, for error messages
 * @throws ConfigError for placeholders that do not fit
 */
export function locating<A>(
  who: string,
  { target, prompts }: Pick<Settings<LocatingOptions, typeof locatingSpec>, "target" | "prompts">,
  { form, scale, format }: Notation<A>,
): Pick<Task<A>, "cotPrompt" | "reconstructionPrompt" | "answerPrompt"> {
  const optional = ["target", "form", "scale"] as const;
  const cotText = template(prompts.cot ?? cotTexts.detection, `${who}()'s cot prompt`, {
    required: ["annotation"],
    optional,
  });
  const reconstructionText = template(
    prompts.reconstruction ?? reconstructionTexts.detection,
    `${who}()'s reconstruction prompt`,
    { required: ["cot"], optional },
  );
  const answerText = template(prompts.answer ?? answerTexts.detection, `${who}()'s answer prompt`, { optional });
  const values = ({ id, subject }: Example<A>) => {
    // Tables have an empty text where a row lacks a subject.
    const sought = isPhrase(subject) ? subject : target;
    if (sought === undefined)
      throw new DataError(`example ${id} has no subject: give it one, or say what to find with ${who}({ target })`);
    return { target: sought, form, scale };
  };
  return {
    cotPrompt: (example) =>
      imagePrompt(example.image, cotText({ ...values(example), annotation: format(example.annotation) })),
    reconstructionPrompt: (example, cot) =>
      imagePrompt(example.image, reconstructionText({ ...values(example), cot: cot.trim() })),
    answerPrompt: (example) => imagePrompt(example.image, answerText(values(example))),
  };
}
