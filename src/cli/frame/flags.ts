import * as z from "zod";
import { configSpec, type Kinds, kindsOf } from "../../config/spec";
import { once } from "../../options/once";
import { type OptionRow, rowsOf } from "../../options/rows";
import { flag, text as textOption } from "../../options/spec";
import type { Command } from "./command";

/** A flag of a command. */
export interface Flag {
  /** Its name without dashes, such as `sampling.temperature`. */
  readonly name: string;
  /** The path of the option in the config; without it, the flag is the command's own. */
  readonly option?: string;
  readonly row: OptionRow;
  /** The heading in the help; without it, the help leaves the flag out. */
  readonly heading?: string;
}

/** Flags of every command that reads a config. */
const common = {
  config: textOption().optional().describe("The config file; rise.config.yaml, .json or .ts of this folder without it"),
};
const always = { json: flag().default(false).describe("Prints the result as JSON") };

/** All flags of a command: its own, and all options of the config. */
export function flagsOf(command: Command): readonly Flag[] {
  const own = rowsOf({ ...command.flags, ...(command.sections && common), ...always });
  const ownFlags = own.map((row): Flag => ({ name: row.name, row, heading: "Options" }));
  if (!command.sections) return ownFlags;
  const { short, long, without = [] } = command.sections;
  const options = configRows();
  const isTaken = new Set(own.map(({ name }) => name));
  const top = options.filter(({ name }) => !name.includes("."));
  for (const { name } of top) isTaken.add(name);
  const shortened = new Map<string, string>();
  for (const section of short)
    for (const { name } of options.filter((row) => row.name.startsWith(`${section}.`))) {
      const rest = name.slice(section.length + 1);
      if (isTaken.has(rest) || rest === "kind") continue;
      isTaken.add(rest);
      shortened.set(name, rest);
    }
  const shownSections = [...short, ...long];
  return [
    ...ownFlags,
    ...options.flatMap((row): Flag[] => {
      if (without.includes(row.name)) return [];
      const section = row.name.split(".")[0]!;
      const heading = headings[row.name.includes(".") ? section : "config"];
      const brief = shortened.get(row.name);
      const isShown = !row.name.includes(".") || shownSections.includes(section);
      const full: Flag = { name: row.name, option: row.name, row };
      if (brief !== undefined) return [{ ...full, name: brief, ...(heading && { heading }) }, full];
      return [isShown && heading ? { ...full, heading } : full];
    }),
  ];
}

const headings: Readonly<Record<string, string>> = {
  config: "Everything",
  task: "The task",
  data: "The data",
  trainer: "The policy that learns",
  backend: "A model that only answers",
  cot: "Stage 1",
  r1: "Stage 2",
  evaluate: "Evaluation",
  compare: "Comparison",
  audit: "Audit",
};

/** The options of a config that text can hold, for all kinds together. */
const configRows = once((): readonly OptionRow[] => {
  const usual: Kinds = { task: "classification", data: "folder", trainer: "onnx", backend: "onnx" };
  const others = Object.entries(kindsOf).flatMap(([section, { kinds }]) =>
    Object.keys(kinds).flatMap((kind) => rowsOf({ [section]: configSpec({ ...usual, [section]: kind })[section]! })),
  );
  const known = new Map<string, OptionRow>();
  for (const row of [...rowsOf(configSpec(usual)), ...others])
    if (!/^an? (?:function|object)/.test(row.range) && !known.has(row.name)) known.set(row.name, row);
  return [...known.values()];
});

/** Whether a flag needs no value. */
export const isSwitch = ({ row: { schema } }: Flag): boolean =>
  schema.safeParse(true).success && !schema.safeParse(1).success && !schema.safeParse("x").success;

/** The values that a flag takes, if they are a list of words. */
export function choicesOf({ schema }: OptionRow): readonly string[] {
  if (schema instanceof z.ZodEnum) return schema.options.map(String);
  const { innerType } = schema.def as { readonly innerType?: z.ZodType };
  return innerType ? choicesOf({ schema: innerType } as OptionRow) : [];
}

/** The range, the default and the meaning of a flag, for the help. */
export function flagHelp({ row: { range, default: value, help } }: Flag): string {
  const fallback = "code" in value ? `, ${value.code} without it` : value.words === "required" ? ", required" : "";
  return `${help} (${range}${fallback})`;
}
