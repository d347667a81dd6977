import { describe, expect, it } from "vitest";
import { inline, written } from "../../src/report/elements/text";

const plain = (html: string) => html.replaceAll(/<[^>]*>/g, "");

describe("a text on a page", () => {
  it("folds what is beyond 2 000 characters, and leaves out what is beyond 6 000, with numbers", () => {
    const html = written("a".repeat(1_000_000));
    const [head, rest] = html.split("<details>");
    expect(plain(head!)).toBe("a".repeat(2000));
    expect(rest).toContain("<summary>998,000 more characters</summary>");
    expect(rest).toContain("994,000 more characters are not on this page");
    expect(html.length).toBeLessThan(6500);
    expect(written("a".repeat(2100))).not.toContain("<details>");
  });

  it("says how much is missing when only the beginning is at hand", () => {
    expect(written("short", [], 5000)).toContain("4,995 more characters are not on this page");
  });

  it("marks a leak in both parts when the fold cuts it, and cuts no character in two", () => {
    const html = written(`${"a".repeat(1998)}0.75${"b".repeat(2000)}`, [{ kind: "number", start: 1998, end: 2002 }]);
    expect(html.match(/<mark title="leak: number">[^<]*<\/mark>/g)).toEqual([
      '<mark title="leak: number">0.</mark>',
      '<mark title="leak: number">75</mark>',
    ]);
    expect(plain(written(`${"a".repeat(1999)}😀${"b".repeat(2000)}`).split("<details>")[0]!)).toBe("a".repeat(1999));
  });

  it("marks all of two leaks that overlap", () => {
    const marks = [
      { kind: "number", start: 0, end: 5 },
      { kind: "label", start: 3, end: 8 },
      { kind: "inside", start: 4, end: 5 },
    ];
    expect(written("0123456789", marks)).toContain(
      '<mark title="leak: number">01234</mark><mark title="leak: label">567</mark>89',
    );
  });

  it.each([
    ["\u202Eevil", "U+202Eevil"],
    ["a\u0000b\u001Bc", "a\u2400b\u241Bc"],
    ["a\u2066b\u200Fc\uFEFF", "aU+2066bU+200FcU+FEFF"],
    ["lone \uD800 half", "lone U+D800 half"],
    ["\u0000".repeat(5000), "\u2400 \u2400 \u2400 \u2400 and 4,996 more"],
    [`e${"\u0301".repeat(3000)}`, `e${"\u0301".repeat(4)}accents and 2,996 more`],
  ])("shows what is invisible in %j", (text, shown) => {
    expect(plain(inline(text, 10_000))).toBe(shown);
  });

  it("leaves emoji, flags, accents and line breaks as they are", () => {
    const text = "👩‍🚀 🏴󠁧󠁢󠁳󠁣󠁴󠁿 crème brûlée\n\tनमस्ते می‌خواهم";
    expect(inline(text)).toBe(text);
  });

  it("escapes markup", () => {
    expect(written('<img src=x onerror="alert(1)">')).not.toContain("<img");
    expect(inline("</title><script>")).toBe("&lt;/title&gt;&lt;script&gt;");
  });
});
