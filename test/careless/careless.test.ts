import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../datasets/temporary";
import { type Careless, type Said, said } from "./case";
import { commands } from "./commands";
import { data } from "./data";
import { compute } from "./models";
import { runs } from "./runs";

const folder = await temporaryFolder();
afterAll(() => rm(folder, { recursive: true }));

const areas: readonly (readonly [area: string, cases: readonly Careless[]])[] = Object.entries({
  ...data,
  ...compute,
  ...runs,
  ...commands,
});
const table = await Promise.all(
  areas.map(async ([area, cases], i) => {
    const rows: { input: string; outcome: Said }[] = [];
    for (const [j, one] of cases.entries()) {
      const place = join(folder, `${i}-${j}`);
      await mkdir(place);
      rows.push({ input: one.input, outcome: await said(one, place) });
    }
    return { area, rows };
  }),
);

/** The page that table.md is. */
function page(): string {
  const all = table.flatMap(({ rows }) => rows);
  const count = (grade: string) => all.filter(({ outcome }) => outcome.grade === grade).length;
  const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ⏎ ");
  return [
    "# Careless inputs, and what they print",
    "",
    "`npx vitest run test/careless -u` printed this page. A: the message names the place, says what is expected and what was found, or gives the way out.",
    "B: it leaves one of them out. C: it speaks in words of another library, or on many lines. F: nothing is said, or the wrong thing.",
    "",
    `${all.length} inputs: ${["A", "B", "C", "F"].map((grade) => `${count(grade)} ${grade}`).join(", ")}.`,
    ...table.flatMap(({ area, rows }) => [
      "",
      `## ${area[0]!.toUpperCase()}${area.slice(1)}`,
      "",
      "| | | what a user reads |",
      "|---|---|---|",
      ...rows.map(({ input, outcome }) => `| ${cell(input)} | ${outcome.grade} | ${cell(outcome.words)} |`),
    ]),
    "",
  ].join("\n");
}

describe("a careless input", () => {
  it("prints what table.md says", () => expect(page()).toMatchFileSnapshot("table.md"));

  it("is never passed over in silence, and never answered in words of another library", () => {
    const bad = table.flatMap(({ rows }) => rows).filter(({ outcome }) => /C|F/.test(outcome.grade));
    expect(bad).toEqual([]);
  });
});
