import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BackendError } from "../errors";

/**
 * Finds the file of an installed package, without loading it: from this module's place, or else from the working
 * folder, where a bundle runs.
 * @throws BackendError for a package that is not there, with the page that says how a bundler leaves it out
 */
export function packagePath(specifier: string): string {
  // A bundler replaces an imported createRequire, and `resolve` then gives numbers of its own instead of paths.
  const { createRequire } = process.getBuiltinModule("node:module");
  const places = [import.meta.url, join(process.cwd(), "package.json")];
  for (const place of places)
    try {
      return createRequire(place).resolve(specifier);
    } catch {
      // The next place may have it.
    }
  throw new BackendError(
    `${specifier}: expected an installed package, got none from ${places.join(" or ")}; install it, and let a bundler ` +
      "leave rise-ts out; docs/using.md has the line for webpack, esbuild, and Next.js's standalone output",
    { scope: "backend" },
  );
}

/** The version of an installed package, such as this one. */
export const packageVersion = (name: string): string =>
  (JSON.parse(readFileSync(packagePath(`${name}/package.json`), "utf8")) as { version: string }).version;
