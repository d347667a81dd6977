import type { Omission } from "../../dataset";
import { DataError } from "../../errors";
import { readJsonElements } from "../formats/json-elements";
import { tryChecked } from "../reading/checked";
import { numberIds } from "../reading/ids";
import { numberRows } from "../reading/number-rows";
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
 * Reads a COCO file of object instances; masks are passed over, and so are polygons unless boxes are made of them.
 * @throws DataError that says all that is missing, of another kind, there twice, or refers to what there is not
 */
export async function readCocoIndex(path: string, options: CocoReading): Promise<CocoIndex> {
  const { problems, omit } = options;
  const images = new Map<number, CocoImage>();
  const named = new Map<number, NamedCategory>();
  const ids = numberIds();
  /**
   * A row for each annotation: x, y, width, height, id or NaN, category, image; rows that are left out have no image.
   */
  const rows = numberRows(7);
  let crowdCount = 0;
  const missing = new Set(["images", "categories", "annotations"]);
  /** Images and categories that cannot be read. */
  let unread = 0;
  const whereOf = (row: number) => {
    const id = rows.at(row, idColumn);
    return Number.isNaN(id) ? `${path}: annotations.${row}` : `${path}: annotation ${ids.textOf(id)}`;
  };
  const readers: Readonly<Record<string, (value: unknown, index: number, where: string) => void>> = {
    images(value, _, where) {
      const { value: image, problem } = tryChecked(imageSchema, value);
      if (problem !== undefined) {
        unread++;
        return problems.add(where, problem);
      }
      const { file_name: file, width, height } = image;
      const id = ids.numberOf(image.id);
      if (images.has(id)) problems.add(where, `expected an id of its own, found ${image.id} again`);
      images.set(id, { id: String(image.id), file, ...(width && height ? { size: { width, height } } : {}) });
    },
    categories(value, index, where) {
      const { value: category, problem } = tryChecked(categorySchema, value);
      if (problem !== undefined) {
        unread++;
        return problems.add(where, problem);
      }
      const { name } = category;
      const id = ids.numberOf(category.id);
      if (named.has(id))
        problems.add(where, `expected an id of its own, found ${category.id} again, as of ${JSON.stringify(name)}`);
      named.set(id, { name, index });
    },
    annotations(value, index, where) {
      const { value: annotation, problem } = tryChecked(annotationSchema, value);
      const box = problem ?? readBox(annotation!, options.missingBoxes);
      if (typeof box === "string") {
        rows.push(Array(7).fill(Number.NaN));
        return problems.add(where, box);
      }
      const { id, image_id: image, category_id: category, iscrowd, ignore } = annotation!;
      rows.push([...box, id == null ? Number.NaN : ids.numberOf(id), ids.numberOf(category), ids.numberOf(image)]);
      const leaveOut = (reason: string, instead?: string) => {
        rows.set(index, imageColumn, Number.NaN);
        omit({ where: whereOf(index), reason }, instead);
      };
      if (iscrowd) crowdCount++;
      const turn = turnOf(annotation!);
      if (iscrowd && options.crowds === "omit")
        leaveOut("a crowd, not one object", 'pass crowds: "objects" to take it for one');
      else if (ignore) leaveOut("marked to be ignored (ignore 1)");
      else if (turn !== undefined)
        leaveOut(`a turned box (${turn}), whose bbox is as it was before the turn`, "write the upright box around it");
    },
  };
  const without = options.missingBoxes === "polygon" ? undefined : "segmentation";
  for await (const { key, index, value } of readJsonElements(path, Object.keys(readers), without)) {
    missing.delete(key);
    readers[key]!(value, index, `${path}: ${key}.${index}`);
  }
  // A reference to an element that is missing or unreadable is not itself the fault.
  if (unread > 0 || missing.size > 0) problems.throwAny();
  for (const name of missing) throw new DataError(`${path}: expected an array "${name}" with elements, found none`);

  if (crowdCount > 0 && crowdCount === rows.length && options.crowds === "omit")
    throw new DataError(
      `${path}: expected objects, got crowds alone: iscrowd is 1 in all annotations (${crowdCount}), as some tools write it beside every mask; pass crowds: "objects" to take them for objects`,
    );
  checkIds(rows, path, ids, problems);
  const categories = usedCategories(named, rows, path, ids, problems);
  const boxesOf = chainByImage(rows, { images, categories: named, ids, whereOf, problems });
  refuseFractions(rows, images, whereOf, path, problems);
  problems.throwAny();
  return { path, images, categories, boxesOf, whereOf: ([, , , , row]) => whereOf(row) };
}
