import { findLeaks } from "../checks/leakage";
import { DataError } from "../errors";
import { shown } from "../options/display";
import { choice, flag, readOptions, specOf, text } from "../options/spec";
import { iouOfBoxes } from "../similarity/boxes";
import { matchedSimilarity } from "../similarity/matching";
import type { Task } from "../task";
import type { Box, BoxSpace } from "../types";
import { type LocatingOptions, locating, locatingSpec } from "./grounding";
import { type BoxFormat, boxFormats, boxNotations } from "./text/box-notation";
import { formatBox, formatBoxes, readBoxes } from "./text/box-text";
import { parsing } from "./text/lenient";
import { slackOf } from "./text/scale";

/** Options of `detection`. */
export interface DetectionOptions extends LocatingOptions {
  /** Exactly one box per example, written without the outer brackets (false). */
  readonly single?: boolean;
  /**
   * The meaning of a written box's four numbers (`"xywh"`): corner and size; `"xyxy"`, two corners, as Qwen2-VL and
   * Qwen2.5-VL write them; `"yxyx"`, two corners with y first, as Gemini does. Prompts ask for it, `format` writes it,
   * and answers that name another do not parse.
   */
  readonly boxFormat?: BoxFormat;
  /** The task's name (`"detection"`). */
  readonly name?: string;
}

export const detectionSpec = specOf<DetectionOptions>()(() => ({
  ...locatingSpec(),
  single: flag().default(false).describe("Exactly one box per example, written without the outer brackets"),
  boxFormat: choice(boxFormats).default("xywh").describe("The meaning of a written box's four numbers"),
  name: text().default("detection").describe("The task's name"),
}));

/**
 * A task whose annotations are boxes, written `[[x, y, w, h], …]`, or `[x, y, w, h]` if there is always exactly one;
 * `boxFormat` chooses other numbers.
 *
 * A data set's boxes must already be in the task's space: `convertBox` brings them there.
 *
 * @throws ConfigError for an empty target, placeholders that do not fit, and an unknown space, denominator, box format
 * or reading
 * @example
 * const task = detection({ target: "mug", boxFormat: "xyxy" });
 * task.parse('[{"bbox_2d": [102, 233, 431, 687]}]'); // x 102, y 233, width 329, height 454
 */
export function detection(options: DetectionOptions = {}): Task<readonly Box[]> {
  const settings = readOptions("detection", options, detectionSpec);
  const { single, similarity, space, name, reading, boxFormat } = settings;
  const { names, meaning } = boxNotations[boxFormat];
  const format = (boxes: readonly Box[]) =>
    single && boxes.length === 1 ? formatBox(boxes[0]!, boxFormat) : formatBoxes(boxes, boxFormat);
  const form = single ? `[${names}]` : `[[${names}], ...]`;
  return {
    name,
    ...locating("detection", settings, { form, scale: `${meaning}${scales[space]}`, format }),
    format,
    ...parsing((text) => readBoxes(text, space, single, boxFormat), reading),
    similarity: (truth, prediction) => matchedSimilarity(truth, prediction, iouOfBoxes, similarity),
    // The target's name is in every prompt, so saying it gives nothing away.
    leaks: (cot, annotation) => findLeaks(cot, { answer: format(annotation) }),
    validate: (boxes, where) => {
      if (!Array.isArray(boxes)) throw new DataError(`${where}: expected a list of boxes, got ${shown(boxes)}`);
      if (single && boxes.length !== 1) throw new DataError(`${where}: expected exactly one box, got ${boxes.length}`);
      boxes.forEach((box, i) => void validateBox(box, space, `box ${i} of ${where}`));
    },
    draw: (boxes) => boxes.map((box) => ({ type: "box", ...box })),
  };
}

const scales: Readonly<Record<BoxSpace, string>> = {
  unit: " as fractions of the image, from 0 to 1",
  thousand: ", each from 0 to 1000 across the image",
  pixel: " in pixels",
};

function validateBox(box: Box, space: BoxSpace, where: string): void {
  if (!Object.hasOwn(scales, box?.space))
    throw new DataError(`${where}: expected { space, x, y, width, height }, got ${shown(box)}`);
  const { x, y, width, height } = box;
  const written = `[${[x, y, width, height].map(shown).join(", ")}]`;
  if (box.space !== space)
    throw new DataError(
      `${where}: expected the task's space "${space}", got "${box.space}"; convertBox(box, "${space}", imageSize) brings it there`,
    );
  if (![x, y, width, height].every(Number.isFinite))
    throw new DataError(`${where}: expected finite numbers, got ${written}`);
  // The area comes from the corners, as in overlaps: a box that is too thin vanishes there.
  const area = (x + width - x) * (y + height - y);
  if (!(width > 0 && height > 0 && area > 0))
    throw new DataError(`${where}: expected a box with an area, got ${written}`);
  const side = { unit: 1, thousand: 1000, pixel: 1e6 }[space];
  const slack = slackOf[space];
  if (Math.min(x, y) < -slack || Math.max(x + width, y + height) > side + slack)
    throw new DataError(
      `${where}: expected a box within 0 … ${side}, got ${written}${space === "pixel" ? "" : `; a box in pixels needs space "pixel", and convertBox(box, "${space}", imageSize)`}`,
    );
}
