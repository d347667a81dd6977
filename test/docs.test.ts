import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { llmsIndex } from "./docs/llms";

const root = fileURLToPath(new URL("..", import.meta.url));
const pages = [
  ...["README.md", "CHANGELOG.md"].filter((page) => existsSync(join(root, page))),
  ...readdirSync(join(root, "docs"))
    .filter((page) => page.endsWith(".md"))
    .map((page) => `docs/${page}`),
];

describe("links in the documentation", () => {
  it.each(pages)("of %s lead to files and headings that exist", (page) => {
    const broken = linksOf(read(page)).filter((target) => !leadsSomewhere(page, target));
    expect(broken).toEqual([]);
  });

  it("are found where there are some, and not in examples of code", () => {
    expect(linksOf("[a](x.md), [`b`](../y.ts#z)\n```\n[c](no)\n```\n[d](https://e.org)")).toEqual([
      "x.md",
      "../y.ts#z",
    ]);
    expect(leadsSomewhere("docs/fidelity.md", "overview.md#words")).toBe(true);
    expect(leadsSomewhere("docs/fidelity.md", "overview.md#no-such-heading")).toBe(false);
    expect(leadsSomewhere("docs/fidelity.md", "../src/no-such-file.ts")).toBe(false);
  });
});

describe("llms.txt", () => {
  it("lists the pages with their headings", () => {
    expect(read("llms.txt"), "print it again: npx tsx test/docs/llms.ts > llms.txt").toBe(llmsIndex());
  });
});

describe("the trace of the paper", () => {
  const tables = tablesOf(read("docs/fidelity.md"));
  const traced = tables.filter(({ header }) => header.includes("file")).flatMap(({ rows }) => rows);
  const rows = traced.map(([rule, files, test]) => [rule!, files!, test!] as const);

  it("has all of Eqs. 1–11", () => {
    const equations = rows.flatMap(([rule]) => [...rule.matchAll(/Eq\. (\d+)/g)].map(([, number]) => Number(number)));
    expect(new Set(equations)).toEqual(new Set(Array.from({ length: 11 }, (_, i) => i + 1)));
  });

  it.each(rows)("%s: its names are defined in the files beside them", (_, files) => {
    const claims = namesByLink(files);
    expect(claims.length).toBeGreaterThan(0);
    for (const { target, names } of claims) {
      expect(names, `names after ${target}`).not.toEqual([]);
      const source = read(join("docs", target));
      expect(
        names.filter((name) => !isDefined(source, name)),
        target,
      ).toEqual([]);
    }
  });

  it.each(rows)("%s: the quoted test is in the file beside it", (_, __, test) => {
    const [target, ...others] = linksOf(test);
    const [sentence] = /(?<=“).+(?=”)/.exec(test) ?? [];
    expect([target, sentence, others]).toEqual([expect.any(String), expect.any(String), []]);
    const source = read(join("docs", target!));
    expect(['"', "`"].some((quote) => source.includes(`${quote}${sentence}${quote}`))).toBe(true);
  });

  it("lists as not built only what nobody has built", () => {
    const missing = tables.find(({ header }) => header.includes("what there is instead"))!.rows;
    const names = missing.flatMap(([rule]) => backticked(rule!)).filter((name) => /^\w+$/.test(name));
    expect(names).toContain("trlTrainer");
    const sources = sourceFiles().map((file) => read(file));
    expect(names.filter((name) => sources.some((source) => isDefined(source, name)))).toEqual([]);
  });
});

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

function sourceFiles(): string[] {
  return readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join("src", file));
}

/** Targets of links that stay in the repository. */
function linksOf(markdown: string): string[] {
  const prose = markdown.replace(/^```[\s\S]*?^```/gm, "");
  return [...prose.matchAll(/\]\(([^()\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^\w+:/.test(target));
}

function leadsSomewhere(page: string, target: string): boolean {
  const [path, heading] = target.split("#");
  const file = path === "" ? page : join(dirname(page), path!);
  if (!existsSync(join(root, file))) return false;
  return heading === undefined || !file.endsWith(".md") || headingsOf(read(file)).includes(heading);
}

/** Headings as GitHub names them in links. */
function headingsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

interface Table {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

function tablesOf(markdown: string): Table[] {
  return [...markdown.matchAll(/(?:^\|.*\|\n)+/gm)].map(([table]) => {
    const [header, , ...rows] = table
      .trimEnd()
      .split("\n")
      .map((line) =>
        line
          .slice(1, -1)
          .split(/(?<!\\)\|/)
          .map((cell) => cell.trim()),
      );
    return { header: header!, rows };
  });
}

/** `[file](target) `name`, `name`` of a cell: each link with the names up to the next one. */
function namesByLink(cell: string): { readonly target: string; readonly names: readonly string[] }[] {
  return cell
    .split(/(?=\[[^\]]*\]\()/)
    .filter((part) => part.startsWith("["))
    .map((part) => ({ target: linksOf(part)[0]!, names: backticked(part) }));
}

function backticked(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
}

/** Whether a module declares the name, exported or not. */
function isDefined(source: string, name: string): boolean {
  return new RegExp(`^(?:export )?(?:async )?(?:function\\*?|const|interface|type|class) ${name}\\b`, "m").test(source);
}
