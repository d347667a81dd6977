import { CheckpointError, ConfigError, DataError } from "../../errors";

/**
 * The exit codes of `rise-ts`. Programs may rely on them: docs/commands.md lists them.
 */
export const exitCodes = {
  done: 0,
  /** A model, a server, training or the machine failed, or a check found faults. */
  failed: 1,
  /** The command line or the config is wrong. Nothing was done. */
  usage: 2,
  /** A file, an annotation or an image is wrong. */
  data: 3,
  /** A run directory or a checkpoint cannot be used. */
  checkpoint: 4,
  /** The user stopped it, and `--resume` resumes it. */
  stopped: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The exit code of an error. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof ConfigError) return exitCodes.usage;
  if (error instanceof DataError) return exitCodes.data;
  if (error instanceof CheckpointError) return exitCodes.checkpoint;
  return error instanceof Error && error.name === "AbortError" ? exitCodes.stopped : exitCodes.failed;
}
