import { describe, expect, it } from "vitest";
import { withLinks } from "./pack";

describe("withLinks", () => {
  const packed = new Set(["README.md", "docs/a.md", "docs/images/b.webp"]);
  const of = (link: string, page = "docs/a.md") => withLinks(`See [x](${link}).`, page, packed, "https://e.org/main");

  it("keeps links to packed files, headings and other sites", () => {
    for (const link of ["images/b.webp", "../README.md#licence", "#words", "https://e.org/x", "mailto:a@e.org"])
      expect(of(link)).toBe(`See [x](${link}).`);
    expect(of("docs/a.md", "README.md")).toBe("See [x](docs/a.md).");
  });

  it("leads links to other files to the repository, when a page lies in a folder too", () => {
    expect(of("../src/index.ts")).toBe("See [x](https://e.org/main/src/index.ts).");
    expect(of("../test/README.md#peers")).toBe("See [x](https://e.org/main/test/README.md#peers).");
    expect(of("examples", "README.md")).toBe("See [x](https://e.org/main/examples).");
  });
});
