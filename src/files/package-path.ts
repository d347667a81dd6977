import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BackendError } from "../errors";
import { cachedPackages, type Dependencies } from "./optional-packages";

/**
 * Finds the file of an installed package, without loading it: from this module's place, or else from the working
 * folder, where a bundle runs. An optional dependency that npm left out is taken from the cache, once installed there.
 * @throws BackendError for a package that is not there, with the page that says how a bundler leaves it out
 */
export function packagePath(specifier: string): string {
  const found = installed(specifier) ?? (specifier.startsWith("rise-ts/") ? undefined : cached(specifier));
  if (found !== undefined) return found;
  throw new BackendError(
    `${specifier}: expected an installed package, got none from ${places().join(" or ")}; install it, and let a bundler ` +
      "leave rise-ts out; docs/using.md has the line for webpack, esbuild, and Next.js's standalone output",
    { scope: "backend" },
  );
}

const places = () => [import.meta.url, join(process.cwd(), "package.json")];

const installed = (specifier: string): string | undefined =>
  places()
    .map((place) => resolveFrom(place, specifier))
    .find((path) => path !== undefined);

/** The file of an optional dependency that npm left out. Bundles leave out others too, which nothing installs. */
function cached(specifier: string): string | undefined {
  const manifest = installed("rise-ts/package.json");
  if (manifest === undefined) return undefined;
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync(manifest, "utf8")) as Manifest;
  const isOptional = Object.keys(optionalDependencies).some((name) => `${specifier}/`.startsWith(`${name}/`));
  const isWhole = Object.keys(dependencies).every((name) => isBeside(manifest, name));
  if (!isOptional || !isWhole) return undefined;
  return resolveFrom(join(cachedPackages(optionalDependencies), "package.json"), specifier);
}

type Manifest = Readonly<Record<"dependencies" | "optionalDependencies", Dependencies>>;

/** Whether a package has a folder among those that a file's imports look into. */
const isBeside = (file: string, name: string): boolean =>
  (requireFrom(file).resolve.paths(name) ?? []).some((folder) => existsSync(join(folder, name)));

function resolveFrom(place: string, specifier: string): string | undefined {
  try {
    return requireFrom(place).resolve(specifier);
  } catch {
    return undefined;
  }
}

/** A bundler replaces an imported createRequire, and `resolve` then gives numbers of its own instead of paths. */
const requireFrom = (place: string) => process.getBuiltinModule("node:module").createRequire(place);

/** The version of an installed package, such as this one. */
export const packageVersion = (name: string): string =>
  (JSON.parse(readFileSync(packagePath(`${name}/package.json`), "utf8")) as { version: string }).version;
