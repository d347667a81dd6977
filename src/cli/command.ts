import { createRequire } from "node:module";

export type Write = (text: string) => unknown;

/** One command of `rise`, whose file is loaded when it is called. */
export interface Command {
  readonly does: string;
  /** The argument that must follow its name, if any. */
  readonly operand?: string;
  /** Returns the exit code. */
  run(write: Write, operand: string, engine?: string): Promise<number>;
}

/** The version of this package. */
export const version = (): string =>
  (createRequire(import.meta.url)("rise-ts/package.json") as { version: string }).version;
