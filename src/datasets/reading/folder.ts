import { realpath, stat } from "node:fs/promises";
import { posix, relative, resolve, win32 } from "node:path";
import { DataError } from "../../errors";

/** The one folder in which a data set's pictures may lie. */
export interface Folder {
  readonly path: string;
  /**
   * The picture that a file of the data set names.
   * @throws DataError for a name that leads out of the folder, by itself or by a link, and for one that is no file
   */
  image(name: string, where: string): Promise<string>;
}

export function openFolder(path: string): Folder {
  const root = resolve(path);
  let realRoot: Promise<string> | undefined;
  return {
    path: root,
    async image(name, where) {
      const file = resolve(root, name);
      if (posix.isAbsolute(name) || win32.isAbsolute(name) || !isInside(root, file))
        throw new DataError(`${where}: expected an image path inside ${root}, found ${JSON.stringify(name)}`);
      const real = await realpath(file).catch(() => undefined);
      if (real === undefined || !(await isFile(real)))
        throw new DataError(`${where}: expected an image file at ${file}, found none`);
      realRoot ??= realpath(root);
      if (!isInside(await realRoot, real))
        throw new DataError(`${where}: expected an image inside ${root}, found that ${file} is a link to ${real}`);
      return file;
    },
  };
}

/** Where a data set's authors publish it. */
export interface Source {
  readonly name: string;
  readonly url: string;
}

/** @throws DataError with how many of the files are not in the folder, which, and where they are published */
export async function requireFiles(folder: string, names: readonly string[], source: Source): Promise<void> {
  const missing: string[] = [];
  for (const name of names) if (!(await isFile(resolve(folder, name)))) missing.push(name);
  if (missing.length === 0) return;
  throw new DataError(
    `${folder}: expected ${names.length} files of ${source.name}, found that ${missing.length} are missing: ${shortList(missing)}. ${published(source)}`,
  );
}

/** @throws DataError saying where the data set is published */
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
