import type { Rng } from "../../src/rng";

/** The input of one case: the changed file and its name. */
export interface Input {
  readonly file: string;
  readonly bytes: Uint8Array;
}

/** A target that is ready: its seeds are read, its folder is there. */
export interface OpenTarget {
  /** The same input for the same generator. */
  readonly make: (rng: Rng) => Input;
  /** The library's reading of it. It may throw: the law says what. */
  readonly read: (input: Input) => unknown;
  /** The fault of a value that was read; `undefined` if it has no fault. */
  readonly problem?: (value: never, input: Input) => string | undefined;
  readonly close?: () => Promise<void> | void;
}

/** One kind of thing that somebody else made. */
export interface Target {
  readonly name: string;
  /** Cases among a million: cheap ones get more. */
  readonly share: number;
  /** Cases in `npm test`. */
  readonly inTest: number;
  /** Processor time that one case may take in this process (2000 ms). */
  readonly limitMs?: number;
  /** @param folder empty, and the target's own; beside it lies `outside.png`, which nothing may read */
  open(folder: string): Promise<OpenTarget>;
}

/** The first number in a value, however deep, that is NaN or infinite, as its path; `undefined` if all are finite. */
export function notFinite(value: unknown, path = "value"): string | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? undefined : `${path} is ${value}`;
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    const at = (value as Float32Array).findIndex((x) => !Number.isFinite(x));
    return at < 0 ? undefined : `${path}[${at}] is ${(value as Float32Array)[at]}`;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  for (const [key, child] of entries) {
    const found = notFinite(child, `${path}.${String(key)}`);
    if (found !== undefined) return found;
  }
  return undefined;
}
