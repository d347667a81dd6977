import * as z from "zod";
import { readAnswer } from "../checks/format";
import { CheckpointError } from "../errors";
import type { Annotated } from "../evaluation/annotate";
import { type Answer, failureOf, hasFailed } from "../evaluation/records";
import { once } from "../options/once";
import { parseShallow } from "../runs/directory/files";
import type { Task } from "../task";
import type { FinishReason } from "../types";
import type { Item } from "./images";

/** An image and its annotation: a row of `annotations.jsonl`. */
export interface ImageAnnotation<A> extends Annotated<A> {
  readonly id: string;
  /** The image's path as its source names it; absent if it has none. */
  readonly image?: string;
  readonly subject?: string;
  /** `"length"`: the text was cut off. `"error"`: the image failed, and there is no text. */
  readonly finishReason: FinishReason | "error";
  /** The backend's words beside the text; absent if it said nothing. */
  readonly remark?: string;
  /** The image failed, but may succeed in a later try, which `resume` makes. */
  readonly isTemporary?: true;
}

export function annotationRow<A>(task: Task<A>, { id, name, subject }: Item, answer: Answer): ImageAnnotation<A> {
  const { text, finishReason, remark, isTemporary } = answer;
  const { think, prediction, format, repairs } = readAnswer(text, task);
  return {
    id,
    ...(name !== undefined && { image: name }),
    ...(subject !== undefined && { subject }),
    think,
    answer: prediction,
    text,
    finishReason,
    ...(remark !== undefined && { remark }),
    ...(hasFailed(answer) ? { failure: answer.failure! } : failureOf(format, remark)),
    ...(isTemporary && { isTemporary }),
    ...(repairs.length > 0 && { repairs }),
  };
}

/** The fields that a row must have, whatever the task. */
const rowSchema = once(() =>
  z.object({
    id: z.string(),
    text: z.string(),
    finishReason: z.enum(["stop", "length", "content_filter", "other", "error"]),
  }),
);

/** Reads a row. @throws CheckpointError for one that is not an annotation */
export function readAnnotationRow<A>(line: string, where: string): ImageAnnotation<A> {
  try {
    const row = parseShallow(line) as ImageAnnotation<A>;
    rowSchema().parse(row);
    return row;
  } catch (cause) {
    throw new CheckpointError(`${where}: expected an annotation of an image: ${String(cause)}`, { cause });
  }
}
