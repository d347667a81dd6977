import { readdir } from "node:fs/promises";
import { join } from "node:path";

/**
 * Looks for the file that a name may have meant, below a folder and nowhere else: with `/` for `\`, `%20` read as a
 * space, in another case or Unicode form, without its first folders, in one of the folders below, or with another
 * extension.
 *
 * Links are not followed. Each folder is listed once, however many names are looked for.
 */
export function searchNearby(root: string): (name: string) => Promise<string | undefined> {
  const listings = new Map<string, Promise<Listing>>();
  const list = (folder: string): Promise<Listing> => {
    const known = listings.get(folder) ?? readListing(join(root, folder));
    listings.set(folder, known);
    return known;
  };
  /** The path of a file by the parts of its name, however they are written. */
  const walk = async (folder: string, parts: readonly string[], keyOf: KeyOf): Promise<string | undefined> => {
    const [part, ...rest] = parts as [string, ...string[]];
    const { files, folders } = await list(folder);
    const names = (rest.length === 0 ? files : folders)[keyOf].get(keys[keyOf](part));
    for (const name of names ?? []) {
      const path = folder === "" ? name : `${folder}/${name}`;
      const found = rest.length === 0 ? path : await walk(path, rest, keyOf);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const searchParts = async (parts: readonly string[]) => {
    for (const keyOf of ["name", "stem"] as const) {
      for (let i = 0; i < parts.length; i++) {
        const found = await walk("", parts.slice(i), keyOf);
        if (found !== undefined) return found;
      }
      for (const folder of [...(await list("")).folders.name.values()].flat().slice(0, mostFolders)) {
        const found = await walk(folder, parts.slice(-1), keyOf);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  };
  return async (name) => {
    const spelt = [name, decoded(name)];
    // Servers' addresses: "a.jpg?size=2", and Label Studio's "?d=a.jpg".
    for (const text of new Set([...spelt, ...spelt.map((each) => each.replace(/^[^?]*\?d=|[?#].*$/s, ""))])) {
      const parts = text.split(/[\\/]/).filter((part) => part !== "" && part !== ".");
      // After the last "..", which no name of a file in here has.
      const found = parts.length > 0 ? await searchParts(parts.slice(parts.lastIndexOf("..") + 1)) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

/** Folders that are looked into for a name without its own. */
const mostFolders = 100;

type KeyOf = "name" | "stem";
type Names = Readonly<Record<KeyOf, Map<string, string[]>>>;

interface Listing {
  readonly files: Names;
  readonly folders: Names;
}

/** Extensions of the files that sharp reads. */
export const pictureExtension = /\.(?:jpe?g|jfif|png|webp|gif|tiff?|avif)$/i;

/** A form that names of the same meaning share. */
const keys: Readonly<Record<KeyOf, (name: string) => string>> = {
  name: (name) => decoded(name.trim()).normalize("NFC").toLowerCase(),
  stem: (name) => keys.name(name).replace(pictureExtension, ""),
};

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

async function readListing(folder: string): Promise<Listing> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const named = (wanted: readonly string[], isFiles: boolean): Names => {
    const names = { name: new Map<string, string[]>(), stem: new Map<string, string[]>() };
    for (const keyOf of ["name", "stem"] as const)
      for (const name of wanted) {
        if (keyOf === "stem" && isFiles && !pictureExtension.test(name)) continue;
        const key = keys[keyOf](name);
        names[keyOf].set(key, [...(names[keyOf].get(key) ?? []), name]);
      }
    return names;
  };
  const namesOf = (kind: "isFile" | "isDirectory") =>
    entries
      .filter((entry) => entry[kind]())
      .map(({ name }) => name)
      .sort();
  return { files: named(namesOf("isFile"), true), folders: named(namesOf("isDirectory"), false) };
}
