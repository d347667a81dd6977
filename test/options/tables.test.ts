import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { rowsOf } from "../../src/options/rows";
import { optionsPage, specs } from "./tables";

describe("docs/options.md", () => {
  it("says what the specs say", () => {
    const page = readFileSync(new URL("../../docs/options.md", import.meta.url), "utf8");
    expect(page, "print it again: npx tsx test/options/tables.ts > docs/options.md").toBe(optionsPage());
  });

  it("has a table for every operation that reads options", () => {
    const root = new URL("../../src/", import.meta.url);
    const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
    const reading = files.flatMap((file) => [
      ...readFileSync(new URL(file, root), "utf8").matchAll(/\breadOptions\(\s*"(?<operation>\w+)"/g),
    ]);
    const shown = Object.keys(specs).flatMap((names) => names.replace(/^.*\./, "").split(" and "));
    expect(reading.map(({ groups }) => groups!.operation).filter((name) => !shown.includes(name!))).toEqual([]);
  });

  it.each(Object.entries(specs))("has words for every option of %s", (_, spec) => {
    const silent = rowsOf(spec()).filter(({ range, help }) => range === "" || help === "" || /Invalid/.test(range));
    expect(silent).toEqual([]);
  });
});
