import { BackendError, DataError } from "../../errors";
import { choice, count, specOf } from "../../options/spec";

/** The treatment of an example that fails. */
export interface FailureOptions {
  /**
   * The treatment of an example for which the backend fails, such as a prompt that a filter refuses or an image that
   * cannot be read: the run leaves its rollouts out and names it in a warning and in the result, or throws ("record").
   * A resumed run does not ask again for finished steps. A failure that concerns every example always throws: a wrong
   * key, an unknown model, a server that is down.
   */
  readonly onFailure?: "record" | "throw";
  /**
   * Failures in a row at which the call throws, so that a broken server does not use up a data set (8). Images that
   * cannot be read do not count.
   */
  readonly failureLimit?: number;
}

export const failureSpec = specOf<FailureOptions>()(() => ({
  onFailure: choice(["record", "throw"])
    .default("record")
    .describe(
      "The treatment of an example for which the backend fails, such as a prompt that a filter refuses or an image that " +
        "cannot be read: the run leaves its rollouts out and names it in a warning and in the result, or throws. A resumed " +
        "run does not ask again for finished steps. A failure that concerns every example always throws: a wrong key, an " +
        "unknown model, a server that is down",
    )
    .meta({ decides: false }),
  failureLimit: count()
    .default(8)
    .describe(
      "Failures in a row at which the call throws, so that a broken server does not use up a data set. Images that cannot " +
        "be read do not count",
    )
    .meta({ decides: false }),
}));

/** An example without an answer, and the reason. */
export interface FailedExample {
  readonly exampleId: string;
  readonly message: string;
}

/** Counts failures, and ends the work when they look like the backend's own. */
export interface Failures {
  /** @throws the failure, with the example's id, when `failureLimit` is reached */
  failed(exampleId: string, error: Error): void;
  succeeded(): void;
  /** @throws the last failure if no example succeeded */
  checkAny(): void;
}

export interface FailureSettings {
  readonly onFailure: "record" | "exclude" | "throw";
  readonly failureLimit: number;
}

export function createFailures(where: string, { onFailure, failureLimit }: FailureSettings): Failures {
  let inARow = 0;
  let hasSucceeded = false;
  let last: { readonly id: string; readonly error: Error } | undefined;
  const end = (ending: string) => {
    const { id, error } = last!;
    const message = `${where}: example ${id}: ${error.message}${ending}`;
    throw error instanceof DataError
      ? new DataError(message, { cause: error })
      : new BackendError(message, { cause: error, scope: "backend" });
  };
  return {
    failed(id, error) {
      last = { id, error };
      // An image that cannot be read says nothing about the backend.
      if (!(error instanceof DataError)) inARow++;
      if (onFailure === "throw") end("");
      if (inARow >= failureLimit) end(` (failure number ${inARow} in a row; failureLimit is ${failureLimit})`);
    },
    succeeded() {
      inARow = 0;
      hasSucceeded = true;
    },
    checkAny() {
      if (last && !hasSucceeded) end(" (no example succeeded)");
    },
  };
}

/** Sampling reports each example: its first failure, if there was one, and the rollouts that it has nevertheless. */
export type OnSampled = (exampleId: string, failure: Error | undefined, rollouts: number) => void;

/** Failures of a run's examples, from step to step. */
export interface RunFailures {
  readonly onSampled: OnSampled;
  /** Returns the failures since the last call. */
  drain(): readonly FailedExample[];
  checkAny(): void;
}

export function createRunFailures(where: string, options: FailureSettings): RunFailures {
  const failures = createFailures(where, options);
  let failed: FailedExample[] = [];
  return {
    onSampled(exampleId, failure, rollouts) {
      if (rollouts > 0) failures.succeeded();
      if (!failure) return;
      failed.push({ exampleId, message: failure.message });
      if (rollouts === 0 || options.onFailure === "throw") failures.failed(exampleId, failure);
    },
    drain() {
      const drained = failed;
      failed = [];
      return drained;
    },
    checkAny: failures.checkAny,
  };
}
