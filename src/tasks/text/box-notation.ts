import type { Box } from "../../types";
import { decimalDifference, decimalSum } from "./decimal";
import type { Key } from "./nested-numbers";

/** The meaning of a written box's four numbers: corner and size, two corners, or two corners with y first (Gemini). */
export type BoxFormat = (typeof boxFormats)[number];
export const boxFormats = ["xywh", "xyxy", "yxyx"] as const;

interface BoxNotation {
  /** The names of the numbers. */
  readonly names: string;
  /** Their meaning, for a prompt. */
  readonly meaning: string;
  write(box: Box): readonly (number | string)[];
  /** x, y, width and height from the four numbers as they are written. */
  read(written: readonly string[]): readonly number[];
}

export const boxNotations: Readonly<Record<BoxFormat, BoxNotation>> = {
  xywh: {
    names: "x, y, w, h",
    meaning: "top-left corner, width and height",
    write: ({ x, y, width, height }) => [x, y, width, height],
    read: (written) => written.map(Number),
  },
  xyxy: {
    names: "x1, y1, x2, y2",
    meaning: "top-left and bottom-right corner",
    write: ({ x, y, width, height }) => [x, y, decimalSum(x, width), decimalSum(y, height)],
    read: ([x1, y1, x2, y2]) => [Number(x1), Number(y1), decimalDifference(x2!, x1!), decimalDifference(y2!, y1!)],
  },
  yxyx: {
    names: "y1, x1, y2, x2",
    meaning: "top-left and bottom-right corner, y before x",
    write: ({ x, y, width, height }) => [y, x, decimalSum(y, height), decimalSum(x, width)],
    read: ([y1, x1, y2, x2]) => [Number(x1), Number(y1), decimalDifference(x2!, x1!), decimalDifference(y2!, y1!)],
  },
};

/** Keys of boxes that do not say what the numbers mean, so that the task's notation is assumed. */
const neutralKeys = new Set("box boxes bbox bboxes boundingbox boundingboxes answer answers".split(" "));

/** Keys that are known to mean one notation: COCO's tools, Visual-RFT, Qwen2.5-VL, Gemini. */
const keysOf: Readonly<Record<BoxFormat, ReadonlySet<string>>> = {
  xywh: new Set("xywh bboxxywh boxxywh boxesxywh".split(" ")),
  xyxy: new Set("xyxy bboxxyxy boxxyxy boxesxyxy bbox2d bboxes2d position".split(" ")),
  yxyx: new Set("yxyx bboxyxyx boxyxyx boxesyxyx box2d boxes2d".split(" ")),
};

/**
 * Signs of a notation in a text, beside the keys: names of the numbers, and the marks of Qwen2-VL, InternVL and
 * DeepSeek-VL2.
 */
const says: Readonly<Record<BoxFormat, RegExp>> = {
  xywh: /xywh|\bx\s*,\s*y\s*,\s*(?:w|width)\b/i,
  xyxy: /xyxy|ltrb|bbox_2d|\bleft\s*,\s*top\s*,\s*right|<\|?(?:box|box_start|det)\|?>|(?<![a-z])x_?\{?\\?(?:[12₁₂]|min|max)(?![a-z\d])/i,
  yxyx: /yxyx|tlbr|(?<!b)box_2d|\btop\s*,\s*left\s*,\s*bottom|(?<![a-z])y_?\{?\\?(?:[1₁]|min)\}?\s*,\s*["']?x_?\{?\\?(?:[1₁]|min)/i,
};

/** Says why a text cannot hold boxes of this notation: it names another. */
export function saysOther(text: string, format: BoxFormat): string | undefined {
  const yFirst = says.yxyx.exec(text);
  // "y1, x1, y2, x2" names an x1 as well.
  const found = yFirst ? { yxyx: yFirst } : { xyxy: says.xyxy.exec(text), xywh: says.xywh.exec(text) };
  const [other, match] = Object.entries(found).find(([name, match]) => match && name !== format) ?? [];
  return match
    ? `boxes are asked for as [${boxNotations[format].names}], but "${match[0]}" says ${boxNotations[other as BoxFormat].meaning}`
    : undefined;
}

/** Says why a box cannot be read under a key: the key is unknown, or means another notation. */
export function unknownKey({ name: key, isJson }: Key, format: BoxFormat): string | undefined {
  const name = key.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
  if (keysOf[format].has(name)) return undefined;
  const isOther = boxFormats.some((other) => keysOf[other].has(name));
  // A bare word outside braces may end a sentence: "the mug: […]".
  if (!isOther && (!isJson || neutralKeys.has(name.replace(/\d{1,9}$/, "")))) return undefined;
  return `a box stands under the key "${key}", which does not say [${boxNotations[format].names}]`;
}

/** Why a text without boxes in brackets may have none that is read: its numbers stand one by one, under keys. */
export function numberKey(text: string, format: BoxFormat): string | undefined {
  const [, key] =
    /(?<![\p{L}\p{N}_])([xywh]|left|top|right|bottom|width|height|[xy]_?(?:[12]|min|max))["'`]?\s{0,9}[:=]\s{0,9}["'`]?[-+]?\.?\d/iu.exec(
      text,
    ) ?? [];
  return key === undefined
    ? undefined
    : `boxes are asked for as [${boxNotations[format].names}], but a number stands under the key "${key}"`;
}
