import type { z } from "zod";
import type { Config } from "../../config/read";
import type { Values } from "../../config/values";
import { packageVersion } from "../../files/package-path";
import type { ExitCode } from "./exit-codes";

/** A command, in a file of its own that is loaded when it is called. */
export interface Command {
  /** Arguments that follow its name. */
  readonly operands?: readonly Operand[];
  /**
   * Sections of the config that it uses. Their options are flags, and the names of the `short` ones suffice. It
   * lacks the options outside sections, such as `seed`, that `without` names.
   */
  readonly sections?: Readonly<Record<"short" | "long", readonly string[]>> & { readonly without?: readonly string[] };
  /** Its own flags. */
  readonly flags?: z.ZodRawShape;
  run(call: Call): Promise<Outcome>;
}

export interface Operand {
  /** In capitals, such as "DIR". */
  readonly name: string;
  readonly help: string;
  readonly isOptional?: boolean;
  /** Whether there may be several: it is the last one then. */
  readonly isList?: boolean;
}

/** A call of a command. */
export interface Call {
  readonly operands: readonly (string | undefined)[];
  /** Its own flags, with their defaults. */
  readonly flags: Readonly<Record<string, unknown>>;
  /** The folder in which it runs. */
  readonly folder: string;
  /** Whether its user gave a config or flags of one. */
  readonly hasConfig: boolean;
  /** Reads the config. @param values options in the place of a file's @throws ConfigError */
  config(values?: Values): Promise<Config>;
  /** Prints a line beside the result. */
  say(line: string): void;
  /** Is aborted when the user asks to stop. */
  stop(): AbortSignal;
}

/** The result of a command, for programs and for people. */
export interface Outcome {
  readonly result: object;
  readonly text: string;
  /** 0 without it. */
  readonly code?: ExitCode;
}

/** The version of this package. */
export const version = (): string => packageVersion("rise-ts");
