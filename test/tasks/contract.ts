import fc from "fast-check";
import { describe, it } from "vitest";
import type { Task } from "../../src/task";
import { describeTask } from "../../src/testing";

export { promptText } from "../../src/testing/laws/task-prompts";

export interface ContractSetup<A> {
  readonly task: Task<A>;
  /** The same task, with `reading: "strict"`. */
  readonly strict: Task<A>;
  /** Valid annotations. */
  readonly annotation: fc.Arbitrary<A>;
  /** Answers as models write them, good and bad; random texts are tried as well. */
  readonly answers: readonly string[];
}

/** The shipped suite over annotations of a fast-check arbitrary, with the edge cases that it favours. */
export function describeTaskContract<A>(name: string, { annotation, ...setup }: ContractSetup<A>): void {
  const pool = fc.sample(annotation, { numRuns: 1000, seed: 1 });
  describeTask({ describe, it }, name, { ...setup, annotation: (rng) => pool[rng.integer(pool.length)]! });
}
