import { ConfigError, RiseError } from "rise-ts";

/** Runs a program to its end. An error that its caller can mend is said in a line, with the usage, and Ctrl-C is no failure. */
export async function runProgram(usage: string, main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    const { name, message, code = "" } = error as Error & { readonly code?: string };
    if (name === "AbortError") process.exit(130);
    if (!(error instanceof RiseError) && !code.startsWith("ERR_PARSE_ARGS")) throw error;
    console.error(`${message}\n\nUsage: ${usage}`);
    process.exit(1);
  }
}

export function wholeNumber(option: string, text: string, least = 1): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(value) && value >= least) return value;
  throw new ConfigError(`${option}: expected a whole number from ${least} on, got ${text}`);
}

export function positiveNumber(option: string, text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new ConfigError(`${option}: expected a number above 0, got ${text}`);
}

export const minutesSince = (started: number): string => `${((Date.now() - started) / 60_000).toFixed(1)} minutes`;
