import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { shortList } from "../../datasets/reading/folder";
import { pictureExtension } from "../../datasets/reading/nearby";
import { readColumns } from "./look-at-table";

const isTable = (name: string) => /^\.[ct]sv$/i.test(extname(name));

/**
 * Says why a file, or a folder with these entries, is no data that is known; "" where nothing explains it.
 * @param entries `undefined` for a file
 */
export async function adviceFor(path: string, entries: readonly Dirent[] | undefined): Promise<string> {
  if (!entries) return isTable(path) ? adviceOnTable(path) : "";
  const names = entries.map(({ name }) => name);
  const table = names.find(isTable);
  if (table !== undefined) return adviceOnTable(join(path, table));
  if (await hasAnnotationsOfOthers(path, entries))
    return "; YOLO's and Pascal VOC's annotations are not read: convert them to COCO, as CVAT, Roboflow and FiftyOne do";
  if (names.some((name) => pictureExtension.test(name)))
    return "; images without annotations can be annotated: npx rise-ts annotate";
  const folders = entries.filter((entry) => entry.isDirectory());
  return folders.length === 1 ? "; make a folder for each class, two or more" : "";
}

async function adviceOnTable(path: string): Promise<string> {
  try {
    const columns = (await readColumns(path)).map((column) => column.name);
    return (
      `; ${basename(path)} has the columns ${shortList(columns)}: give it one that names an image in each row, and one that ` +
      "names its label, with two labels or more in all, or several of numbers"
    );
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
