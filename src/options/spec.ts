import { z } from "zod";
import { ConfigError } from "../errors";
import { nearest } from "./did-you-mean";
import { shown } from "./display";

/**
 * One schema for each option of an operation: its range, its default and its help stand there and nowhere else. An option that is missing does not
 * compile. Each schema's error is the text that follows "to be", such as "true or false": the constructors below have it.
 *
 * @example
 * const spec = {
 *   groupSize: count(2).default(8).describe("G, cots sampled for each example"),
 *   runDir: text().optional().describe("the folder of the run's files"),
 * } satisfies Spec<Options>;
 * const { groupSize } = readOptions("riseCot", options, spec);
 */
export type Spec<Options> = { readonly [Name in keyof Options]-?: z.ZodType };

/** Options as `readOptions` returns them: an option with a default is there. */
export type Settings<Options, S> = {
  readonly [Name in keyof Options & keyof S]-?: S[Name] extends z.ZodType
    ? unknown extends z.output<S[Name]>
      ? S[Name] extends z.ZodDefault
        ? Exclude<Options[Name], undefined>
        : Options[Name]
      : z.output<S[Name]>
    : never;
};

/** A whole number of at least `least`. */
export const count = (least = 1) =>
  z.int(`a whole number of at least ${least}`).min(least, `a whole number of at least ${least}`);

/** A number within a range, in words; NaN is outside of every range. */
export const number = (words = "a number", within: (value: number) => boolean = () => true) =>
  z.custom<number>((value) => typeof value === "number" && !Number.isNaN(value) && within(value), words);

export const flag = () => z.boolean("true or false");
export const text = () => z.string("text").min(1, "text that is not empty");
export const choice = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, `one of ${values.join(", ")}`);

/** The seed of everything random. */
export const seed = () => z.int("a whole number");

/** Options within an option; each of them may have a default. */
export const group = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.strictObject(shape, "an object").prefault({} as never);

/** A value that the caller made, such as a task or a function: checked by `is`, typed by the options interface. */
export const given = (words: string, is: (value: never) => boolean = () => true) =>
  z.custom<unknown>((value) => value !== undefined && is(value as never), words);

/**
 * Options with their defaults.
 * @param where the operation, which begins every message
 * @throws ConfigError naming the first option that is unknown, with the one that was meant, or the first that is out of its range
 */
export function readOptions<Options extends object, S extends Spec<Options>>(
  where: string,
  options: Options,
  spec: S,
): Settings<Options, S> {
  if (typeof options !== "object" || options === null || Array.isArray(options))
    // Text may be a key that no message should hold.
    throw new ConfigError(
      `${where}: expected its options to be an object, got ${typeof options === "string" ? "text" : shown(options)}`,
    );
  const schema = z.strictObject(spec as unknown as z.ZodRawShape);
  const read = schema.safeParse(withoutUndefined(options, schema));
  if (read.success) return read.data as Settings<Options, S>;
  throw new ConfigError(`${where}: ${problemOf(read.error.issues[0]!, options, schema)}`);
}

/** An option that is `undefined` counts as absent. */
function withoutUndefined(value: unknown, schema: z.core.$ZodType): unknown {
  const shape = shapeOf(schema);
  if (shape === undefined || typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(
    entries.map(([name, inner]) => [name, shape.has(name) ? withoutUndefined(inner, shape.get(name)!) : inner]),
  );
}

/** The fields of a schema for objects, through defaults and alternatives; `undefined` for other schemas. */
function shapeOf(schema: z.core.$ZodType): ReadonlyMap<PropertyKey, z.core.$ZodType> | undefined {
  if (schema instanceof z.ZodObject) return new Map(Object.entries(schema.shape as z.core.$ZodLooseShape));
  if (schema instanceof z.ZodUnion) return schema.options.map(shapeOf).find((shape) => shape !== undefined);
  const { innerType } = schema._zod.def as { readonly innerType?: z.core.$ZodType };
  return innerType && shapeOf(innerType);
}

function problemOf(issue: z.core.$ZodIssue, options: unknown, schema: z.core.$ZodType): string {
  // Of alternatives, the one that goes furthest into the value says most.
  if (issue.code === "invalid_union") {
    const inner = issue.errors
      .flatMap(([first]) => first ?? [])
      .find(({ path, code }) => path.length > 0 || code === "unrecognized_keys");
    if (inner) return problemOf({ ...inner, path: [...issue.path, ...inner.path] }, options, schema);
  }
  const at = (path: readonly PropertyKey[]) => path.map(String).join(".");
  if (issue.code === "unrecognized_keys") {
    const names = [
      ...(issue.path
        .reduce<ReturnType<typeof shapeOf>>((shape, name) => {
          const inner = shape?.get(name);
          return inner && shapeOf(inner);
        }, shapeOf(schema))
        ?.keys() ?? []),
    ].map(String);
    const full = (name: string) => `"${at([...issue.path, name])}"`;
    const near = nearest(issue.keys[0]!, names);
    const ending = near === undefined ? `expected one of ${names.join(", ")}` : `did you mean ${full(near)}?`;
    return `unknown option ${full(issue.keys[0]!)}; ${ending}`;
  }
  const got = issue.path.reduce<unknown>((value, name) => Object(value)[name], options);
  return `expected ${at(issue.path)} to be ${issue.message}, got ${got === undefined ? "nothing" : shown(got)}`;
}
