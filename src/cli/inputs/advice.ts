import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { readJsonRows } from "../../datasets/formats/json-rows";
import { shortList } from "../../datasets/reading/folder";
import { pictureExtension } from "../../datasets/reading/nearby";
import { mostRows } from "./found";
import { firstRows } from "./look-at-parquet";
import { likeliestColumns } from "./look-at-table";

/** The columns of a file, or the keys of its rows, and what a file of this kind must have. */
interface Kind {
  readonly names: (path: string) => Promise<readonly string[]>;
  readonly needed: string;
}

const table: Kind = {
  names: async (path) => (await likeliestColumns(path)).map(({ name }) => name),
  needed:
    "one that names an image in each row, and one that names its label, with two labels or more in all, or several of numbers, which have a point before their decimals",
};
const rows: Kind = {
  names: async (path) => {
    const read: unknown[] = [];
    for await (const { value } of readJsonRows(path)) if (read.push(value) >= mostRows) break;
    return [...new Set(read.flatMap((value) => Object.keys(Object(value))))];
  },
  needed: "image and annotation in each row, or a conversation",
};
const kinds: ReadonlyMap<string, Kind> = new Map([
  [".csv", table],
  [".tsv", table],
  [".jsonl", rows],
  [".json", rows],
  [
    ".parquet",
    {
      names: async (path: string) => Object.keys((await firstRows(path))[0] ?? {}),
      needed: "one of encoded images, and one that names classes, or conversations",
    },
  ],
]);
const kindOf = (name: string) => kinds.get(extname(name).toLowerCase());

/**
 * Says why a file, or a folder with these entries, is no data that is known; "" where nothing explains it.
 * @param entries `undefined` for a file
 */
export async function adviceFor(path: string, entries: readonly Dirent[] | undefined): Promise<string> {
  if (!entries) return adviceOnFile(path, kindOf(path));
  const names = entries.map(({ name }) => name);
  // Other programs keep their settings in .json.
  const file = names.find((name) => kindOf(name) && !/\.json$/i.test(name));
  if (file !== undefined) return adviceOnFile(join(path, file), kindOf(file));
  if (await hasAnnotationsOfOthers(path, entries))
    return "; YOLO's and Pascal VOC's annotations are not read: convert them to COCO, as CVAT, Roboflow and FiftyOne do";
  if (names.some((name) => pictureExtension.test(name)))
    return "; images without annotations can be annotated: npx rise-ts annotate IMAGES";
  const folders = entries.filter((entry) => entry.isDirectory());
  return folders.length === 1 ? "; make a folder for each class, two or more" : "";
}

async function adviceOnFile(path: string, kind: Kind | undefined): Promise<string> {
  if (!kind) return "";
  try {
    const names = await kind.names(path);
    const columns = names.length > 0 ? `the columns ${shortList(names)}` : "no columns";
    return `; ${basename(path)} has ${columns}: give it ${kind.needed}`;
  } catch (error) {
    return `; ${(error as Error).message}`;
  }
}

/** Whether text files or XML files stand where YOLO and Pascal VOC have them. */
async function hasAnnotationsOfOthers(folder: string, entries: readonly Dirent[]): Promise<boolean> {
  const folders = entries.filter((entry) => entry.isDirectory() && /^(?:labels|annotations|train)$/i.test(entry.name));
  const listed = await Promise.all(folders.map(({ name }) => readdir(join(folder, name)).catch((): string[] => [])));
  const deeper = listed.some((names) => names.some((name) => name === "labels" || /\.(?:xml|txt)$/i.test(name)));
  return deeper || entries.some(({ name }) => /\.xml$/i.test(name));
}
