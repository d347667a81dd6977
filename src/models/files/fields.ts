import * as z from "zod";
import { ConfigError } from "../../errors";
import { listed, shown } from "../../options/display";
import { schemaWords } from "../../options/schema-words";

/**
 * Makes a field optional. transformers and PEFT leave out fields, or write null, at the default of their classes; up to
 * version 4.49 transformers wrote only the others of `vision_config`. Each default stands beside its field; they agree
 * in 4.46, 4.48, 4.49 and 5.24, except those that only 5 has.
 */
export const orDefault = <T extends z.ZodType>(field: T, value: z.output<T>) =>
  field.nullish().transform((given) => given ?? value);

/** Bounds on every number that decides a loop or an allocation, so that no file can ask for an absurd network. */
export const limits = {
  layers: 1000,
  heads: 4096,
  /** Numbers of one token in one layer. */
  width: 2 ** 20,
  vocabulary: 2 ** 24,
  context: 2 ** 26,
  patch: 256,
  /** Minimum size that a small image is enlarged to. */
  pixels: 2 ** 25,
  tokenIds: 10_000,
} as const;

/** A whole number from 1 to `most`. */
export const count = (most: number) => z.int().positive().max(most);

/** A single rule for the whole list, because a million elements would otherwise make a million errors. */
export const tokenIds = z.custom<readonly number[]>(
  (list) =>
    Array.isArray(list) &&
    list.length > 0 &&
    list.length <= limits.tokenIds &&
    list.every((id) => Number.isInteger(id)),
  { error: `expected from 1 to ${limits.tokenIds} whole numbers` },
);

type MakeError = (message: string) => Error;

/** @throws ConfigError, or the error of `makeError`, with one line for each invalid key */
export function check<T>(schema: z.ZodType<T>, json: unknown, path: string, makeError?: MakeError): T {
  const result = schema.safeParse(json, { error: schemaWords });
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => {
    const found = issue.path.reduce<unknown>(
      (value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key],
      json,
    );
    return `${issue.path.join(".") || "(file)"}: ${issue.message}, got ${shown(found)}`;
  });
  return refuse(path, lines, makeError);
}

/** @throws ConfigError listing the problems of a settings file */
export function refuse(
  path: string,
  problems: readonly string[],
  makeError: MakeError = (message) => new ConfigError(message),
): never {
  throw makeError(
    `${path}: not a configuration this network can represent\n  ${listed(problems, "\n  ", mostProblems)}`,
  );
}

/** Lines of an error. */
const mostProblems = 20;
