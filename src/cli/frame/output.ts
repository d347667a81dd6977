import { RiseError } from "../../errors";
import { columnsOf, printable } from "../../terminal/text";
import type { Outcome } from "./command";
import { exitCodeOf } from "./exit-codes";

export type Write = (text: string) => unknown;

/** The one place that prints: results to standard output, everything else to standard error. */
export interface Output {
  /** Prints help, a version, a script. */
  text(text: string): void;
  /** Prints the result of a command, as JSON if `isJson`. */
  outcome(outcome: Outcome, isJson: boolean): void;
  /** Prints an error, as JSON too if `isJson`. */
  error(where: string, error: unknown, isJson: boolean): void;
  /** Prints a line beside the result. */
  say(line: string): void;
}

export const createOutput = (out: Write, err: Write): Output => ({
  text: (text) => void out(ended(text)),
  outcome: ({ result, text }, isJson) => void out(ended(isJson ? json(result) : safe(text))),
  error(where, error, isJson) {
    const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
    if (isJson) out(ended(json({ error: { name, message, exitCode: exitCodeOf(error) } })));
    // A stack helps with faults of the program only.
    const isExpected = error instanceof RiseError || name === "AbortError" || "code" in Object(error);
    err(ended(safe(`${where}: ${isExpected ? message : (stack ?? message)}`)));
  },
  say: (line) => void err(ended(safe(line))),
});

/** A file's name may hold what a terminal takes for a command. */
const safe = (text: string) => text.split("\n").map(printable).join("\n");

const ended = (text: string) => (text === "" || text.endsWith("\n") ? text : `${text}\n`);

const json = (value: object) => JSON.stringify(value, null, 2);

/** Rows with columns of equal width in a terminal; columns of numbers are aligned at their right. */
export function table(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(printable));
  const columns = cells[0]?.map((_, column) => cells.map((row) => row[column] ?? "")) ?? [];
  const widths = columns.map((column) => Math.max(...column.map(columnsOf)));
  const isNumbers = columns.map((column) => column.slice(1).every((cell) => /^[-+\d.e±%–]*$/.test(cell)));
  const padded = (cell: string, i: number) => {
    const gap = " ".repeat(widths[i]! - columnsOf(cell));
    return isNumbers[i] ? `${gap}${cell}` : `${cell}${gap}`;
  };
  return cells.map((row) => row.map(padded).join("  ").trimEnd()).join("\n");
}

/** A number for a table. */
export const decimals = (value: number, digits = 3): string =>
  Number.isFinite(value) ? value.toFixed(digits) : String(value);
