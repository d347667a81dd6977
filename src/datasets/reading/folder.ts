import { lstat, realpath, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join, posix, relative, resolve, win32 } from "node:path";
import { fileURLToPath } from "node:url";
import { DataError } from "../../errors";
import { counted, shown } from "../../options/display";
import { searchNearby } from "./nearby";

/** The folder in which a data set's images lie. Nothing outside it is read, unless the caller allows it. */
export interface Folder {
  readonly path: string;
  /**
   * Finds the image that a file of the data set names. A `\\` that Windows wrote counts as `/`, unless a file has it in
   * its name.
   * @throws DataError for a name that leads out of the folder, by itself or by a link, unless that is allowed, and for
   * a missing file
   */
  image(name: string, where: string): Promise<string>;
  /** Like `image`, but returns `undefined` for a missing file. */
  find(name: string, where: string): Promise<string | undefined>;
  /** The end of a message about a missing image: the file that may be meant. */
  hint(name: string): Promise<string>;
}

export interface FolderOptions {
  /** Whether files outside the folder may be named; `undefined` if the loader has no such option. */
  readonly allowOutside?: boolean | undefined;
}

export function openFolder(path: string, { allowOutside }: FolderOptions = {}): Folder {
  const root = resolve(path);
  const wayOut = allowOutside === false ? "; pass root for the folder of the images, or allowOutside: true" : "";
  let realRoot: Promise<string> | undefined;
  let known = { folder: "", real: "" };
  // Most images lie in the same folder as the one before.
  const realPath = async (file: string) => {
    const folder = dirname(file);
    if (known.folder !== folder) known = { folder, real: await realpath(folder) };
    return join(known.real, basename(file));
  };
  const find = async (name: string, where: string): Promise<string | undefined> => {
    const file = resolve(root, name.startsWith("file:") ? fromUrl(name, where) : name);
    if (/^https?:/i.test(name))
      throw new DataError(`${where}: expected the path of an image, got the address ${shown(name)}; download it first`);
    const isForeign = win32.isAbsolute(name) && !isAbsolute(name);
    if (isForeign || !(allowOutside || isInside(root, file)))
      throw new DataError(
        `${where}: expected an image path inside ${root}, got ${JSON.stringify(name)}${(await hint(name)) || wayOut}`,
      );
    const entry = await lstat(file).catch(() => undefined);
    if (!entry) return name.includes("\\") ? find(name.replaceAll("\\", "/"), where) : undefined;
    const real = entry.isSymbolicLink() ? await realpath(file).catch(() => file) : await realPath(file);
    if (!(entry.isFile() || (await isFile(real)))) return undefined;
    realRoot ??= realpath(root);
    if (!allowOutside && !isInside(await realRoot, real))
      throw new DataError(`${where}: expected an image inside ${root}, got ${file}, a link to ${real}${wayOut}`);
    return file;
  };
  const search = searchNearby(root);
  const hint = async (name: string) => {
    const near = await search(name);
    if (near !== undefined && near.normalize() === name.normalize())
      return `; its name is there in another Unicode form: write it in ${near === near.normalize() ? "NFC" : "NFD"}`;
    if (near !== undefined) return `; ${near} is there: write ${JSON.stringify(near)}`;
    if (/^~[\\/]/.test(name)) return `; only shells read ~: write ${join(homedir(), name.slice(2))}`;
    return (await stat(root).catch(() => undefined))?.isDirectory() ? "" : `; ${root} is not a folder that exists`;
  };
  return {
    path: root,
    find,
    hint,
    async image(name, where) {
      const file = await find(name, where);
      if (file === undefined)
        throw new DataError(`${where}: expected an image file at ${resolve(root, name)}, got none${await hint(name)}`);
      return file;
    },
  };
}

function fromUrl(url: string, where: string): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new DataError(`${where}: expected the URL of a file, got ${shown(url)}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** The place where a data set's authors publish it. */
export interface Source {
  readonly name: string;
  readonly url: string;
}

/** Checks that files exist. @throws DataError naming the missing ones, and where they are published */
export async function requireFiles(folder: string, names: readonly string[], source: Source): Promise<void> {
  const missing: string[] = [];
  for (const name of names) if (!(await isFile(resolve(folder, name)))) missing.push(name);
  if (missing.length > 0)
    throw new DataError(`${folder}: expected ${shortList(missing)}, got none. ${published(source)}`);
}

/**
 * Finds images, and returns their paths in order.
 * @throws DataError with the number and names of the missing images, and where they are published
 */
export async function requireImages(
  folder: Folder,
  named: readonly { readonly name: string; readonly where: string }[],
  source: Source,
): Promise<readonly string[]> {
  const missing: string[] = [];
  const paths: string[] = [];
  for (const { name, where } of named) {
    const path = await folder.find(name, where);
    if (path === undefined) missing.push(name);
    else paths.push(path);
  }
  if (missing.length === 0) return paths;
  throw new DataError(
    `${folder.path}: expected ${counted(named.length, "image")}, got none for ${missing.length}: ${shortList(missing)}${await folder.hint(missing[0]!)}. ${published(source)}`,
  );
}

/** The end of a message about missing files. */
export function published({ name, url }: Source): string {
  return `${name} is published at ${url}`;
}

export function shortList(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(", ");
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}

const isFile = async (path: string) => (await stat(path).catch(() => undefined))?.isFile() ?? false;

function isInside(folder: string, file: string): boolean {
  const path = relative(folder, file);
  return !posix.isAbsolute(path) && !win32.isAbsolute(path) && path.split(/[\\/]/)[0] !== "..";
}
