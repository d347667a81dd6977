import { z } from "zod";
import { DataError } from "../../errors";
import type { Omission } from "../dataset";
import { checked } from "./checked";
import { readJsonElements } from "./json-elements";

/** What a COCO file says, in as little memory as serves: some hundred bytes an annotation. */
export interface CocoIndex {
  readonly path: string;
  readonly images: ReadonlyMap<number, CocoImage>;
  /** Names by id. */
  readonly categories: ReadonlyMap<number, string>;
  /** By image and category: the boxes, crowds left out. */
  readonly boxes: ReadonlyMap<number, ReadonlyMap<number, readonly CocoBox[]>>;
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
  const boxes = new Map<number, Map<number, CocoBox[]>>();
  const annotations = new Set<number>();
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
      if (annotations.has(id)) throw new DataError(`${where}: expected an id of its own, found ${id} again`);
      annotations.add(id);
      if (iscrowd === 1) omit({ where: `${path}: annotation ${id}`, reason: "a crowd, not one object" });
      else addBox(boxes, image, category, [...bbox, id]);
    }
  }
  const index: CocoIndex = { path, images, categories, boxes };
  checkReferences(index);
  return index;
}

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

function addBox(boxes: Map<number, Map<number, CocoBox[]>>, image: number, category: number, box: CocoBox): void {
  const ofImage = boxes.get(image) ?? new Map<number, CocoBox[]>();
  boxes.set(image, ofImage);
  const ofCategory = ofImage.get(category);
  if (ofCategory) ofCategory.push(box);
  else ofImage.set(category, [box]);
}

function checkReferences({ path, images, categories, boxes }: CocoIndex): void {
  for (const [name, part] of Object.entries({ images, categories }))
    if (part.size === 0) throw new DataError(`${path}: expected an array "${name}" with elements, found none`);
  for (const [image, ofImage] of boxes)
    for (const [category, [first]] of ofImage) {
      const where = `${path}: annotation ${first![4]}`;
      if (!images.has(image)) throw new DataError(`${where}: expected the id of an image, found image_id ${image}`);
      if (!categories.has(category))
        throw new DataError(`${where}: expected the id of a category, found category_id ${category}`);
    }
}
