import { events, faults } from "./rows";

/** The page: `npx tsx test/reliability/table.ts > test/reliability/table.md`. */
export function reliabilityPage(): string {
  const table = (heading: string, rows: typeof events) => [
    `| ${heading} | what holds | tests |`,
    "|---|---|---|",
    ...rows.map(({ id, holds, by }) => `| ${id} | ${holds} | ${by.map(link).join("; ")} |`),
  ];
  const link = ([file, ...titles]: (typeof events)[number]["by"][number]) =>
    `[${file.split("/").at(-1)}](../${file}): ${titles.map((title) => `“${title}”`).join(", ")}`;
  return [
    "# Reliability: what must hold, and the tests that hold it",
    "",
    "`npx tsx test/reliability/table.ts > test/reliability/table.md` prints this page; test/reliability/table.test.ts finds every test in its file.",
    "",
    ...table("what happens", events),
    "",
    "Faults that were found once:",
    "",
    ...table("fault", faults),
    "",
  ].join("\n");
}

if (process.argv[1]?.endsWith("table.ts")) process.stdout.write(reliabilityPage());
