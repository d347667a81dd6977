import { readdir } from "node:fs/promises";
import { extname, join } from "node:path";

/**
 * Makes a search for the file that a name may mean, inside one folder only: with `/` for `\`, `%20` read as a space, in
 * another case or Unicode form, without its first folders, in one of the subfolders, or with another extension.
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
  /** Finds a file by the parts of its name, in any spelling. */
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
    // Servers' addresses look like "a.jpg?size=2", and Label Studio's like "?d=a.jpg".
    const local = spelt.map((each) => each.replace(/^[^?]*\?d=|[?#].*$/s, ""));
    // Label Studio puts eight digits in front of the name of an uploaded file.
    const uploaded = local.map((each) => each.replace(/[\da-f]{8}-([^\\/]+)$/i, "$1"));
    for (const text of new Set([...spelt, ...local, ...uploaded])) {
      const parts = text.split(/[\\/]/).filter((part) => part !== "" && part !== ".");
      // The parts after the last "..", since no file in the folder has one in its name.
      const after = parts.slice(parts.lastIndexOf("..") + 1);
      const found = after.length > 0 ? await searchParts(after) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

/** The most subfolders that are searched for a name without a folder. */
const mostFolders = 100;

type KeyOf = "name" | "stem";
type Names = Readonly<Record<KeyOf, Map<string, string[]>>>;

interface Listing {
  readonly files: Names;
  readonly folders: Names;
}

/** Extensions of the files that sharp reads. */
export const pictureExtension = /\.(?:jpe?g|jfif|png|webp|gif|tiff?|avif)$/i;

/** Whether a file or folder is one that Windows, macOS, KDE or a NAS leaves beside images. */
export const isClutter = (name: string): boolean =>
  /^\._|^\.(?:ds_store|directory|apdisk|spotlight-v100|trashes|fseventsd)$/i.test(name) ||
  /^(?:thumbs\.db|ehthumbs\.db|desktop\.ini|icon\r|__macosx|@eadir|#recycle|#snapshot)$/i.test(name) ||
  /^(?:\$recycle\.bin|system volume information|lost\+found)$/i.test(name);

/** Names the kind of file that a name without one of `pictureExtension`'s endings promises. */
export function kindByName(name: string): string {
  const ending = extname(name).toLowerCase();
  const convert = "; convert it to PNG or JPEG";
  if (ending === ".heic" || ending === ".heif") return `a HEIC image${convert}`;
  if (/^\.(?:bmp|svg|psd|jp2|jxl|ico|pdf|dng|cr2|cr3|nef|arw|raf|orf)$/.test(ending))
    return `a ${ending.slice(1).toUpperCase()} file${convert}`;
  return `a file that is named ${ending || "without an ending"}`;
}

/** The form that all spellings of a name share. */
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
