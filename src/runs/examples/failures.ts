import { BackendError, DataError } from "../../errors";
import { checkChoice } from "../../options/choice";
import type { Names } from "../../options/options";
import { checkCounts } from "./check-examples";

export interface FailureOptions {
  /**
   * The treatment of an example for which the backend fails, such as a prompt that a filter refuses or an image that cannot be read ("record"): its
   * rollouts are left out, a warning and the result name it, and the rest goes on; or the call throws. A resumed run does not ask again for the
   * steps that it has done. A failure that concerns every example always throws: a wrong key, an unknown model, a
   * server that is down.
   */
  readonly onFailure?: "record" | "throw";
  /** Failures in a row at which the call throws, so that a broken server does not use up a data set (8). */
  readonly failureLimit?: number;
}

/** An example that brought no answer, and why. */
export interface FailedExample {
  readonly exampleId: string;
  readonly message: string;
}

/** Counts failures, and ends the work when they are more than examples of their own. */
export interface Failures {
  /** @throws the failure, with the example's id, if it is one too many */
  failed(exampleId: string, error: Error): void;
  succeeded(): void;
  /** @throws the last failure if no example succeeded */
  checkAny(): void;
}

export function createFailures(
  where: string,
  {
    onFailure = "record",
    failureLimit = 8,
  }: { readonly onFailure?: string | undefined; readonly failureLimit?: number | undefined },
): Failures {
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
      inARow++;
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

/** A step's sampling reports each example: the first failure, if there was one, and how many rollouts it has nevertheless. */
export type OnSampled = (exampleId: string, failure: Error | undefined, rollouts: number) => void;

/** Failures of a run's examples, from step to step. */
export interface RunFailures {
  readonly onSampled: OnSampled;
  /** Those since the last call. */
  drain(): readonly FailedExample[];
  checkAny(): void;
}

export function createRunFailures(where: string, options: FailureOptions): RunFailures {
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

/** @throws ConfigError */
export function checkFailureOptions(
  {
    onFailure = "record",
    failureLimit,
  }: { readonly onFailure?: string | undefined; readonly failureLimit?: number | undefined },
  choices: readonly string[] = ["record", "throw"],
): void {
  checkChoice("onFailure", onFailure, choices);
  checkCounts({ failureLimit });
}

export const failureNames: Names<FailureOptions> = { onFailure: true, failureLimit: true };
