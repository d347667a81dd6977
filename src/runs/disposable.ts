import * as z from "zod";
import type { VlmBackend } from "../backend";
import { callback, having, readArgument } from "../options/spec";

/** A disposable value, or a factory: a run disposes of the value that a factory returns. */
export type DisposableOption<T> = T | (() => T | Promise<T>);

/**
 * The schema of an option that is a disposable value, or a factory.
 * @param name the option, which is named by its kind
 * @param method tells such a value from others
 */
export const disposableOption = (name: string, method: string) =>
  z.union([callback(), having("", method)], `a ${name}, or a function that makes one`);

/**
 * Gives the value to `use`, and disposes of it afterwards if a factory made it.
 * @param where the operation, which begins the message
 * @param name the option, which is named by its kind
 * @param method tells such a value from others
 * @throws ConfigError for a factory that made something else
 */
export async function* withDisposable<T extends { dispose(): Promise<void> }, Event, Result>(
  { where, name, method }: { readonly where: string; readonly name: string; readonly method: keyof T & string },
  option: DisposableOption<T>,
  use: (value: T) => AsyncGenerator<Event, Result, void>,
): AsyncGenerator<Event, Result, void> {
  const value = typeof option === "function" ? await option() : option;
  try {
    readArgument(where, name, value, having(`a ${name}, or a function that makes one`, method));
    return yield* use(value);
  } finally {
    if (typeof option === "function") await value?.dispose?.();
  }
}

export const backendOption = () =>
  having<VlmBackend>("a backend, such as onnxBackend's or a trainer's sampler()", "generate");
