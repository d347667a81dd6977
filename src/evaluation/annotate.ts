import { readAnswer } from "../checks/format";
import { refuseIdle } from "../options/arguments";
import { given, readOptions, specOf, text as textOption } from "../options/spec";
import { promptText } from "../prompts/prompt-text";
import { generate } from "../runs/generate";
import type { Task } from "../task";
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
  checkAsked("annotate", task, subject);
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

/** @throws ConfigError for a subject that the task does not ask about */
export function checkAsked<A>(where: string, task: Task<A>, subject: string | undefined): void {
  const example = { id: "id", image: "image" } as Example<A>;
  const ask = (asked: string) => promptText(task.answerPrompt({ ...example, subject: asked }));
  if (subject !== undefined && ask(subject) === ask(`${subject}s`))
    refuseIdle(where, "beside a task whose prompt has none", { subject });
}
