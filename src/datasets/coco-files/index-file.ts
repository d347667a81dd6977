import type { Omission } from "../../dataset";
import { DataError } from "../../errors";
import { readJsonElements } from "../formats/json-elements";
import { tryChecked } from "../reading/checked";
import { type Ids, numberIds } from "../reading/ids";
import { type NumberRows, numberRows } from "../reading/number-rows";
import type { Problems } from "../reading/problems";
import {
  chainByImage,
  checkIds,
  idColumn,
  imageColumn,
  type NamedCategory,
  refuseFractions,
  usedCategories,
} from "./checks";
import type { CocoImage, CocoIndex } from "./coco-index";
import { annotationSchema, categorySchema, imageSchema, type MissingBoxes, readBox, turnOf } from "./elements";

export interface CocoReading {
  readonly crowds: "omit" | "objects";
  readonly missingBoxes: MissingBoxes;
  readonly problems: Problems;
  readonly omit: (omission: Omission, instead?: string) => void;
}

/**
 * Reads a COCO file of object instances. It skips masks, and polygons too unless `missingBoxes` makes boxes of them.
 * @throws DataError that lists everything that is missing, malformed or duplicated, and every reference that dangles
 */
export async function readCocoIndex(path: string, options: CocoReading): Promise<CocoIndex> {
  const { problems } = options;
  const content = emptyContent(path);
  const { images, named, rows, ids, whereOf } = content;
  const missing = new Set(Object.keys(readers));
  const without = options.missingBoxes === "polygon" ? undefined : "segmentation";
  for await (const { key, index, value } of readJsonElements(path, [...missing], without)) {
    missing.delete(key);
    readers[key]!(content, value, { index, where: `${path}: ${key}.${index}` }, options);
  }
  // A reference to an element that is missing or unreadable is not itself the fault.
  if (content.unread > 0 || missing.size > 0) problems.throwAny();
  for (const name of missing) throw new DataError(`${path}: expected an array "${name}" with elements, got none`);

  if (content.crowds > 0 && content.crowds === rows.length && options.crowds === "omit")
    throw new DataError(
      `${path}: expected objects, got crowds alone: iscrowd is 1 in all annotations (${content.crowds}), as some tools write it beside every mask; pass crowds: "objects" to take them for objects`,
    );
  checkIds(rows, path, ids, problems);
  const categories = usedCategories(named, rows, path, ids, problems);
  const boxesOf = chainByImage(rows, { images, categories: named, ids, whereOf, problems });
  refuseFractions(rows, images, whereOf, path, problems);
  problems.throwAny();
  return { path, images, categories, boxesOf, whereOf: ([, , , , row]) => whereOf(row) };
}

/** The elements that have been read so far. */
interface Content {
  readonly images: Map<number, CocoImage>;
  readonly named: Map<number, NamedCategory>;
  readonly ids: Ids;
  /** A row per annotation: x, y, width, height, id or NaN, category, image (NaN if the annotation is left out). */
  readonly rows: NumberRows;
  readonly whereOf: (row: number) => string;
  /** Images and categories that cannot be read. */
  unread: number;
  crowds: number;
}

function emptyContent(path: string): Content {
  const ids = numberIds();
  const rows = numberRows(7);
  const whereOf = (row: number) => {
    const id = rows.at(row, idColumn);
    return Number.isNaN(id) ? `${path}: annotations.${row}` : `${path}: annotation ${ids.textOf(id)}`;
  };
  return { images: new Map(), named: new Map(), ids, rows, whereOf, unread: 0, crowds: 0 };
}

/** The place of an element in its array, and in messages. */
interface Place {
  readonly index: number;
  readonly where: string;
}

/** The file's arrays, each with the reader of its elements. */
const readers: Readonly<Record<string, typeof readAnnotation>> = {
  images: readImage,
  categories: readCategory,
  annotations: readAnnotation,
};

function readImage(content: Content, value: unknown, { where }: Place, { problems }: CocoReading): void {
  const { images, ids } = content;
  const { value: image, problem } = tryChecked(imageSchema, value);
  if (problem !== undefined) {
    content.unread++;
    problems.add(where, problem);
    return;
  }
  const { file_name: file, width, height } = image;
  const id = ids.numberOf(image.id);
  if (images.has(id)) problems.add(where, `expected an id of its own, got ${image.id} again`);
  images.set(id, { id: String(image.id), file, ...(width && height ? { size: { width, height } } : {}) });
}

function readCategory(content: Content, value: unknown, { index, where }: Place, { problems }: CocoReading): void {
  const { named, ids } = content;
  const { value: category, problem } = tryChecked(categorySchema, value);
  if (problem !== undefined) {
    content.unread++;
    problems.add(where, problem);
    return;
  }
  const { name } = category;
  const id = ids.numberOf(category.id);
  if (named.has(id))
    problems.add(where, `expected an id of its own, got ${category.id} again, as of ${JSON.stringify(name)}`);
  named.set(id, { name, index });
}

function readAnnotation(content: Content, value: unknown, { index, where }: Place, options: CocoReading): void {
  const { problems, omit, missingBoxes, crowds } = options;
  const { rows, ids } = content;
  const { value: annotation, problem } = tryChecked(annotationSchema, value);
  const box = problem ?? readBox(annotation!, missingBoxes);
  if (typeof box === "string") {
    rows.push(Array(7).fill(Number.NaN));
    problems.add(where, box);
    return;
  }
  const { id, image_id: image, category_id: category, iscrowd, ignore } = annotation!;
  rows.push([...box, id == null ? Number.NaN : ids.numberOf(id), ids.numberOf(category), ids.numberOf(image)]);
  const leaveOut = (reason: string, instead?: string) => {
    rows.set(index, imageColumn, Number.NaN);
    omit({ where: content.whereOf(index), reason }, instead);
  };
  if (iscrowd) content.crowds++;
  const turn = turnOf(annotation!);
  if (iscrowd && crowds === "omit") leaveOut("a crowd, not one object", 'pass crowds: "objects" to take it for one');
  else if (ignore) leaveOut("marked to be ignored (ignore 1)");
  else if (turn !== undefined)
    leaveOut(`a turned box (${turn}), whose bbox is as it was before the turn`, "write the upright box around it");
}
