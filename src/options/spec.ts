import * as z from "zod";
import { ConfigError } from "../errors";
import { nearest } from "./did-you-mean";
import { shown } from "./display";
import { namesElsewhere, valuesElsewhere } from "./names-elsewhere";
import { once, onceEach } from "./once";

/**
 * One schema for each option of an operation: its range, default and help stand there and nowhere else. Each schema's
 * error is the text that follows "to be", such as "true or false": the constructors below have it.
 */
export type Spec<Options> = { readonly [Name in keyof Options]-?: z.ZodType };

/**
 * Takes a spec that is made at its first use, so that importing an operation makes no schema. An option that is
 * missing, or one too many, does not compile.
 */
export const specOf =
  <Options>() =>
  <S extends Spec<Options>>(
    make: () => S & { readonly [Extra in Exclude<keyof S, keyof Options>]: never },
  ): (() => S) =>
    once(make);

/** Options as `readOptions` returns them: an option with a default is never `undefined`. */
export type Settings<Options, Made extends () => object> = SettingsOf<Options, ReturnType<Made>>;

type SettingsOf<Options, S> = {
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

/** A number within a range, which `words` name; NaN is outside every range. */
export const number = (words = "a number", within: (value: number) => boolean = () => true) =>
  z.custom<number>((value) => typeof value === "number" && !Number.isNaN(value) && within(value), words);

/** A number of at least 0, infinity included. */
export const notNegative = () => number("a number of at least 0", (value) => value >= 0);

/** A number above 0, infinity included. */
export const positive = () => number("a number above 0", (value) => value > 0);

/** A number in (0, 1]. */
export const share = () => number("in (0, 1]", (value) => value > 0 && value <= 1);

/**
 * A number that can divide or multiply logits: beyond this range, or in the exponential, float32 overflows.
 */
export const divisor = () => number("from 0.000001 to 1000000", isDivisor);
export const isDivisor = (value: number): boolean => value >= 1e-6 && value <= 1e6;

export const flag = () => z.boolean("true or false");
export const text = (words?: string) => z.string(words ?? "text").min(1, words ?? "text that is not empty");
export const choice = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(
    values,
    `one of ${values.map((value) => (/^[\w-]+$/.test(value) ? value : JSON.stringify(value))).join(", ")}`,
  );

/** A key of a table, such as `lossTypes`. */
export const keyOf = <Key extends string>(table: Readonly<Record<Key, unknown>>) =>
  choice(Object.keys(table) as [Key, ...Key[]]);

/** The seed of everything random. */
export const seed = () => z.int("a whole number");

/** Options within an option; each of them may have a default. */
export const group = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.strictObject(shape, "an object").prefault({} as never);

/** Options within an option that has no default of its own. */
export const requiredGroup = <Shape extends z.ZodRawShape>(shape: Shape) => z.strictObject(shape, "an object");

/** Options within an option, or `false` to turn it off. */
export const groupOrFalse = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.union([z.literal(false), z.strictObject(shape, "an object")], "false, or an object");

/** A value that the caller made, such as a task or a function: checked by `is`, typed by the options interface. */
export const given = <T = unknown>(words: string, is: (value: never) => boolean = () => true) =>
  z.custom<T>((value) => value !== undefined && is(value as never), words);

/** An object of any fields, such as settings that go to a server. */
export const object = <T = Readonly<Record<string, unknown>>>() =>
  given<T>("an object", (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value));

/** A value that no message may show, such as a key. */
export const secret = (words: string, is: (value: string) => boolean) =>
  z.custom<string>((value) => typeof value === "string" && is(value), { error: words, params: { isSecret: true } });

/** The caller's function. */
export const callback = <T = unknown>(words = "a function") =>
  given<T>(words, (value: unknown) => typeof value === "function");

/** A list whose every element passes. */
export const list = <T = unknown>(words: string, each: (value: unknown) => boolean = () => true) =>
  given<T>(words, (value: unknown) => Array.isArray(value) && value.every(each));

/** An object with these methods, such as a task; a message names the one that is missing. */
export const having = <T = unknown>(words: string, ...methods: readonly string[]) =>
  z.custom<T>((value) => typeof value === "object" && missingMethod(value, methods) === undefined, {
    error: words,
    params: { methods },
  });

const missingMethod = (value: unknown, methods: readonly string[]) =>
  methods.find((method) => typeof Object(value)[method] !== "function");

/**
 * Checks options and fills in their defaults.
 * @param where the operation, which begins every message
 * @throws ConfigError naming the first option that is unknown, with the one that was meant, or the first that is out of
 * its range
 */
export function readOptions<Options extends object, S extends Spec<Options>>(
  where: string,
  options: Options,
  spec: () => S,
): SettingsOf<Options, S> {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    const got = mayBeKey(options, schemaOf(spec())) ? "text" : shown(options);
    throw new ConfigError(`${where}: expected its options to be an object, got ${got}`);
  }
  const read = tryOptions(options, spec());
  if (read.problem) throw new ConfigError(`${where}: ${read.problem.text}`);
  return read.data as SettingsOf<Options, S>;
}

/** Whether text may be a key, which no message should hold: one long word with a digit, or any beside a secret. */
const mayBeKey = (value: unknown, schema?: z.core.$ZodType) =>
  typeof value === "string" &&
  (/^(?=\S*\d)(?:[^\s/]{12,}|\S{40,})$/.test(value) ||
    [...((schema && fieldsOf(schema)?.values()) ?? [])].some(isSecret));

const isSecret = (schema: z.core.$ZodType): boolean => {
  const issue = z.safeParse(schema, Symbol("stranger")).error?.issues[0];
  return issue?.code === "custom" && issue.params?.isSecret === true;
};

/** The first fault of options: the path of the option, and a sentence about it. */
export interface OptionProblem {
  readonly path: readonly string[];
  readonly text: string;
}

/** Reads options that a file or a command line holds: with their defaults, or their first fault. */
export function tryOptions(
  options: object,
  spec: z.ZodRawShape,
): { readonly data: object; readonly problem?: undefined } | { readonly problem: OptionProblem } {
  const schema = schemaOf(spec);
  const read = schema.safeParse(withoutUndefined(options, schema));
  return read.success ? { data: read.data } : { problem: firstProblem(read.error, options, schema) };
}

function firstProblem(error: z.ZodError, options: unknown, schema: z.ZodObject): OptionProblem {
  // A missing option may have been given under another name.
  const first = error.issues.find(({ code }) => code === "unrecognized_keys") ?? error.issues[0]!;
  return problemOf(first, options, schema);
}

/**
 * Checks one argument that is not an option.
 * @throws ConfigError in the words that `readOptions` has
 */
export function readArgument<S extends z.ZodType>(where: string, name: string, value: unknown, schema: S): z.output<S> {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  throw new ConfigError(`${where}: ${mismatch(name, read.error.issues[0]!, value)}`);
}

/** A spec's schema. */
const schemaOf = onceEach((spec: z.ZodRawShape): z.ZodObject => z.strictObject(spec));

/** An option that is `undefined` counts as absent. */
function withoutUndefined(value: unknown, schema: z.core.$ZodType): unknown {
  const fields = fieldsOf(schema);
  if (fields === undefined || typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(
    entries.map(([name, inner]) => {
      const field = fields.get(name);
      return [name, field ? withoutUndefined(inner, field) : inner];
    }),
  );
}

type Fields = ReadonlyMap<string, z.core.$ZodType>;

/** The fields of a schema for objects, through defaults and alternatives; `undefined` for other schemas. */
const fieldsOf = onceEach((schema: z.core.$ZodType): Fields | undefined => {
  if (schema instanceof z.ZodObject) return new Map(Object.entries(schema.shape));
  if (schema instanceof z.ZodUnion) return schema.options.map(fieldsOf).find((fields) => fields !== undefined);
  const { innerType } = schema._zod.def as { readonly innerType?: z.core.$ZodType };
  return innerType && fieldsOf(innerType);
});

function problemOf(issue: z.core.$ZodIssue, options: unknown, schema: z.core.$ZodType): OptionProblem {
  // The alternative that reads furthest into the value says most.
  if (issue.code === "invalid_union") {
    const inner = issue.errors
      .flatMap(([first]) => first ?? [])
      .find(({ path, code }) => path.length > 0 || code === "unrecognized_keys");
    if (inner) return problemOf({ ...inner, path: [...issue.path, ...inner.path] }, options, schema);
  }
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    const [name] = issue.keys as [string];
    return { path: [...path, name], text: unknownOption(path, name, schema) };
  }
  const value = path.reduce<unknown>((outer, name) => Object(outer)[name], options);
  return { path, text: mismatch(path.join("."), issue, value, schema) };
}

const fieldOf = (path: readonly string[], schema: z.core.$ZodType): z.core.$ZodType | undefined =>
  path.reduce<z.core.$ZodType | undefined>((outer, key) => outer && fieldsOf(outer)?.get(key), schema);

function unknownOption(path: readonly string[], name: string, schema: z.core.$ZodType): string {
  const at = fieldOf(path, schema);
  const fields: Fields = (at && fieldsOf(at)) ?? new Map();
  const full = (near: string) => `"${[...path, near].join(".")}"`;
  const here = pathTo(namesElsewhere.get(name) ?? [], fields);
  if (here !== undefined) return `unknown option ${full(name)}; here it is called ${full(here)}`;
  const near = nearest(name, [...fields.keys()]);
  const ending =
    near === undefined ? `expected one of ${[...fields.keys()].join(", ")}` : `did you mean ${full(near)}?`;
  return `unknown option ${full(name)}; ${ending}`;
}

/** The place of the first of these names that the options have, or options within them. */
function pathTo(names: readonly string[], fields: Fields): string | undefined {
  const own = names.find((name) => fields.has(name));
  if (own !== undefined) return own;
  for (const [key, inner] of fields) {
    const found = pathTo(names, fieldsOf(inner) ?? new Map());
    if (found !== undefined) return `${key}.${found}`;
  }
  return undefined;
}

function mismatch(name: string, issue: z.core.$ZodIssue, value: unknown, schema?: z.core.$ZodType): string {
  const { isSecret, methods } = (issue.code === "custom" && issue.params) || {};
  const isText = mayBeKey(value, schema) && expectsObject(issue);
  const shownMethods = methods as readonly string[] | undefined;
  const got = isSecret === true ? "something else" : isText ? "text" : shownInstead(value, shownMethods);
  return `expected ${name} to be ${issue.message}, got ${got}${hintOf(issue, value)}`;
}

/** The value of a choice that was meant, if it has another name here or was misspelt. */
function hintOf(issue: z.core.$ZodIssue, value: unknown): string {
  if (issue.code !== "invalid_value" || typeof value !== "string") return "";
  const choices = issue.values.map(String);
  const here = valuesElsewhere.get(value)?.find((name) => choices.includes(name));
  if (here !== undefined) return `; here it is called "${here}"`;
  const near = nearest(value, choices);
  return near === undefined ? "" : `; did you mean "${near}"?`;
}

/** Whether an object belongs here, in whose place text may be a key. */
const expectsObject = (issue: z.core.$ZodIssue): boolean =>
  /\ban object\b/.test(issue.message) ||
  (issue.code === "custom" && issue.params?.methods !== undefined) ||
  (issue.code === "invalid_union" && issue.errors.flat().some(expectsObject));

function shownInstead(value: unknown, methods: readonly string[] | undefined): string {
  if (value === undefined) return "nothing";
  if (value instanceof Promise) return "a promise: await it";
  if (methods && typeof value === "function") return "a function: pass what it returns";
  if (methods && typeof value === "object" && value !== null)
    return `something without ${missingMethod(value, methods)}()`;
  // An address may hold a password.
  return shown(typeof value === "string" ? value.replace(/\/\/[^/\s]*@/g, "//[key]@") : value);
}
