import { ConfigError } from "../errors";

/** Something with native memory: a value its maker disposes of, or a function that makes one for this call, which then disposes of it. */
export type Owned<T> = T | (() => Promise<T>);

/**
 * Gives `use` the value, and disposes of it afterwards where it was made here.
 * @param name of the option it came in
 * @param method that tells it from what it is not
 * @throws ConfigError for something else, such as a promise of it
 */
export async function* withOwned<T extends { dispose(): Promise<void> }, Event, Result>(
  name: string,
  owned: Owned<T>,
  method: keyof T & string,
  use: (value: T) => AsyncGenerator<Event, Result, void>,
): AsyncGenerator<Event, Result, void> {
  const value = typeof owned === "function" ? await owned() : owned;
  try {
    if (typeof value?.[method] !== "function")
      throw new ConfigError(
        `expected ${name} to be a ${name}, or a function that makes one; got ${value instanceof Promise ? "a promise: await it" : `something without ${method}()`}`,
      );
    return yield* use(value);
  } finally {
    if (typeof owned === "function") await value?.dispose?.();
  }
}
