import type { Values } from "../../config/values";

/** Data that was found, as sections of a config. */
export interface Found {
  /** A sentence about it. */
  readonly what: string;
  readonly task: Values;
  readonly data: Values & { readonly path: string };
}

/** Rows that are looked at. */
export const mostRows = 1000;

/** A look at a file: what it is, or `undefined` if it is something else. */
export type Look = (path: string) => Promise<Found | undefined>;
