import { ConfigError } from "../../errors";
import { shown } from "../../options/display";
import { createRng, type Rng } from "../../rng";

/**
 * The functions of a test runner: those of Vitest, Jest or `node:test`. Whole modules will do.
 * @example
 * import * as vitest from "vitest";
 * const task = rating({ question: "How crowded is this place?" });
 * describeTask(vitest, "rating", { task, annotation: (rng) => 1 + rng.integer(5) });
 */
export interface TestRunner {
  /** Opens a group of tests. */
  readonly describe: (name: string, body: () => void) => unknown;
  /** Adds a test. */
  readonly it: ((name: string, body: () => void | Promise<void>) => unknown) & {
    /** Lists a test without running it. */
    readonly skip: (name: string, body: () => void | Promise<void>) => unknown;
  };
  /** Runs when all laws have run; only `describeBackend` needs it. */
  readonly afterAll?: (body: () => Promise<void>) => unknown;
  /** `afterAll` under the name that `node:test` has for it. */
  readonly after?: (body: () => Promise<void>) => unknown;
}

/** Laws by their names. A law throws when something breaks it. */
export type Laws<Subject> = Readonly<Record<string, (subject: Subject) => void | Promise<void>>>;

/** Why a law does not apply, by the law's name. A reason that is undefined or false lets the law run. */
export type Skips = Readonly<Record<string, string | false | undefined>>;

export interface Skipping {
  /** Laws that do not apply, by name, and the reason. They are reported as skipped. */
  readonly skip?: Skips;
}

/**
 * Makes a test of each law. A law that does not apply is a skipped test whose name has the reason.
 * @throws ConfigError when `skips` names a law that is not among `laws`
 */
export function describeLaws<Subject>(
  { describe, it }: TestRunner,
  name: string,
  laws: Laws<Subject>,
  subject: Subject,
  skips: Skips,
): void {
  for (const law of Object.keys(skips))
    if (!Object.hasOwn(laws, law))
      throw new ConfigError(
        `${name}: skip: expected the name of a law, got ${shown(law)}; the laws are: ${Object.keys(laws).join("; ")}`,
      );
  describe(name, () => {
    for (const [law, check] of Object.entries(laws)) {
      const reason = Object.hasOwn(skips, law) && skips[law];
      const run = async () => check(subject);
      if (reason) it.skip(`${law} (skipped: ${reason})`, run);
      else it(law, run);
    }
  });
}

/**
 * Checks a property of `runs` values that are drawn from seeds 0, 1, 2, …
 * @throws the error of `check`, with the seed and the value in its message
 */
export function forAll<T>(runs: number, draw: (rng: Rng) => T, check: (value: T) => void): void {
  for (let seed = 0; seed < runs; seed++) {
    const value = draw(createRng(seed, "contract"));
    try {
      check(value);
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`for ${shown(value)}, drawn from seed ${seed}: ${message}`, { cause });
    }
  }
}
