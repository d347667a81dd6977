import type { Rng } from "../../rng";
import type { Task } from "../../task";

/** A task under test, with what its laws need. */
export interface TaskSubject<A> {
  readonly task: Task<A>;
  tells?(annotation: A): readonly string[];
  readonly strict: Task<A> | undefined;
  readonly annotation: (rng: Rng) => A;
  readonly answers: readonly string[];
  readonly image: { readonly width: number; readonly height: number };
  readonly runs: number;
}
