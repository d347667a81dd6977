import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join, normalize } from "node:path";
import { describe, expect, it } from "vitest";
import { templates } from "./templates";

const root = "examples";

/** The modules and files that a source names. */
const namedIn = (source: string) =>
  [...source.matchAll(/(?:\bfrom |\bimport |\bimport\(|new URL\(|\.resolve\()\s*"([^"]+)"/g)].map(([, name]) => name!);

/** Names that a copy would miss: it has rise-ts with its dependencies, Node, and its own files. */
function missing(template: string): string[] {
  const isFile = template.endsWith(".ts");
  const files = isFile
    ? [template]
    : readdirSync(join(root, template), { recursive: true, encoding: "utf8" })
        .filter((name) => /\.[jt]s$/.test(name))
        .map((name) => join(template, name));
  return files.flatMap((file) =>
    namedIn(readFileSync(join(root, file), "utf8"))
      .filter((name) => {
        if (!name.startsWith(".")) return !/^(?:rise-ts|@huggingface\/transformers|onnxruntime-web)(?:\/|$)/.test(name);
        return isFile || !normalize(join(file, "..", name)).startsWith(template);
      })
      .filter((name) => !name.startsWith("node:") && !builtinModules.includes(name))
      .map((name) => `${file} names ${name}`),
  );
}

describe("an example", () => {
  it.each(templates)("can be copied alone: %s names rise-ts, Node and its own files only", ({ copy }) => {
    expect(missing(copy)).toEqual([]);
  });

  it("is a template if it has a number", () => {
    const numbered = readdirSync(root).filter((name) => /^\d/.test(name));
    expect(numbered.filter((name) => !templates.some(({ copy }) => copy === name))).toEqual([]);
  });

  it("does not pass when it names a file beside its folder", () => {
    expect(missing("demo")).toContain("demo/tasks.ts names ../pictures/moods");
  });
});
