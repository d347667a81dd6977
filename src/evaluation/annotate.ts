import { readAnswer } from "../checks/format";
import { given, readOptions, specOf, text as textOption } from "../options/spec";
import { generate } from "../runs/generate";
import type { Example, ImageSource } from "../types";
import { type EvaluationRecord, failureOf } from "./records";
import { type AnswerOptions, answerSpec } from "./spec-parts";

/** Options of `annotate`. */
export interface AnnotateOptions<A> extends Pick<AnswerOptions<A>, "task" | "backend" | "maxTokens" | "signal"> {
  readonly image: ImageSource;
  /** The subject to ask about, if the task's examples have subjects. */
  readonly subject?: string;
}

/** An image's annotation with its reasons, or why there is no annotation. */
export interface Annotated<A> extends Pick<EvaluationRecord<A>, "think" | "text" | "repairs"> {
  /** The annotation; `null` if it cannot be read. */
  readonly answer: A | null;
  /** The fault of the text, and the backend's remark on it. */
  readonly failure?: string;
}

export const annotateSpec = specOf<AnnotateOptions<unknown>>()(() => ({
  task: answerSpec().task,
  image: given("an image").describe("A path, a file's bytes, or pixels"),
  backend: answerSpec().backend,
  subject: textOption().optional().describe("The subject to ask about, where the task's examples have subjects"),
  maxTokens: answerSpec().maxTokens,
  signal: answerSpec().signal,
}));

/**
 * Annotates one image, with reasons: the model's likeliest answer.
 *
 * @throws ConfigError; DataError for an image that cannot be read; BackendError for a prompt that the backend refuses,
 * whose `scope` says whether other images are worth a try
 * @example
 * const { answer, think, failure } = await annotate({ task, image: "cat.jpg", backend });
 */
export async function annotate<A>(options: AnnotateOptions<A>): Promise<Annotated<A>> {
  const { task, image, backend, subject, maxTokens, signal } = readOptions("annotate", options, annotateSpec);
  // The answer prompt does not use the annotation, which is missing here.
  const example = { id: "image", image, ...(subject !== undefined && { subject }) } as Example<A>;
  const [completions] = await generate(backend, [task.answerPrompt(example)], {
    maxTokens,
    temperature: 0,
    seed: 0,
    ...(signal && { signal }),
  });
  const { text, remark } = completions![0]!;
  const { think, prediction, format, repairs } = readAnswer(text, task);
  return {
    think,
    answer: prediction,
    text,
    ...failureOf(format, remark),
    ...(repairs.length > 0 && { repairs }),
  };
}
