import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { rowsOf } from "../../src/options/rows";
import { optionsPage, specs } from "./tables";

describe("docs/options.md", () => {
  it("says what the specs say", () => {
    const page = readFileSync(new URL("../../docs/options.md", import.meta.url), "utf8");
    expect(page, "print it again: npx tsx test/options/tables.ts > docs/options.md").toBe(optionsPage());
  });

  it.each(Object.entries(specs))("has words for every option of %s", (_, spec) => {
    const silent = rowsOf(spec).filter(({ range, help }) => range === "" || help === "" || /Invalid/.test(range));
    expect(silent).toEqual([]);
  });
});
