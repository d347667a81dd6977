import type { z } from "zod";
import { counted } from "./display";

/** Says what a schema without words of its own expects; it is `safeParse`'s `error`. */
export function schemaWords(raw: z.core.$ZodRawIssue): string {
  const issue = raw as z.core.$ZodIssue;
  switch (issue.code) {
    case "invalid_type":
      return `expected ${typeWords[issue.expected] ?? issue.expected}`;
    case "too_small":
      if (issue.origin === "string" && issue.minimum === 1) return "expected text that is not empty";
      return `expected ${issue.inclusive === false ? "more than" : "at least"} ${amountOf(issue.minimum, issue.origin)}`;
    case "too_big":
      return `expected ${issue.inclusive === false ? "less than" : "at most"} ${amountOf(issue.maximum, issue.origin)}`;
    case "invalid_value":
      return `expected ${issue.values.map((value) => JSON.stringify(value)).join(" or ")}`;
    case "unrecognized_keys":
      return `expected only fields of the format, got ${issue.keys.map((key) => JSON.stringify(key)).join(", ")}`;
    case "invalid_union": {
      const options = issue.errors.flatMap(([first]) => first?.message.replace(/^expected /, "") ?? []);
      return `expected ${[...new Set(options)].join(" or ") || "another kind of value"}`;
    }
    default:
      return "expected another value";
  }
}

const typeWords: Readonly<Record<string, string>> = {
  string: "text",
  int: "a whole number",
  number: "a number",
  boolean: "true or false",
  array: "a list",
  tuple: "a list",
  object: "an object",
  record: "an object",
  nonoptional: "a value",
  null: "null",
};

const amountOf = (amount: number | bigint, origin: string) =>
  ["array", "string"].includes(origin) ? counted(Number(amount), origin === "array" ? "element" : "character") : amount;
