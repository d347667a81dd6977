import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { pictureExtension } from "../../datasets/reading/nearby";
import { DataError } from "../../errors";
import { listed } from "../../options/display";
import { adviceFor } from "./advice";
import type { Found, Look } from "./found";
import { lookAtCoco, lookAtRows } from "./look-at-json";
import { lookAtParquet } from "./look-at-parquet";
import { lookAtTable } from "./look-at-table";

const looks: Readonly<Record<string, Look>> = {
  ".csv": lookAtTable,
  ".tsv": lookAtTable,
  ".json": async (path) => (await lookAtRows(path)) ?? (await lookAtCoco(path)) ?? lookAtTable(path),
  ".jsonl": async (path) => (await lookAtRows(path)) ?? lookAtTable(path),
  ".parquet": lookAtParquet,
};

/**
 * Finds out what data a file or a folder is: a table, COCO's annotations, rows of JSON, Parquet, or class folders.
 * @throws DataError that says what was looked for, and what is there
 */
export async function lookAt(path: string): Promise<Found> {
  const entry = await stat(path).catch(() => undefined);
  const found = entry?.isDirectory()
    ? await lookInto(path)
    : entry && (await looks[extname(path).toLowerCase()]?.(path));
  if (found) return found;
  const inside = entry?.isDirectory() ? await visible(path) : undefined;
  const there = inside
    ? listed(inside.map(({ name }) => name)) || "an empty folder"
    : entry
      ? basename(path)
      : "no such file or folder";
  throw new DataError(
    `${path}: expected folders of classes, a CSV with an image column, COCO's annotations, JSONL, conversations or Parquet, got ${there}` +
      (entry ? await adviceFor(path, inside) : ""),
  );
}

async function lookInto(folder: string): Promise<Found | undefined> {
  const entries = await visible(folder);
  const files = [
    ...namesOf(entries, (entry) => entry.isFile()).map((name) => join(folder, name)),
    // COCO keeps its files there.
    ...(await visible(join(folder, "annotations"))).map(({ name }) => join(folder, "annotations", name)),
  ].filter((file) => extname(file).toLowerCase() in looks);
  // The file to learn from comes first.
  const isTrain = (file: string) => /train/i.test(basename(file));
  for (const file of files.sort((a, b) => Number(isTrain(b)) - Number(isTrain(a)))) {
    const found = await looks[extname(file).toLowerCase()]!(file);
    if (found) return { ...found, data: { ...found.data, ...counterpart(file, files, found.data.format) } };
  }
  return lookAtFolders(
    folder,
    namesOf(entries, (entry) => entry.isDirectory()),
  );
}

const heldNames = ["test", "val", "valid", "validation"];

/** The file to test with, beside a file to learn from. COCO's would need another folder of images. */
function counterpart(file: string, files: readonly string[], format: unknown): { readonly test?: string } {
  const names = heldNames.map((name) => join(dirname(file), basename(file).replace(/train/i, name)));
  const test = names.find((name) => name !== file && files.includes(name));
  return test === undefined || format === "coco" ? {} : { test };
}

async function lookAtFolders(folder: string, names: readonly string[]): Promise<Found | undefined> {
  const train = names.find((name) => /^train/i.test(name));
  const held = heldNames.find((name) => names.includes(name));
  if (train !== undefined) {
    const found = await lookAtFolders(join(folder, train), await foldersIn(join(folder, train)));
    return found && { ...found, data: { ...found.data, ...(held !== undefined && { test: join(folder, held) }) } };
  }
  const classes: string[] = [];
  for (const name of names)
    if ((await visible(join(folder, name))).some((entry) => pictureExtension.test(entry.name))) classes.push(name);
  if (classes.length < 2) return undefined;
  const labels = classes.map((name) => name.normalize("NFC")).sort();
  // Folders without images are no classes.
  const some = classes.length < names.length && { classes: Object.fromEntries(labels.map((name) => [name, name])) };
  return {
    what: `${classes.length} folders of classes`,
    task: { kind: "classification", labels },
    data: { format: "folder", path: folder, ...some },
  };
}

const visible = async (folder: string): Promise<readonly Dirent[]> => {
  const entries = await readdir(folder, { withFileTypes: true }).catch((): Dirent[] => []);
  return entries.filter(({ name }) => !name.startsWith(".")).sort((a, b) => (a.name < b.name ? -1 : 1));
};

const namesOf = (entries: readonly Dirent[], isOne: (entry: Dirent) => boolean) =>
  entries.filter(isOne).map(({ name }) => name);

const foldersIn = async (folder: string) => namesOf(await visible(folder), (entry) => entry.isDirectory());
