import type { Rng } from "../../rng";
import type { Task } from "../../task";
import { describeLaws, type Laws, type Skipping, type TestRunner } from "../laws/laws";
import { drawingLaws } from "../laws/task-drawing";
import { promptLaws } from "../laws/task-prompts";
import { scoreLaws } from "../laws/task-scores";
import type { TaskSubject } from "../laws/task-subject";
import { textLaws } from "../laws/task-text";

/** A task under test, and its facts that the laws of `Task` need. */
export interface TaskContract<A> extends Skipping {
  readonly task: Task<A>;
  /** Draws a valid annotation. */
  readonly annotation: (rng: Rng) => A;
  /** Answers as models write them, good and bad; random texts are tried as well (none). */
  readonly answers?: readonly string[];
  /** Sentences that tell an annotation in prose, such as "I count three cars." for 3: each must be a leak (none). */
  tells?(annotation: A): readonly string[];
  /** The same task, if one exists, that gives null instead of repairing a text. */
  readonly strict?: Task<A>;
  /** Size of the image that annotations in pixels lie in (1000 × 1000). */
  readonly image?: { readonly width: number; readonly height: number };
  /** Annotations that a simple law is tried on (100); laws about text try up to 20 times as many. */
  readonly runs?: number;
}

/**
 * Holds a task to what `Task` promises: `parse(format(a)) = a`, `S(a, a) = 1`, `0 ≤ S ≤ 1`, `leaks(format(a), a)` is
 * not empty, `parse` never throws and takes linear time, prompts do not give the annotation away, and drawings lie
 * inside the image.
 * @throws ConfigError when `skip` names a law that does not exist
 * @example
 * import { describe, it } from "vitest";
 * import { describeTask } from "rise-ts/testing";
 * const task = rating({ question: "How crowded is this place?" });
 * const annotation = (rng: Rng) => 1 + rng.integer(5);
 * describeTask({ describe, it }, "rating", { task, annotation, answers: ["rating: 4", "4/5"] });
 */
export function describeTask<A>(runner: TestRunner, name: string, contract: TaskContract<A>): void {
  const { task, tells, strict, annotation, answers = [], image = { width: 1000, height: 1000 }, runs = 100 } = contract;
  const subject: TaskSubject<A> = { task, ...(tells && { tells }), strict, annotation, answers, image, runs };
  const noRepairs = !task.repairs && "the task repairs nothing";
  const noDraw = !task.draw && "the task draws nothing, and pages show its text";
  const laws: Laws<TaskSubject<A>> = { ...textLaws, ...scoreLaws, ...promptLaws, ...drawingLaws };
  describeLaws(runner, `the task contract: ${name}`, laws, subject, {
    "overlooks nothing in what it writes, and says what it overlooks in prose around it": noRepairs,
    "is strict on demand: what it would have to repair does not parse, all else does as before":
      noRepairs || (!strict && "no strict version of the task is given"),
    ...Object.fromEntries(Object.keys(drawingLaws).map((law) => [law, noDraw])),
    "finds a leak in every sentence that tells the annotation": !tells && "the contract has no such sentences",
    ...contract.skip,
  });
}
