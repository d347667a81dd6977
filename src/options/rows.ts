import * as z from "zod";

/** One option of a spec, in words. */
export interface OptionRow {
  /** Its path from the outermost options, such as `sampling.temperature`. */
  readonly name: string;
  /** The values that it takes. */
  readonly range: string;
  readonly default: DefaultText;
  readonly help: string;
  readonly schema: z.ZodType;
}

/** A default as a program writes it, or words for one that has no such text. */
export type DefaultText = { readonly code: string } | { readonly words: string };

/**
 * Lists the options of a spec for tables and for the help of commands, each followed by the options within it.
 * @param path the beginning of every name, such as `sampling.`
 */
export function rowsOf(spec: z.ZodRawShape, path = ""): readonly OptionRow[] {
  return Object.entries(spec).flatMap(([key, option]) => {
    const schema = option as z.ZodType;
    const name = `${path}${key}`;
    const own = { name, schema, range: rangeOf(schema), default: defaultOf(schema), help: schema.description ?? "" };
    return [own, ...rowsOf(shapeOf(schema), `${name}.`)];
  });
}

/** Values that no option takes: a schema's message about them is its range, in words. */
const strangers = [Symbol("stranger"), undefined];

function rangeOf(schema: z.ZodType): string {
  const { innerType } = schema.def as { readonly innerType?: z.ZodType };
  if (innerType) return rangeOf(innerType);
  return strangers.map((value) => schema.safeParse(value).error?.issues[0]?.message).find((words) => words) ?? "";
}

function defaultOf(schema: z.ZodType): DefaultText {
  if (schema instanceof z.ZodDefault) return valueText(schema.def.defaultValue);
  if (schema instanceof z.ZodPrefault) return { words: "each its own" };
  return { words: schema._zod.optin === "optional" ? "none" : "required" };
}

function valueText(value: unknown): DefaultText {
  if (typeof value === "function") return { code: value.name };
  // An object with methods, such as an optimiser, has no text.
  const isPlain = typeof value !== "object" || Object.values(value ?? {}).every((each) => typeof each !== "function");
  const text = typeof value === "number" ? String(value) : JSON.stringify(value);
  return isPlain && text.length <= 60 ? { code: text } : { words: "see its docstring" };
}

function shapeOf(schema: z.ZodType): z.ZodRawShape {
  if (schema instanceof z.ZodObject) return schema.shape as z.ZodRawShape;
  if (schema instanceof z.ZodUnion)
    return Object.assign({}, ...schema.options.map((option) => shapeOf(option as z.ZodType)));
  const { innerType } = schema.def as { readonly innerType?: z.ZodType };
  return innerType ? shapeOf(innerType) : {};
}
