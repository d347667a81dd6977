import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { count, flag, type Spec } from "../../src/options/spec";
import { riseCotSpec } from "../../src/rise/rise-cot-options";
import { answerSamplingSpec, rehearsalSpec, rftSpec, riseR1Spec, sftSpec } from "../../src/rise/rise-r1-options";
import { rolloutSamplingSpec, samplingSpec } from "../../src/rise/sampling-options";
import { failureSpec } from "../../src/runs/examples/failures";
import { runSpec } from "../../src/runs/run-options";

/** Each interface of options, its file below `src/`, and the spec that says the same. */
const documented: readonly (readonly [file: string, name: string, spec: () => Spec<object>])[] = [
  ["rise/rise-cot-options.ts", "RiseCotOptions", riseCotSpec],
  ["rise/rise-r1-options.ts", "AnswerSamplingOptions", answerSamplingSpec],
  ["rise/rise-r1-options.ts", "RehearsalOptions", rehearsalSpec],
  ["rise/rise-r1-options.ts", "RftOptions", rftSpec],
  ["rise/rise-r1-options.ts", "RiseR1Options", riseR1Spec],
  ["rise/rise-r1-options.ts", "SftOptions", sftSpec],
  ["rise/sampling-options.ts", "RolloutSamplingOptions", rolloutSamplingSpec],
  ["rise/sampling-options.ts", "SamplingOptions", samplingSpec],
  ["runs/examples/failures.ts", "FailureOptions", failureSpec],
  ["runs/run-options.ts", "RunOptions", runSpec],
];

describe.each(documented)("src/%s: %s", (file, name, spec) => {
  const docstrings = docstringsOf(readFileSync(fileURLToPath(new URL(`../../src/${file}`, import.meta.url)), "utf8"));

  it("says of each option what the spec says", () => {
    const written = docstrings.get(name) ?? new Map<string, string>();
    const shape = new Map<string, z.core.$ZodType>(Object.entries(spec()));
    expect(written.size, `options of ${name}`).toBeGreaterThan(0);
    const expected = [...written.keys()].map((option) => [option, docstringOf(shape.get(option))]);
    expect(Object.fromEntries(written)).toEqual(Object.fromEntries(expected));
  });
});

describe("a docstring", () => {
  const source = `interface Options {
    /** The size (8). */
    size?: number;
    /**
     * Whether it is
     * round (true). Two lines.
     */
    isRound?: boolean;
    bare: string;
  }`;

  it("is read without its stars and line breaks", () => {
    expect([...docstringsOf(source).get("Options")!]).toEqual([
      ["size", "The size (8)."],
      ["isRound", "Whether it is round (true). Two lines."],
      ["bare", ""],
    ]);
  });

  it("has the default at the end of the help's first sentence", () => {
    expect(docstringOf(count().default(8).describe("The size"))).toBe("The size (8).");
    expect(docstringOf(flag().default(true).describe("Whether it is round. Two lines"))).toBe(
      "Whether it is round (true). Two lines.",
    );
    expect(docstringOf(z.number().default(2e-5).describe("The rate"))).toBe("The rate (2e-5).");
    expect(docstringOf(z.string().default("both").describe("The texts that learn"))).toBe(
      'The texts that learn ("both").',
    );
    expect(docstringOf(count().optional().describe("The size"))).toBe("The size.");
    expect(docstringOf(z.unknown().prefault({}).describe("The loss").meta({ default: "presets.trl" }))).toBe(
      "The loss (presets.trl).",
    );
    expect(docstringOf(count())).toBe("");
  });
});

/** The docstrings of each interface's own members. */
function docstringsOf(source: string): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const file = ts.createSourceFile("options.ts", source, ts.ScriptTarget.Latest, true);
  const interfaces = file.statements.filter(ts.isInterfaceDeclaration);
  return new Map(
    interfaces.map(({ name, members }) => [
      name.text,
      new Map(members.flatMap((member) => (member.name ? [[member.name.getText(file), commentOf(member)]] : []))),
    ]),
  );
}

const commentOf = (node: ts.Node) =>
  ts
    .getJSDocCommentsAndTags(node)
    .map(({ comment }) => ts.getTextOfJSDocComment(comment) ?? "")
    .join(" ")
    .replace(/\s+/g, " ");

/** The help of a schema, and its default in brackets at the end of the first sentence. */
function docstringOf(schema: z.core.$ZodType | undefined): string {
  const { description, default: words } = (schema && z.globalRegistry.get(schema)) ?? {};
  if (description === undefined) return "";
  const value = words ?? defaultOf(schema!);
  const [, first, rest] = /^(.*?)((?:\. [A-Z`].*)?)$/.exec(description)!;
  return `${first}${value === undefined ? "" : ` (${value})`}${rest}.`;
}

/** The default of a schema as a reader writes it: 2e-5, "both", true, paperReward. */
function defaultOf(schema: z.core.$ZodType): string | undefined {
  if (!(schema instanceof z.ZodDefault)) return undefined;
  const value: unknown = schema.def.defaultValue;
  if (typeof value === "function") return value.name;
  if (typeof value === "number") return Math.abs(value) < 1e-3 && value !== 0 ? value.toExponential() : String(value);
  if (Array.isArray(value) && value.length === 0) return undefined;
  return JSON.stringify(value);
}
