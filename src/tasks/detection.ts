import { findLeaks } from "../checks/leakage";
import { ConfigError, DataError } from "../errors";
import { answerTexts } from "../prompts/answer";
import { cotTexts } from "../prompts/cot";
import { reconstructionTexts } from "../prompts/reconstruction";
import { imagePrompt, type PromptTexts, template } from "../prompts/template";
import { type BoxDenominator, detectionSimilarity } from "../similarity/boxes";
import type { Box, BoxSpace, Example } from "../types";
import { formatBox, formatBoxes, parseBoxes, sameBoxes } from "./box-text";
import type { Task } from "./task";

export interface DetectionOptions {
  /** What to find in examples that have no `subject` of their own. */
  readonly target?: string;
  /** Exactly one box per example, written without the outer brackets (false). */
  readonly single?: boolean;
  /** What the matched IoUs are divided by (`"truth"`). */
  readonly similarity?: BoxDenominator;
  /** The space of annotations and of what the model writes (`"thousand"`, Qwen2-VL's own). */
  readonly space?: BoxSpace;
  /** `"detection"`. */
  readonly name?: string;
  /** Replacements for the prompts. Placeholders: target, form, scale; annotation (cot), cot (reconstruction). */
  readonly prompts?: PromptTexts;
}

/**
 * Annotations that are boxes, written `[[x, y, w, h], …]`, or `[x, y, w, h]` when there is always exactly one.
 *
 * A data set's boxes must already be in the task's space: `convertBox` brings them there.
 *
 * @throws ConfigError for an empty target and for placeholders that do not fit
 */
export function detection(options: DetectionOptions = {}): Task<readonly Box[]> {
  const {
    target,
    single = false,
    similarity = "truth",
    space = "thousand",
    name = "detection",
    prompts = {},
  } = options;
  if (target?.trim() === "") throw new ConfigError("detection()'s target must say what to find, but it is empty");

  const common = ["target", "form", "scale"] as const;
  const cotText = template(prompts.cot ?? cotTexts.detection, "detection()'s cot prompt", {
    required: ["annotation"],
    optional: common,
  });
  const reconstructionText = template(
    prompts.reconstruction ?? reconstructionTexts.detection,
    "detection()'s reconstruction prompt",
    { required: ["cot"], optional: common },
  );
  const answerText = template(prompts.answer ?? answerTexts.detection, "detection()'s answer prompt", {
    optional: common,
  });
  const values = ({ id, subject = target }: Example<readonly Box[]>) => {
    if (subject === undefined) {
      throw new DataError(`example ${id} has no subject: give it one, or say what to find with detection({ target })`);
    }
    return { target: subject, form: single ? "[x, y, w, h]" : "[[x, y, w, h], ...]", scale: scales[space] };
  };

  const format = (boxes: readonly Box[]) => (single && boxes.length === 1 ? formatBox(boxes[0]!) : formatBoxes(boxes));
  return {
    name,
    cotPrompt: (example) =>
      imagePrompt(example.image, cotText({ ...values(example), annotation: format(example.annotation) })),
    reconstructionPrompt: (example, cot) =>
      imagePrompt(example.image, reconstructionText({ ...values(example), cot: cot.trim() })),
    answerPrompt: (example) => imagePrompt(example.image, answerText(values(example))),
    format,
    parse: (text) => {
      const boxes = parseBoxes(text, space);
      return single && boxes ? onlyBox(boxes) : boxes;
    },
    similarity: (truth, prediction) => detectionSimilarity(truth, prediction, { denominator: similarity }),
    // The target's name is in every prompt, so saying it gives nothing away.
    leaks: (cot, annotation) => findLeaks(cot, { answer: format(annotation) }),
    validate: (boxes, where) => {
      if (single && boxes.length !== 1)
        throw new DataError(`${where} must have exactly one box, but has ${boxes.length}`);
      boxes.forEach((box, i) => void validateBox(box, space, `box ${i} of ${where}`));
    },
  };
}

const scales: Readonly<Record<BoxSpace, string>> = {
  unit: "top-left corner, width and height as fractions of the image, from 0 to 1",
  thousand: "top-left corner, width and height, each from 0 to 1000 across the image",
  pixel: "top-left corner, width and height in pixels",
};

/** One box, however often it was said. */
function onlyBox(boxes: readonly Box[]): readonly Box[] | null {
  const [first] = boxes;
  return first && boxes.every((box) => sameBoxes([box], [first])) ? [first] : null;
}

/** Rounding may carry a box this far over the edge, in units of the image side. */
const EDGE_TOLERANCE = 1e-6;

function validateBox(box: Box, space: BoxSpace, where: string): void {
  const { x, y, width, height } = box;
  const written = `[${x}, ${y}, ${width}, ${height}]`;
  if (box.space !== space) {
    throw new DataError(
      `${where} is in "${box.space}" space, but the task's is "${space}": convertBox(box, "${space}", imageSize) brings it there`,
    );
  }
  if (![x, y, width, height].every(Number.isFinite)) throw new DataError(`${where} must be finite, but is ${written}`);
  if (!(width > 0 && height > 0 && x + width > x && y + height > y)) {
    throw new DataError(`${where} must have an area, but is ${written}`);
  }
  const side = { unit: 1, thousand: 1000, pixel: 1e6 }[space];
  const slack = side * EDGE_TOLERANCE;
  if (Math.min(x, y) < -slack || Math.max(x + width, y + height) > side + slack) {
    throw new DataError(`${where} must lie within 0 … ${side}, but is ${written}`);
  }
}
