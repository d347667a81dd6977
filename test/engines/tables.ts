import type { Check } from "./leg";

/** The longest message that a table shows. */
const mostCharacters = 200;

/** The laws that each engine keeps, and the faults with what a user reads, as Markdown. */
export function tablesOf(checks: readonly Check[]): string {
  const engines = [...new Set(checks.flatMap(({ engine }) => engine ?? []))];
  const lawsOf = (name: string) => checks.filter(({ engine }) => engine === name);
  const faults = checks.filter(({ says }) => says);
  return [
    "# Other engines: laws and faults",
    "",
    "`npm run test:engines -- --tables test/engines/tables.md` printed this page: each law of `rise-ts/testing` is a check, and each fault was made.",
    "",
    "| engine | laws that hold |",
    "|---|---|",
    ...engines.map((name) => `| ${name} | ${lawsOf(name).filter(({ ok }) => ok).length} of ${lawsOf(name).length} |`),
    "",
    "| fault | the first line that a user reads |",
    "|---|---|",
    ...faults.map(({ what, says }) => `| ${what} | ${shortened(says!)} |`),
    "",
  ].join("\n");
}

/** Without this machine's folders. */
function shortened(message: string): string {
  const plain = message.replace(/(?:\/[\w.@-]+){2,}\//g, "…/").replaceAll("|", "\\|");
  return plain.length > mostCharacters ? `${plain.slice(0, mostCharacters)}…` : plain;
}
