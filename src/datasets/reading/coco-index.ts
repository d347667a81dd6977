import { z } from "zod";
import { DataError } from "../../errors";
import type { Omission } from "../dataset";
import { checked } from "./checked";
import { readJsonElements } from "./json-elements";
import { type NumberRows, numberRows } from "./number-rows";

/** What a COCO file says, in as little memory as serves: 60 bytes an annotation. */
export interface CocoIndex {
  readonly path: string;
  readonly images: ReadonlyMap<number, CocoImage>;
  /** Names by id. */
  readonly categories: ReadonlyMap<number, string>;
  /** An image's boxes by category, in the order of the file, crowds left out. */
  boxesOf(image: number): ReadonlyMap<number, readonly CocoBox[]>;
}

export interface CocoImage {
  readonly file: string;
  readonly width: number;
  readonly height: number;
}

/** `[x, y, width, height]` in pixels, and the annotation's id. */
export type CocoBox = readonly [x: number, y: number, width: number, height: number, id: number];

/**
 * Reads a COCO file of object instances; polygons and masks are passed over.
 * @throws DataError for what is missing, of another kind, there twice, or refers to what there is not
 */
export async function readCocoIndex(path: string, omit: (omission: Omission) => void): Promise<CocoIndex> {
  const images = new Map<number, CocoImage>();
  const categories = new Map<number, string>();
  const names = new Set<string>();
  /** Of all annotations: x, y, width, height, id, category, image; of crowds no image. */
  const rows = numberRows(7);
  for await (const { key, index, value } of readJsonElements(
    path,
    ["images", "annotations", "categories"],
    "segmentation",
  )) {
    const where = `${path}: ${key}.${index}`;
    if (key === "images") {
      const { id, file_name: file, width, height } = checked(imageSchema, value, where);
      if (images.has(id)) throw new DataError(`${where}: expected an id of its own, found ${id} again`);
      images.set(id, { file, width, height });
    } else if (key === "categories") {
      const { id, name } = checked(categorySchema, value, where);
      if (categories.has(id) || names.has(name))
        throw new DataError(
          `${where}: expected an id and a name of its own, found ${id} ${JSON.stringify(name)} again`,
        );
      categories.set(id, name);
      names.add(name);
    } else {
      const { id, image_id: image, category_id: category, bbox, iscrowd } = checked(annotationSchema, value, where);
      if (iscrowd === 1) omit({ where: `${path}: annotation ${id}`, reason: "a crowd, not one object" });
      rows.push([...bbox, id, category, iscrowd === 1 ? Number.NaN : image]);
    }
  }
  const counts = { images: images.size, categories: categories.size, annotations: rows.length };
  for (const [name, count] of Object.entries(counts))
    if (count === 0) throw new DataError(`${path}: expected an array "${name}" with elements, found none`);
  checkIds(rows, path);
  return { path, images, categories, boxesOf: byImage(rows, { path, images, categories }) };
}

const [idColumn, categoryColumn, imageColumn] = [4, 5, 6];

const id = z.int();
const size = z.int().positive();
const imageSchema = z.object({ id, file_name: z.string().min(1), width: size, height: size });
const categorySchema = z.object({ id, name: z.string().min(1) });
const annotationSchema = z.object({
  id,
  image_id: id,
  category_id: id,
  bbox: z.tuple([z.number(), z.number(), z.number(), z.number()]),
  iscrowd: z.union([z.literal(0), z.literal(1)]).optional(),
});

/** Sorted numbers find a twin in less memory than a set. */
function checkIds(rows: NumberRows, path: string): void {
  const ids = Float64Array.from({ length: rows.length }, (_, row) => rows.at(row, idColumn)).sort();
  const twin = ids.find((id, i) => i > 0 && id === ids[i - 1]);
  if (twin === undefined) return;
  let first: number | undefined;
  for (let row = 0; row < rows.length; row++)
    if (rows.at(row, idColumn) === twin) {
      if (first !== undefined)
        throw new DataError(`${path}: annotations.${row}: expected an id of its own, found ${twin} again`);
      first = row;
    }
}

/** Chains the rows of each image: four bytes a row, where lists would take a hundred. */
function byImage(
  rows: NumberRows,
  { path, images, categories }: Pick<CocoIndex, "path" | "images" | "categories">,
): CocoIndex["boxesOf"] {
  const first = new Map<number, number>();
  const next = new Int32Array(rows.length);
  for (let row = rows.length - 1; row >= 0; row--) {
    const [image, category] = [rows.at(row, imageColumn), rows.at(row, categoryColumn)];
    if (Number.isNaN(image)) continue;
    const where = `${path}: annotation ${rows.at(row, idColumn)}`;
    if (!images.has(image)) throw new DataError(`${where}: expected the id of an image, found image_id ${image}`);
    if (!categories.has(category))
      throw new DataError(`${where}: expected the id of a category, found category_id ${category}`);
    next[row] = first.get(image) ?? -1;
    first.set(image, row);
  }
  return (image) => {
    const boxes = new Map<number, CocoBox[]>();
    for (let row = first.get(image) ?? -1; row >= 0; row = next[row]!) {
      const category = rows.at(row, categoryColumn);
      const box: CocoBox = [rows.at(row, 0), rows.at(row, 1), rows.at(row, 2), rows.at(row, 3), rows.at(row, idColumn)];
      const ofCategory = boxes.get(category);
      if (ofCategory) ofCategory.push(box);
      else boxes.set(category, [box]);
    }
    return boxes;
  };
}
