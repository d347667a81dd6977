/** One thing that a leg looked at. */
export interface Check {
  readonly what: string;
  readonly ok: boolean;
  /** A figure, a message, or the reason of a failure; it is printed behind the name. */
  readonly detail?: string;
  /** The engine that a law holds, for the table of laws. */
  readonly engine?: string;
  /** The error's first line that a user reads, for the table of faults. */
  readonly says?: string;
}

/** A Python environment. */
export interface Environment {
  /** The variable that names a Python with these packages, which is used instead of making one. */
  readonly variable: string;
  /** The file of pip's requirements. */
  readonly requirements: string;
  /** The folder of the environment, inside the repository. */
  readonly folder: string;
}

export interface LegTools {
  /** The path of the environment's Python. */
  readonly python: string;
  /** A folder of the leg's own, which is removed afterwards. */
  readonly scratch: string;
}

/** A part of `npm run test:engines`, in a file of its own under `legs/`. */
export interface Leg {
  readonly name: string;
  /** Its task, in a few words. */
  readonly does: string;
  /** Whether it runs only if it is named (false). */
  readonly optIn?: boolean;
  readonly environment: Environment;
  /** Gives every check as soon as it is done. A leg that throws has failed. */
  run(tools: LegTools): AsyncGenerator<Check, void>;
}

/** A check of a difference. */
export const within = (what: string, difference: number, tolerance: number): Check => ({
  what,
  ok: difference <= tolerance,
  detail: `${difference.toExponential(1)} (at most ${tolerance.toExponential(0)})`,
});
