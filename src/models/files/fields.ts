import { z } from "zod";
import { ConfigError } from "../../errors";
import { listed, shown } from "../../options/display";
import { schemaWords } from "../../options/schema-words";

/**
 * Fields of the files that transformers and PEFT save beside the weights. A field is left out, or null, where it has
 * the default of their classes: up to version 4.49 transformers wrote nothing else of `vision_config`. Each default
 * stands beside its field; they are the same in 4.46, 4.48, 4.49 and 5.24, but for those that only 5 has.
 */
export const orDefault = <T extends z.ZodType>(field: T, value: z.output<T>) =>
  field.nullish().transform((given) => given ?? value);

/**
 * Every number that decides a loop or an allocation is bounded, so that no file can ask for more than a network of this
 * kind has.
 */
export const limits = {
  layers: 1000,
  heads: 4096,
  /** Numbers of one token in one layer. */
  width: 2 ** 20,
  vocabulary: 2 ** 24,
  context: 2 ** 26,
  patch: 256,
  /** To which a small picture is made to grow. */
  pixels: 2 ** 25,
  tokenIds: 10_000,
} as const;

/** A whole number from 1 to `most`. */
export const count = (most: number) => z.int().positive().max(most);

/** One rule for the whole list: an error for each of a million elements would be a long one. */
export const tokenIds = z.custom<readonly number[]>(
  (list) =>
    Array.isArray(list) &&
    list.length > 0 &&
    list.length <= limits.tokenIds &&
    list.every((id) => Number.isInteger(id)),
  { error: `expected from 1 to ${limits.tokenIds} whole numbers` },
);

type MakeError = (message: string) => Error;

/** @throws ConfigError, or the error of `makeError`, with one line for each key that does not fit */
export function check<T>(schema: z.ZodType<T>, json: unknown, path: string, makeError?: MakeError): T {
  const result = schema.safeParse(json, { error: schemaWords });
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => {
    const found = issue.path.reduce<unknown>(
      (value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key],
      json,
    );
    return `${issue.path.join(".") || "(file)"}: ${issue.message}; found ${shown(found)}`;
  });
  return refuse(path, lines, makeError);
}

/** @throws ConfigError listing what is wrong with a settings file */
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
