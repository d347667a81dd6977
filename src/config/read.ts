import { dirname, resolve } from "node:path";
import { ConfigError } from "../errors";
import { shown } from "../options/display";
import { rowsOf } from "../options/rows";
import { readArgument, tryOptions } from "../options/spec";
import type { Task } from "../task";
import { findConfig, readSource, type Source } from "./source";
import { configSpec, type Kinds, kindOption, kindsOf } from "./spec";
import { absolutePaths, isPlain, type Values, valueAt, valueOfText, withValue } from "./values";

/** A config that was checked: names have become values, and paths are absolute. */
export interface Config {
  readonly kinds: Kinds;
  /** The options that were given, as text has them. */
  readonly given: Values;
  readonly task: Task<unknown> | Values;
  /** The place of the task: the file, and its line if the file's language has one. */
  readonly place: string;
  /** Empty only for a command that needs none. */
  readonly data: Values;
  readonly model?: string;
  readonly trainer?: Values;
  readonly backend?: Values;
  readonly cot?: Values;
  readonly r1?: Values;
  readonly evaluate?: Values;
  readonly compare?: Values;
  readonly audit?: Values;
  readonly runDir: string;
  readonly resume: boolean;
  readonly seed: number;
}

export interface ConfigSources {
  /** The file; without it, the one of `folder`, if there is one. */
  readonly file?: string | undefined;
  /** Texts of a command line by the paths of their options, such as `cot.steps`. They win over the file. */
  readonly flags: ReadonlyMap<string, string>;
  /** The folder in which the command runs. */
  readonly folder: string;
  /** Options in the place of a file's. */
  readonly values?: Values | undefined;
  /** Those of task and data that must be there; both without it. */
  readonly needs?: readonly string[];
}

/**
 * Reads a config from a file and from flags.
 * @throws ConfigError naming the file, the line or the flag, the option, what was expected and what came
 */
export async function readConfig(sources: ConfigSources): Promise<Config> {
  const { file: named, flags, folder, values, needs = ["task", "data"] } = sources;
  const file = values ? undefined : (named ?? findConfig(folder));
  const path = file === undefined ? undefined : resolve(folder, file);
  const source = path === undefined ? { ...nothing, value: values ?? {} } : await readSource(path, file!);
  if (!file && !values && needs.length > 0 && !flags.has("task.kind"))
    throw new ConfigError(
      "expected rise.config.yaml in this folder, --config, or flags such as --task.kind, got none; rise-ts init writes one",
    );
  const placeOf = (keys: readonly string[]) => flagOf(keys, flags) ?? source.place(keys);
  if (!isPlain(source.value))
    throw new ConfigError(`${placeOf([])}: expected the config to be an object, got ${shown(source.value)}`);
  // An empty section of YAML is null.
  const sections = Object.fromEntries(Object.entries(source.value).filter(([, value]) => value !== null));
  const fromFile = path === undefined ? sections : absolutePaths(sections, dirname(path));
  const chosen = Object.entries(kindsOf).reduce((values, [section, { name }]) => {
    const text = flags.get(`${section}.${name}`);
    return text === undefined ? values : withValue(values, [section, name], text);
  }, fromFile);
  const isFlag = (section: string) => [...flags.keys()].some((name) => name.startsWith(`${section}.`));
  const isAbsent = (section: string) =>
    ["task", "data"].includes(section) && !needs.includes(section) && chosen[section] === undefined && !isFlag(section);
  const kinds = readKinds(chosen, placeOf, isAbsent);
  const spec = Object.fromEntries(Object.entries(configSpec(kinds)).filter(([section]) => !isAbsent(section)));
  const schemas = new Map(rowsOf(spec).map(({ name, schema }) => [name, schema]));
  const given = [...flags].reduce((values, [name, text]) => {
    const keys = name.split(".");
    const value = valueOfText(text, schemas.get(name));
    return withValue(values, keys, valueAt(absolutePaths(withValue({}, keys, value), folder), keys));
  }, chosen);
  const read = tryOptions(given, spec);
  if (read.problem) throw new ConfigError(`${placeOf(read.problem.path)}: ${read.problem.text}`);
  const { runDir, resume, seed } = read.data as Pick<Config, "runDir" | "resume" | "seed">;
  const checked = onlyGiven(given, read.data as Values) as unknown as Omit<Config, "kinds" | "given">;
  return {
    ...checked,
    data: checked.data ?? {},
    kinds,
    given,
    place: placeOf(["task"]),
    runDir: resolve(path === undefined ? folder : dirname(path), runDir),
    resume,
    seed,
  };
}

const nothing: Source = { value: {}, place: () => "the config" };

/** The flag that holds an option, or options within it. */
const flagOf = (keys: readonly string[], flags: ReadonlyMap<string, string>): string | undefined => {
  const path = keys.join(".");
  const flag = [...flags.keys()].find((name) => name === path || path.startsWith(`${name}.`));
  return flag && `--${flag}`;
};

/** The kinds of the sections that have some. A section without one holds the value itself, or is wrong. */
function readKinds(
  values: Values,
  placeOf: (keys: readonly string[]) => string,
  isAbsent: (section: string) => boolean,
): Kinds {
  const kindIn = (section: keyof typeof kindsOf, fallback?: string): string | undefined => {
    if (isAbsent(section)) return undefined;
    const { name, kinds } = kindsOf[section];
    const options = values[section];
    const isValue =
      section === "task" ? !isPlain(options) || "validate" in options : isPlain(options) && "train" in options;
    if (options !== undefined && fallback === undefined && isValue) return undefined;
    const kind = (isPlain(options) ? options[name] : undefined) ?? fallback;
    return readArgument(placeOf([section, name]), `${section}.${name}`, kind, kindOption(kinds));
  };
  return {
    task: kindIn("task"),
    data: kindIn("data"),
    trainer: kindIn("trainer", "onnx"),
    backend: kindIn("backend", "onnx"),
  } as Kinds;
}

/** The values that were given, as reading left them: an operation fills in its defaults itself. */
function onlyGiven(given: unknown, read: unknown): unknown {
  if (!isPlain(given) || !isPlain(read) || given === read || !Object.keys(given).every((key) => key in read))
    return read;
  return Object.fromEntries(Object.keys(given).map((key) => [key, onlyGiven(given[key], read[key])]));
}
