import { type AnswerOptions, answerSpec } from "../evaluation/spec-parts";
import { count, flag, given, type Settings, specOf, text } from "../options/spec";
import { shardOption } from "../runs/directory/shards";
import { type FailureOptions, failureSpec } from "../runs/examples/failures";
import { signalOption } from "../runs/run-options";
import { type LogOption, logOption } from "../terminal/log";
import type { ImagesToAnnotate } from "./images";

/** Options of `annotateDataset`. */
export interface AnnotateDatasetOptions<A> extends AnswerOptions<A>, FailureOptions {
  /**
   * A folder, with the folders in it; an image; a file with one JSON object a line, `{"image": "a.jpg"}`, and perhaps
   * `id` and `subject`; or a list or stream of paths, URLs of files, and `{ id, image, subject }`.
   */
  readonly images: ImagesToAnnotate;
  /** The folder from which paths in a JSON-lines file start (the file's own). */
  readonly root?: string;
  /** The subject to ask about, for images that come without one (none). */
  readonly subject?: string;
  /**
   * The folder of the results: `annotations.jsonl`, whose rows are written as they come, and at the end
   * `annotations.csv` and `annotations.html`. Without it, nothing is written.
   */
  readonly runDir?: string;
  /** Resumes the annotations in `runDir`, if there are some (false). Images that were added since are annotated too. */
  readonly resume?: boolean;
  /**
   * With `resume`, asks again for every image that failed (false). Otherwise it asks only for those whose failure may
   * pass, such as an overloaded server.
   */
  readonly retryFailed?: boolean;
  /**
   * The treatment of an image that cannot be read, or that the backend refuses: a row that says why, or an error
   * ("record").
   */
  readonly onFailure?: "record" | "throw";
  /**
   * The part of the images that this process annotates, such as `"3/16"` (all of them). Every part needs a `runDir` of
   * its own; `mergeShards` joins them.
   */
  readonly shard?: string;
  /** Images on the page `annotations.html`; 0 writes none (100). */
  readonly sheet?: number;
  /**
   * Whether the run says on stderr how it goes (true if it is awaited, false if it is iterated); a function receives
   * the lines instead.
   */
  readonly log?: LogOption;
  /** Whether Ctrl-C, and signals that end a process, stop the run as `stop` does (true). */
  readonly handleInterrupts?: boolean;
  /**
   * Begins no more calls, waits for those under way, and rejects with this signal's reason: `stopOnInterrupt` makes
   * one.
   */
  readonly stop?: AbortSignal;
}

export const annotateDatasetSpec = specOf<AnnotateDatasetOptions<unknown>>()(() => ({
  ...answerSpec(),
  images: given("a folder, an image, a .jsonl file, or a list or stream of images", areImages).describe(
    "A folder, an image, a .jsonl file, or a list or stream of paths and `{ id, image, subject }`",
  ),
  root: text().optional().describe("The folder from which paths in a JSON-lines file start; the file's own without it"),
  subject: text().optional().describe("The subject to ask about, for images that come without one"),
  runDir: text().optional().describe("The folder of the results; without it, nothing is written"),
  resume: flag().default(false).describe("Resume the annotations in `runDir`, if there are some"),
  retryFailed: flag().default(false).describe("With `resume`: ask again for every image that failed"),
  ...failureSpec(),
  onFailure: failureSpec().onFailure.describe(
    "The treatment of an image that cannot be read, or that the backend refuses: a row that says why, or an error",
  ),
  shard: shardOption().describe('The part of the images that this process annotates, such as "3/16"; all without it'),
  sheet: count(0).default(100).describe("Images on the page `annotations.html`"),
  log: logOption().describe("Whether the run says on stderr how it goes; a function receives the lines instead"),
  handleInterrupts: flag().default(true).describe("Whether Ctrl-C stops the run as `stop` does"),
  stop: signalOption().describe("Begins no more calls, and waits for those under way"),
}));

function areImages(value: unknown): boolean {
  const it = Object(value);
  return typeof value === "string" ? value !== "" : Symbol.iterator in it || Symbol.asyncIterator in it;
}

export type AnnotateSettings<A> = Settings<AnnotateDatasetOptions<A>, typeof annotateDatasetSpec>;
