import type { Ids } from "../reading/ids";
import type { NumberRows } from "../reading/number-rows";
import { lookLikeFractions } from "../reading/pixel-box";
import type { Problems } from "../reading/problems";
import type { CocoBox, CocoImage, CocoIndex } from "./coco-index";

/** Columns of the annotations, after `[x, y, width, height]`. */
export const [idColumn, categoryColumn, imageColumn] = [4, 5, 6] as const;

/** Reports duplicate ids. Sorting finds out whether there are any in less memory than a set takes. */
export function checkIds(rows: NumberRows, path: string, ids: Ids, problems: Problems): void {
  const sorted = Float64Array.from({ length: rows.length }, (_, row) => rows.at(row, idColumn)).sort();
  if (!sorted.some((id, i) => i > 0 && id === sorted[i - 1])) return;
  const seen = new Set<number>();
  for (let row = 0; row < rows.length; row++) {
    const id = rows.at(row, idColumn);
    if (seen.has(id) && !Number.isNaN(id))
      problems.add(`${path}: annotations.${row}`, `expected an id of its own, got ${ids.textOf(id)} again`);
    seen.add(id);
  }
}

export interface NamedCategory {
  readonly name: string;
  /** The position in the file. */
  readonly index: number;
}

/**
 * The categories' names by id. Among categories of one name, only the one with boxes counts, because exporters add an
 * empty root category.
 */
export function usedCategories(
  named: ReadonlyMap<number, NamedCategory>,
  rows: NumberRows,
  path: string,
  ids: Ids,
  problems: Problems,
): ReadonlyMap<number, string> {
  const used = new Set<number>();
  for (let row = 0; row < rows.length; row++) used.add(rows.at(row, categoryColumn));
  const twins = new Map<string, number[]>();
  for (const [id, { name }] of named) twins.set(name, [...(twins.get(name) ?? []), id]);
  const kept = new Set<number>();
  for (const [name, all] of twins) {
    const [first, ...others] = all.filter((id) => used.has(id));
    kept.add(first ?? all[0]!);
    for (const id of others)
      problems.add(
        `${path}: categories.${named.get(id)!.index}`,
        `expected an id and a name of its own, got ${ids.textOf(id)} ${JSON.stringify(name)} again`,
        "give each category that has boxes a name of its own, or all boxes one of the two ids",
      );
  }
  return new Map([...named].filter(([id]) => kept.has(id)).map(([id, { name }]) => [id, name]));
}

/** Chains the rows of each image. A link takes four bytes a row; lists would take a hundred. */
export function chainByImage(
  rows: NumberRows,
  file: {
    readonly images: ReadonlyMap<number, unknown>;
    readonly categories: ReadonlyMap<number, unknown>;
    readonly ids: Ids;
    readonly whereOf: (row: number) => string;
    readonly problems: Problems;
  },
): CocoIndex["boxesOf"] {
  const first = new Map<number, number>();
  const next = new Int32Array(rows.length);
  const { ids, whereOf, problems } = file;
  for (let row = rows.length - 1; row >= 0; row--) {
    const [image, category] = [rows.at(row, imageColumn), rows.at(row, categoryColumn)];
    if (Number.isNaN(image)) continue;
    if (!file.images.has(image))
      problems.add(whereOf(row), `expected the id of an image, got image_id ${ids.textOf(image)}`);
    if (!file.categories.has(category))
      problems.add(whereOf(row), `expected the id of a category, got category_id ${ids.textOf(category)}`);
    next[row] = first.get(image) ?? -1;
    first.set(image, row);
  }
  return (image) => {
    const boxes = new Map<number, CocoBox[]>();
    for (let row = first.get(image) ?? -1; row >= 0; row = next[row]!) {
      const category = rows.at(row, categoryColumn);
      const box: CocoBox = [rows.at(row, 0), rows.at(row, 1), rows.at(row, 2), rows.at(row, 3), row];
      const ofCategory = boxes.get(category);
      if (ofCategory) ofCategory.push(box);
      else boxes.set(category, [box]);
    }
    return boxes;
  };
}

/** Refuses a file whose boxes are all fractions of their images. */
export function refuseFractions(
  rows: NumberRows,
  images: ReadonlyMap<number, CocoImage>,
  whereOf: (row: number) => string,
  path: string,
  problems: Problems,
): void {
  let example: number | undefined;
  for (let row = 0; row < rows.length; row++) {
    const [x, y, width, height] = [0, 1, 2, 3].map((column) => rows.at(row, column)) as [
      number,
      number,
      number,
      number,
    ];
    const size = images.get(rows.at(row, imageColumn))?.size;
    const sides = { left: x, top: y, right: x + width, bottom: y + height };
    if (!(width > 0 && height > 0)) continue;
    if (!lookLikeFractions([sides], size)) return;
    example ??= row;
  }
  if (example === undefined) return;
  const box = [0, 1, 2, 3].map((column) => rows.at(example, column)).join(", ");
  problems.add(
    path,
    `expected boxes in pixels, got boxes that all lie within 0 … 1, such as [${box}] of ${whereOf(example).slice(path.length + 2)}`,
    "they look like fractions of the image: multiply them by its width and height",
  );
}
