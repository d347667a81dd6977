import { join } from "node:path";
import { BackendError } from "../errors";

/**
 * Finds the file of an installed package, without loading it: from this module's place, or else from the working
 * folder, where a bundle runs.
 * @throws BackendError for a package that is not there, with the line that makes a bundler leave it out
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
    `${specifier}: expected an installed package, got none from ${places.join(" or ")}; install it, and keep a bundler ` +
      'away from rise-ts: serverExternalPackages: ["rise-ts"] in Next.js, externals: { "rise-ts": "rise-ts" } in webpack',
    { scope: "backend" },
  );
}
