import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { ExampleStream, Omission } from "../dataset";
import { ConfigError, DataError } from "../errors";
import { flag, given, readOptions, type Settings, specOf } from "../options/spec";
import type { LabelDistribution } from "../types";
import { exampleStream, type Located, refuseOmission } from "./reading/example-stream";
import { openFolder, shortList } from "./reading/folder";
import { unopened } from "./reading/missing";
import { isClutter, kindByName, pictureExtension } from "./reading/nearby";
import { checkPath, omissionOption } from "./reading/options";

/** Options of `imageFolderDataset`. */
export interface ImageFolderOptions {
  /** The folders that are classes, and their labels in order; by default every folder, under its own name. */
  readonly classes?: Readonly<Record<string, string>>;
  /** Whether links may lead out of the folder (false). */
  readonly allowOutside?: boolean;
  /** Receives everything that is not an image; without it, that is an error. */
  readonly onOmission?: (omission: Omission) => void;
}

/** Class folders and their labels. @internal */
export const classesOption = () =>
  given<Readonly<Record<string, string>>>("labels by the names of class folders", areLabels);

function areLabels(value: unknown): boolean {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject && Object.values(value).every((label) => typeof label === "string" && label !== "");
}

export const imageFolderDatasetSpec = specOf<ImageFolderOptions>()(() => ({
  classes: classesOption().optional().describe("The folders that are classes, and their labels; all without it"),
  allowOutside: flag().default(false).describe("Whether links may lead out of the folder"),
  onOmission: omissionOption(),
}));

/**
 * Reads images from one folder for each class: `dir/<class>/<image>`.
 *
 * The annotation is one-hot; the id is `<class folder>/<file>`; `metadata.category` is the label. Folders and images
 * come in the order of their names, without hidden ones, and without files that systems leave there (Thumbs.db). Only
 * the names of one class at a time are in memory.
 *
 * @throws ConfigError at once for a path that is not text
 * @throws DataError for a class without images, and for links that lead out of the folder
 * @example
 * const dataset = await imageFolderDataset("animals", { classes: { n02084071: "dog", n02121808: "cat" } });
 */
export function imageFolderDataset(dir: string, options: ImageFolderOptions = {}): ExampleStream<LabelDistribution> {
  checkPath("imageFolderDataset", "dir", dir);
  const settings = readOptions("imageFolderDataset", options, imageFolderDatasetSpec);
  return exampleStream(() => readExamples(dir, settings));
}

async function* readExamples(
  dir: string,
  { classes, onOmission = refuseOmission, allowOutside }: Settings<ImageFolderOptions, typeof imageFolderDatasetSpec>,
): AsyncGenerator<Located<LabelDistribution>> {
  const folders = classes ? new Map(Object.entries(classes)) : await foldersOf(dir, onOmission);
  const labels = [...folders.values()];
  checkLabels(dir, labels);
  const images = openFolder(dir, { allowOutside });
  for (const [folder, label] of folders) {
    const names = await picturesOf(join(dir, folder), onOmission);
    if (names.length === 0) throw new DataError(`${join(dir, folder)}: expected images of ${label}, got none`);
    const annotation = Object.fromEntries(labels.map((other) => [other, other === label ? 1 : 0]));
    for (const name of names) {
      const id = `${folder}/${name}`;
      const where = join(dir, id);
      yield {
        example: { id, image: await images.image(id, where), annotation, metadata: { category: label } },
        where,
      };
    }
  }
}

async function foldersOf(dir: string, omit: (omission: Omission) => void): Promise<ReadonlyMap<string, string>> {
  const folders = new Map<string, string>();
  const entries = await list(dir);
  const images = entries.filter((entry) => entry.isFile() && pictureExtension.test(entry.name)).length;
  if (images > 0 && !entries.some((entry) => entry.isDirectory() || entry.isSymbolicLink()))
    throw new DataError(
      `${dir}: expected a folder for each class, got images without one, ${images} in all; move the images of each class into a folder of its own, or name their labels in a table and read it with csvDataset`,
    );
  for (const entry of entries) {
    // A link to a folder counts; its first image shows whether it may be followed.
    if (entry.name.startsWith(".")) omit({ where: join(dir, entry.name), reason: "hidden beside the class folders" });
    else if (entry.isDirectory() || entry.isSymbolicLink()) folders.set(entry.name, entry.name.normalize("NFC"));
    else omit({ where: join(dir, entry.name), reason: "a file beside the class folders" });
  }
  return folders;
}

const imageExpected = "expected an image (JPEG, PNG, GIF, WebP, TIFF or AVIF)";

function otherThanImage(entry: Dirent): string | undefined {
  if (entry.isDirectory()) return "a folder; read the folder above it if this is a class";
  if (entry.name.startsWith(".")) return "a hidden file";
  return pictureExtension.test(entry.name) ? undefined : kindByName(entry.name);
}

/** The names of images that sharp reads, without hidden files: macOS keeps a `._` file beside an image. */
async function picturesOf(dir: string, omit: (omission: Omission) => void): Promise<string[]> {
  const entries = await list(dir);
  return entries
    .filter((entry) => {
      const other = otherThanImage(entry);
      if (other !== undefined) omit({ where: join(dir, entry.name), reason: `${imageExpected}, got ${other}` });
      return other === undefined;
    })
    .map(({ name }) => name);
}

async function list(dir: string) {
  const entries = await readdir(dir, { withFileTypes: true }).catch(async (cause: NodeJS.ErrnoException) => {
    throw await unopened(dir, "a readable folder", cause);
  });
  return entries.filter(({ name }) => !isClutter(name)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function checkLabels(dir: string, labels: readonly string[]): void {
  if (labels.length < 2)
    throw new DataError(`${dir}: expected at least two class folders, got ${shortList(labels) || "none"}`);
  const twin = labels.find((label, i) => labels.indexOf(label) !== i);
  if (twin !== undefined) throw new ConfigError(`${dir}: expected labels that differ, got "${twin}" twice`);
}
