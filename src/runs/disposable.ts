import type { VlmBackend } from "../backend";
import { checkMethods } from "../options/options";

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
    checkMethods(`${name} to be a ${name}, or a function that makes one`, value, [method]);
    return yield* use(value);
  } finally {
    if (typeof owned === "function") await value?.dispose?.();
  }
}

/** @throws ConfigError for what is no backend, such as a promise of one, or a trainer: its `sampler()` is one */
export const checkBackend = (backend: VlmBackend): void =>
  checkMethods("backend to be a backend, such as onnxBackend's or a trainer's sampler()", backend, ["generate"]);
