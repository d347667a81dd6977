import { isAbsolute, relative, sep } from "node:path";
import { stringify } from "yaml";
import { configSpec, type Kinds } from "../../config/spec";
import { isPlain, type Values } from "../../config/values";
import { type OptionRow, rowsOf } from "../../options/rows";

/** Options that a new config shows with their defaults, as comments. */
const shown: Readonly<Record<string, readonly string[]>> = {
  task: ["question", "name"],
  data: ["validation", "onOmission"],
  trainer: ["device", "rowsAtOnce", "samplerPrecision"],
  cot: ["steps", "groupSize", "examplesPerStep", "learningRate", "threshold", "reward", "grpo"],
  r1: ["sft", "rft"],
  evaluate: ["maxTokens", "batchSize"],
};

const headings: Readonly<Record<string, string>> = {
  task: "The kind of annotation",
  data: "The examples",
  model: "The checkpoint that learns: a directory, or a hub id",
  trainer: "How it learns",
  cot: "Stage 1, rise-ts cot: it learns to justify annotations",
  r1: "Stage 2, rise-ts r1: it learns to think first, and then annotate",
  evaluate: "Held-out examples, rise-ts eval",
};

const order = ["task", "data", "model", "trainer", "cot", "r1", "evaluate"];

/**
 * Writes a config as YAML, with the meaning of each option, and options that are often changed as comments.
 * @param values absolute paths become relative to `folder`
 */
export function configText(values: Values, kinds: Kinds, folder: string): string {
  const rows = new Map(rowsOf(configSpec(kinds)).map((row) => [row.name, row]));
  const names = [...order, ...Object.keys(values).filter((name) => !order.includes(name))];
  const sections = names.map((name) => {
    const heading = headings[name] ?? rows.get(name)?.help ?? "";
    const value = values[name];
    if (name in headings && !(name in shown) && value === undefined) return "";
    if (value !== undefined && !isPlain(value))
      return `# ${heading}.\n${stringify({ [name]: portable(value, folder) })}`;
    return `# ${heading}.\n${sectionText(name, value ?? {}, rows, folder)}`;
  });
  return `# Run all of it: npx rise-ts run. Every option: npx rise-ts run --help\n\n${sections.filter(Boolean).join("\n")}`;
}

function sectionText(name: string, value: Values, rows: ReadonlyMap<string, OptionRow>, folder: string): string {
  const given = Object.entries(value).map(([key, own]) => {
    const help = rows.get(`${name}.${key}`)?.help;
    return `${help ? comment(help) : ""}${indented(stringify({ [key]: portable(own, folder) }))}`;
  });
  const others = (shown[name] ?? []).flatMap((key) => {
    const row = rows.get(`${name}.${key}`);
    return row && !(key in value)
      ? [`${comment(`${row.help} (${row.range})`)}  # ${key}: ${exampleOf(row, rows)}\n`]
      : [];
  });
  return `${name}:\n${[...given, ...others].join("")}`;
}

/** The default of an option, the first option within it, or a usual value. */
function exampleOf({ name, default: value }: OptionRow, rows: ReadonlyMap<string, OptionRow>): string {
  if ("code" in value) return value.code;
  const inner = [...rows.values()].find((row) => row.name.startsWith(`${name}.`));
  return inner ? `{ ${inner.name.slice(name.length + 1)}: ${exampleOf(inner, rows)} }` : (usual.get(name) ?? "…");
}

const usual: ReadonlyMap<string, string> = new Map([["data.validation", "0.1"]]);

/** Lines of a comment, of about 100 characters. */
const comment = (text: string) => `${text}.`.replace(/(.{1,98})(?:\s+|$)/g, "  # $1\n");

const indented = (text: string) => text.replace(/^(?=.)/gm, "  ");

function portable(value: unknown, folder: string): unknown {
  if (Array.isArray(value)) return value.map((each) => portable(each, folder));
  if (isPlain(value))
    return Object.fromEntries(Object.entries(value).map(([key, own]) => [key, portable(own, folder)]));
  if (typeof value !== "string" || !isAbsolute(value)) return value;
  const path = relative(folder, value).split(sep).join("/");
  // A name without a dot may be a hub id.
  return path.startsWith(".") ? path : `./${path}`;
}
