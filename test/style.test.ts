import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { cwd: root, encoding: "utf8" })
  .split("\n")
  .filter((file) => existsSync(join(root, file)));
const textOf = (file: string) => readFileSync(join(root, file), "utf8");

/** A sentence begins with its subject, and says plainly what is so. */
const hardToRead = /(?:^|[.:;!?] )(?:Of|Where|What|Such|Whoever) |\b(?:is none|that of|goes on|but for|gone on with)\b/;

const hardAmong = (texts: readonly { readonly place: string; readonly words: string }[]) =>
  texts.filter(({ words }) => hardToRead.test(words)).map(({ place, words }) => `${place}: ${words}`);

describe("comments", () => {
  const code = files.filter((file) => /^(?:src|test|examples|bench)\/.*\.ts$/.test(file));

  it("are at most 120 columns wide in src", () => {
    const long = code
      .filter((file) => file.startsWith("src/"))
      .flatMap(commentsOf)
      .filter(({ line }) => line.length > 120);
    expect(long.map(({ place }) => place)).toEqual([]);
  });

  it("begin with the subject, and use plain words", () => {
    expect(hardAmong(code.flatMap(commentsOf))).toEqual([]);
  });
});

it("counts of things have a singular: counted() writes it", () => {
  const things =
    /\$\{[^{}]*\.(?:length|size)\}(?:<\/b>)? (?:image|example|cot|thought|answer|rollout|completion|prompt|row|shard|argument|warning|record)s\b/;
  const counting = files.filter((file) => /^src\/(?!engine|models).*\.ts$/.test(file));
  const plural = counting.flatMap((file) =>
    textOf(file)
      .split("\n")
      .flatMap((line, i) => (things.test(line) ? [`${file}:${i + 1}`] : [])),
  );
  // This one is never 1.
  expect(plural.filter((place) => !place.startsWith("src/datasets/conversations.ts"))).toEqual([]);
});

it("names of tests use plain words", () => {
  const tests = files.filter((file) => file.endsWith(".test.ts"));
  const names = tests.flatMap((file) =>
    [...textOf(file).matchAll(/\b(?:it|describe)[\w.]*\(\s*"([^"]+)"/g)].map(([, words]) => ({
      place: file,
      words: words!,
    })),
  );
  expect(hardAmong(names)).toEqual([]);
});

describe("pages", () => {
  const pages = files.filter((file) => /^(?:(?:docs|examples)\/.*|README|CHANGELOG)\.md$/.test(file));

  it("have lines of at most 160 columns, apart from tables and code", () => {
    const long = pages.flatMap((file) =>
      proseOf(textOf(file)).flatMap(({ line, number }) => (line.length > 160 ? [`${file}:${number}`] : [])),
    );
    expect(long).toEqual([]);
  });

  it("begin sentences with the subject, and use plain words", () => {
    const hard = pages.flatMap((file) =>
      proseOf(textOf(file)).flatMap(({ line, number }) =>
        hardToRead.test(line) ? [`${file}:${number}: ${line}`] : [],
      ),
    );
    expect(hard).toEqual([]);
  });

  it("have together at most 14 000 words, apart from the table of options that is printed from the specs", () => {
    const words = pages
      .filter((file) => file.startsWith("docs/") && file !== "docs/options.md")
      .map(
        (file) =>
          textOf(file)
            .split(/\s+/)
            .filter((word) => /[\p{L}\p{N}]/u.test(word)).length,
      );
    expect(words.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(14_000);
  });
});

/** Every line that has a comment, and its words without the comment's own marks. */
function commentsOf(file: string) {
  let inside = false;
  return textOf(file)
    .split("\n")
    .flatMap((line, i) => {
      const opens = /^\s*\/\*/.test(line);
      const isComment = inside || opens || /^\s*\/\//.test(line);
      if (opens) inside = true;
      if (line.includes("*/")) inside = false;
      const words = line.replace(/^\s*(?:\/\*\*?|\*\/?|\/\/)?\s*|\s*\*\/\s*$/g, "");
      return isComment ? [{ place: `${file}:${i + 1}`, line, words }] : [];
    });
}

function proseOf(text: string) {
  let code = false;
  return text.split("\n").flatMap((line, i) => {
    if (line.startsWith("```")) code = !code;
    return code || line.startsWith("```") || line.startsWith("|") ? [] : [{ line, number: i + 1 }];
  });
}
