import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { events, faults } from "./rows";
import { reliabilityPage } from "./table";

const read = (file: string) => readFileSync(fileURLToPath(new URL(`../${file}`, import.meta.url)), "utf8");

/** Whether a file has a test with this title. */
const hasTest = (source: string, title: string) =>
  source.split(`"${title}"`).some((before, i, parts) => i < parts.length - 1 && /\bit\b[^;]*\(\s*$/.test(before));

describe("the table of reliability", () => {
  it.each([...events, ...faults].map((row) => [row.id, row] as const))(
    "names tests that exist for: %s",
    (_, { by }) => {
      expect(by).not.toEqual([]);
      for (const [file, ...titles] of by) {
        expect(titles, file).not.toEqual([]);
        expect(titles.filter((title) => !hasTest(read(file), title))).toEqual([]);
      }
    },
  );

  it("finds no test in a file without tests", () => {
    expect(hasTest('it("a", () => {})', "a")).toBe(true);
    expect(hasTest('it.each([\n  ["x;"],\n])(\n  "a %s",\n  () => {})'.replace(";", ""), "a %s")).toBe(true);
    expect(hasTest('expect("a").toBe("a"); it("b", () => {})', "a")).toBe(false);
    expect(hasTest('it("ab", () => {})', "a")).toBe(false);
  });

  it("is printed from the rows", () => {
    expect(read("reliability/table.md")).toBe(reliabilityPage());
  });
});
