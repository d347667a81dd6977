import { stat } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import * as z from "zod";
import type { Omission } from "../dataset";
import { readJsonLines } from "../datasets/formats/json-lines";
import { checked } from "../datasets/reading/checked";
import { type Folder, openFolder } from "../datasets/reading/folder";
import { unopened } from "../datasets/reading/missing";
import { isClutter, kindByName, pictureExtension } from "../datasets/reading/nearby";
import { DataError } from "../errors";
import { below } from "../files/below";
import { refuseIdle } from "../options/arguments";
import { counted, shown } from "../options/display";
import { once } from "../options/once";
import type { ImageSource } from "../types";
import { untilAborted } from "./until-aborted";

/** An image without an annotation. An `Example` is one, whose annotation nobody looks at. */
export interface UnannotatedImage {
  /** Unique among the images: every row carries it. */
  readonly id: string;
  readonly image: ImageSource;
  /** The subject to ask about, if the task's examples have subjects. */
  readonly subject?: string;
}

/**
 * Images to annotate: a folder, with the folders in it; an image; a file with one JSON object a line,
 * `{"image": "a.jpg"}`, and perhaps `id` and `subject`; or a list or stream of paths, URLs of files, and
 * `{ id, image, subject }`.
 */
export type ImagesToAnnotate =
  | string
  | Iterable<string | URL | UnannotatedImage>
  | AsyncIterable<string | URL | UnannotatedImage>;

/** An image on its way to the model. */
export interface Item extends UnannotatedImage {
  /** Its path as the source names it; absent if it has none. */
  readonly name?: string;
  /** Why it cannot be asked about. */
  readonly fault?: DataError;
}

export interface Found {
  /** A list where their number is known before the first is asked about. */
  readonly items: readonly Item[] | AsyncIterable<Item>;
  /** Files of a folder that are no images. */
  readonly leftOut: readonly Omission[];
}

/**
 * Finds the images, without reading them.
 * @param root the folder from which paths of a JSON-lines file start; the file's own without it
 * @param signal ends the waiting for a stream's next image
 * @throws DataError for a source that cannot be read, or holds no images
 */
export async function findImages(
  images: ImagesToAnnotate,
  root: string | undefined,
  signal: AbortSignal,
): Promise<Found> {
  const isLines = typeof images === "string" && /\.(?:jsonl|ndjson)$/i.test(images);
  if (!isLines) refuseIdle("annotateDataset", "without a .jsonl file", { root });
  if (typeof images !== "string") {
    if (Array.isArray(images)) return { items: images.map(itemOf), leftOut: [] };
    return { items: streamed(images, signal), leftOut: [] };
  }
  const found = await stat(images).catch(() => undefined);
  if (found?.isDirectory()) return inFolder(images);
  if (found?.isFile() && isLines) return { items: await inLines(images, root), leftOut: [] };
  const own = basename(images);
  if (found?.isFile() && pictureExtension.test(own))
    return { items: [{ id: own, image: images, name: own }], leftOut: [] };
  const kind = found ? `a file named ${extname(images) || "without an ending"}` : "no such file or folder";
  throw new DataError(
    `images: expected a folder of images, an image, or a .jsonl file, at ${resolve(images)}, got ${kind}; a list of paths is an array, and a data set, such as csvDataset("a.csv", labels), will do`,
  );
}

/** The images of a folder and its folders, in the order of their paths. */
async function inFolder(dir: string): Promise<Found> {
  const folder = openFolder(dir);
  const items: Item[] = [];
  const leftOut: Omission[] = [];
  for (const name of await namesIn(dir)) {
    const where = join(dir, name.path);
    const reason = name.isImage ? undefined : `expected an image, got ${kindByName(name.path)}`;
    if (reason !== undefined) leftOut.push({ where, reason });
    else if (name.isLink) items.push(await named(name.path, name.path, folder, where));
    else items.push({ id: name.path, image: where, name: name.path });
  }
  if (items.length === 0)
    throw new DataError(`${dir}: expected images, got none among ${counted(leftOut.length, "file")}`);
  return { items, leftOut };
}

async function namesIn(dir: string) {
  const entries = await below(dir).catch(async (cause: NodeJS.ErrnoException) => {
    throw await unopened(dir, "a readable folder", cause);
  });
  const names = entries.map(({ path, entry }) => ({
    path,
    isImage: pictureExtension.test(entry.name),
    isLink: entry.isSymbolicLink(),
  }));
  // A hidden folder, such as .git, holds what somebody hid.
  const visible = names.filter(({ path }) => !path.split("/").some((part) => part.startsWith(".") || isClutter(part)));
  return visible.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function inLines(file: string, root: string | undefined): Promise<Item[]> {
  const folder = openFolder(root ?? dirname(resolve(file)));
  const items: Item[] = [];
  for await (const { value, where } of readJsonLines(file)) {
    const { id, image, subject } = checked(rowSchema(), value, where);
    const item = await named(String(id ?? image), image, folder, where);
    items.push({ ...item, ...(subject?.trim() && { subject }) });
  }
  return items;
}

const rowSchema = once(() =>
  z.object({
    id: z.union([z.string().min(1), z.int()]).nullish(),
    image: z.string().min(1),
    subject: z.string().nullish(),
  }),
);

/** An image that a list names. One that is not there, or lies outside the folder, is a fault of its own. */
const named = (id: string, name: string, folder: Folder, where: string): Promise<Item> =>
  folder.image(name, where).then(
    (image) => ({ id, image, name }),
    (fault: unknown) => {
      if (!(fault instanceof DataError)) throw fault;
      return { id, image: name, name, fault };
    },
  );

async function* streamed(
  images: Iterable<unknown> | AsyncIterable<unknown>,
  signal: AbortSignal,
): AsyncGenerator<Item> {
  let at = 0;
  for await (const image of untilAborted(images, signal)) yield itemOf(image, at++);
}

function itemOf(given: unknown, at: number): Item {
  if (given instanceof URL) return itemOf(given.protocol === "file:" ? fileURLToPath(given) : given.href, at);
  if (typeof given === "string" && given !== "") return { id: given, image: given, name: given };
  const { id, image, subject } = Object(given) as Partial<UnannotatedImage>;
  if (typeof id !== "string" || id === "" || image === undefined || image === null)
    throw new DataError(`images: expected a path, or { id, image }, but number ${at} is ${shown(given)}`);
  return { id, image, ...(typeof image === "string" && { name: image }), ...(subject !== undefined && { subject }) };
}
