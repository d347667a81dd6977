import { ConfigError, RiseError } from "../errors";

/**
 * Calls a function that the caller of the library gave, so that its error says what it was called for.
 * @param what the function and the place: `reward "mine", for example cat`
 * @throws ConfigError, or this library's class of the error that the function threw, with that error as its cause; an
 * abort passes unchanged
 */
export async function callerCode<T>(what: string, call: () => T | Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    if (cause instanceof Error && cause.name === "AbortError") throw cause;
    const Kind = cause instanceof RiseError ? (cause.constructor as typeof ConfigError) : ConfigError;
    throw new Kind(`${what}: expected a result, got an error: ${String(cause)}`, { cause });
  }
}
