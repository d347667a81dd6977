import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BackendError } from "../errors";
import { cachedPackages, type Dependencies } from "./optional-packages";

/**
 * Finds the file of an installed package, without loading it: from this module's place, or else from the working
 * folder, where a bundle runs. An optional dependency that npm left out is taken from the cache, once installed there.
 * @throws BackendError for a package that is not there, with the page that says how a bundler leaves it out
 */
export function packagePath(specifier: string): string {
  const places = [import.meta.url, join(process.cwd(), "package.json")];
  const found = places.map((place) => resolveFrom(place, specifier)).find((path) => path !== undefined);
  if (found !== undefined) return found;
  const optional = specifier.startsWith("rise-ts/") ? {} : optionalDependencies();
  if (Object.keys(optional).some((name) => specifier === name || specifier.startsWith(`${name}/`))) {
    const cached = resolveFrom(join(cachedPackages(optional), "package.json"), specifier);
    if (cached !== undefined) return cached;
  }
  throw new BackendError(
    `${specifier}: expected an installed package, got none from ${places.join(" or ")}; install it, and let a bundler ` +
      "leave rise-ts out; docs/using.md has the line for webpack, esbuild, and Next.js's standalone output",
    { scope: "backend" },
  );
}

function resolveFrom(place: string, specifier: string): string | undefined {
  // A bundler replaces an imported createRequire, and `resolve` then gives numbers of its own instead of paths.
  const { createRequire } = process.getBuiltinModule("node:module");
  try {
    return createRequire(place).resolve(specifier);
  } catch {
    return undefined;
  }
}

const optionalDependencies = (): Dependencies =>
  JSON.parse(readFileSync(packagePath("rise-ts/package.json"), "utf8")).optionalDependencies ?? {};

/** The version of an installed package, such as this one. */
export const packageVersion = (name: string): string =>
  (JSON.parse(readFileSync(packagePath(`${name}/package.json`), "utf8")) as { version: string }).version;
