import * as z from "zod";
import { readAnswer } from "../checks/format";
import type { Annotated } from "../evaluation/annotate";
import { readRow } from "../evaluation/directory";
import { type Answer, type EvaluationRecord, failureOf, hasFailed } from "../evaluation/records";
import { once } from "../options/once";
import type { Task } from "../task";
import type { Item } from "./images";

/** An image and its annotation: a row of `annotations.jsonl`. */
export interface ImageAnnotation<A>
  extends Annotated<A>,
    Pick<EvaluationRecord<A>, "finishReason" | "remark" | "isTemporary"> {
  readonly id: string;
  /** The image's path as its source names it; absent if it has none. */
  readonly image?: string;
  readonly subject?: string;
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
export const readAnnotationRow = <A>(line: string, where: string): ImageAnnotation<A> =>
  readRow(line, rowSchema(), `${where}: expected an annotation of an image`);
