import { ConfigError } from "../errors";
import { nearest } from "./did-you-mean";
import { shown } from "./display";

/**
 * Every name of an options interface, and where it says so those of options within it: one that is missing, or is none,
 * does not compile.
 */
export type Names<Options> = {
  readonly [Name in keyof Options]-?: true | Names<Extract<Options[Name], object>>;
};

/**
 * What TypeScript sees and JavaScript does not: options that nobody reads. Those that are `undefined` are not there.
 * @param names a `Names` of the options
 * @throws ConfigError naming the option, and the one that was meant, or all that there are
 */
export function checkOptions(where: string, options: unknown, names: object): void {
  checkLevel(where, [], options, names as NameTable);
}

interface NameTable {
  readonly [name: string]: true | NameTable;
}

function checkLevel(where: string, path: readonly string[], options: unknown, names: NameTable): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    // Text may be a key that no message should hold.
    const got = typeof options === "string" ? "text" : shown(options);
    throw new ConfigError(`${where}: expected ${path.join(".") || "its options"} to be an object, got ${got}`);
  }
  const full = (name: string) => `"${[...path, name].join(".")}"`;
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const within = Object.hasOwn(names, name) ? names[name] : undefined;
    if (within === undefined) {
      const near = nearest(name, Object.keys(names));
      const ending =
        near === undefined ? `expected one of ${Object.keys(names).join(", ")}` : `did you mean ${full(near)}?`;
      throw new ConfigError(`${where}: unknown option ${full(name)}; ${ending}`);
    }
    if (typeof within === "object") checkLevel(where, [...path, name], value, within);
  }
}

/** @throws ConfigError naming the first value, of those that are given, which is neither true nor false */
export function checkBooleans(where: string, values: Readonly<Record<string, boolean | undefined>>): void {
  for (const [name, value] of Object.entries(values))
    if (value !== undefined && typeof value !== "boolean")
      throw new ConfigError(`${where}: expected ${name} to be true or false, got ${shown(value)}`);
}

/**
 * @param what is expected, such as "beta1 in [0, 1)"
 * @throws ConfigError for what is not `ok`, and for text, which comparisons take for a number
 */
export function checkNumber(where: string, what: string, value: number, ok: boolean): void {
  if (typeof value !== "number" || !ok) throw new ConfigError(`${where}: expected ${what}, got ${shown(value)}`);
}

/** @throws ConfigError for what is no whole number */
export function checkSeed(where: string, seed: number | undefined): void {
  if (seed !== undefined) checkNumber(where, "seed to be a whole number", seed, Number.isInteger(seed));
}

/**
 * @throws ConfigError for what lacks one of the methods that tell it from what it is not; a promise and a function are
 * named as such
 */
export function checkMethods(what: string, value: unknown, methods: readonly string[]): void {
  const missing = methods.find((method) => typeof (value as Record<string, unknown> | null)?.[method] !== "function");
  if (missing !== undefined) throw new ConfigError(`expected ${what}; got ${foundInstead(value, missing)}`);
}

function foundInstead(value: unknown, missing: string): string {
  if (value instanceof Promise) return "a promise: await it";
  if (typeof value === "function") return "a function: pass what it returns";
  return typeof value === "object" && value !== null ? `something without ${missing}()` : shown(value);
}
