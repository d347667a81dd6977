/**
 * Prints llms.txt: the pages, each with its title and headings, for programs that read documentation.
 *
 *   npx tsx test/docs/llms.ts > llms.txt
 */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = new URL("../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");

export function llmsIndex(): string {
  const { description } = JSON.parse(read("package.json"));
  const pages = readdirSync(new URL("docs", root))
    .filter((file) => file.endsWith(".md"))
    .sort()
    .map((file) => `docs/${file}`);
  const lines = ["README.md", ...pages].map((page) => `- ${lineOf(page, read(page))}`);
  return ["# rise-ts", "", `> ${description}`, "", "## Docs", "", ...lines, ""].join("\n");
}

/** `[title](page): its headings`. */
function lineOf(page: string, markdown: string): string {
  const prose = markdown.replace(/^```[\s\S]*?^```/gm, "");
  const headings = (marks: string) =>
    [...prose.matchAll(new RegExp(`^${marks} (.+)$`, "gm"))].map(([, heading]) => heading!);
  const [title = page] = headings("#");
  const sections = headings("##");
  // The page of options has a section for each operation, which would hide the rest.
  const isLong = sections.length > 20;
  return `[${title}](${page})${sections.length > 0 && !isLong ? `: ${sections.join("; ")}` : ""}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(llmsIndex());
