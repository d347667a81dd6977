import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { packLicences } from "../../examples/package/third-party";
import { temporaryFolder } from "../datasets/temporary";

/** A build and installed packages, by file. */
async function licencesOf(
  files: Readonly<Record<string, string>>,
): Promise<{ names: readonly string[]; page: string }> {
  const folder = await temporaryFolder();
  try {
    for (const [name, content] of Object.entries({ "dist/index.js": "", ...files })) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), content);
    }
    const names = await packLicences(join(folder, "dist"), join(folder, "modules"));
    return { names, page: await readFile(join(folder, "dist", "THIRD-PARTY.md"), "utf8") };
  } finally {
    await rm(folder, { recursive: true });
  }
}

const manifest = (name: string) => JSON.stringify({ name, version: "1.2.3", license: "MIT" });

describe("the licences of code that is built in", () => {
  it("are found by what the build says that it contains", async () => {
    const { names, page } = await licencesOf({
      "dist/chunk.cjs":
        "// node_modules/zod/v4/core.js\nvar a;\n  // node_modules/@scope/thing/a.js\n// src/index.ts\n",
      "modules/zod/package.json": manifest("zod"),
      "modules/zod/LICENSE": "MIT License\nCopyright (c) Somebody",
      "modules/@scope/thing/package.json": manifest("@scope/thing"),
      "modules/@scope/thing/licence.txt": "Copyright (c) Others",
      "modules/unused/package.json": manifest("unused"),
    });
    expect(names).toEqual(["@scope/thing", "zod"]);
    expect(page).toMatch(/## @scope\/thing 1\.2\.3 \(MIT\)\n\n {4}Copyright \(c\) Others\n\n## zod 1\.2\.3/);
    expect(page).toContain("    Copyright (c) Somebody");
  });

  it("are asked for when a package has none", async () => {
    const files = { "dist/a.js": "// node_modules/bare/a.js\n", "modules/bare/package.json": manifest("bare") };
    await expect(licencesOf(files)).rejects.toThrow(/bare: expected a file LICENSE, got none/);
  });
});
