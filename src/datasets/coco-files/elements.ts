import * as z from "zod";
import { shown } from "../../options/display";

/** The treatment of an annotation without a `bbox`: an error, or the box around its polygons. */
export type MissingBoxes = "refuse" | "polygon";

const id = z.union([z.int(), z.string().min(1)], { error: "expected a whole number or text" });
const size = z.int({ error: "expected a whole number of pixels" }).nonnegative("expected a whole number of pixels");
const crowd = z.union([z.literal(0), z.literal(1), z.boolean()], { error: "expected 0, 1, true, false or null" });

/** Writers that do not know the size put 0 or null. */
export const imageSchema = z.object({
  id,
  file_name: z.string().min(1),
  width: size.nullish(),
  height: size.nullish(),
});

export const categorySchema = z.object({
  id,
  name: z.union([z.string().min(1), z.number().transform(String)], { error: "expected text" }),
});

/** The id only names the annotation, so it may be missing. */
export const annotationSchema = z.object({
  id: id.nullish(),
  image_id: id,
  category_id: id,
  iscrowd: crowd.nullish().transform((value) => value === 1 || value === true),
  /** CrowdHuman and mmdetection mark annotations so that do not count. */
  ignore: crowd.nullish().transform((value) => value === 1 || value === true),
  bbox: z.unknown().optional(),
  /** Detectron2's, whose 1 means [x, y, width, height]. */
  bbox_mode: z.unknown().optional(),
  segmentation: z.unknown().optional(),
  attributes: z.unknown().optional(),
  rotation: z.unknown().optional(),
  angle: z.unknown().optional(),
  theta: z.unknown().optional(),
});

export type CocoAnnotation = z.infer<typeof annotationSchema>;
type FourNumbers = readonly [x: number, y: number, width: number, height: number];

/** The box of an annotation, or what is wrong with it. */
export function readBox(annotation: CocoAnnotation, missing: MissingBoxes): FourNumbers | string {
  const { bbox, bbox_mode: mode, segmentation } = annotation;
  if (!(mode === undefined || mode === null || mode === 1))
    return `bbox_mode: expected 1, which means [x, y, width, height], got ${shown(mode)}; write the boxes so`;
  const isMissing = bbox === undefined || bbox === null || (Array.isArray(bbox) && bbox.length === 0);
  if (isMissing && missing === "polygon") {
    const box = boxAround(segmentation);
    return (
      box ?? `bbox: expected a bbox or a polygon, got ${shown(bbox)}, and a segmentation that is not a list of polygons`
    );
  }
  if (isFourNumbers(bbox)) return bbox;
  const expected = `bbox: expected four numbers [x, y, width, height], got ${shown(bbox)}`;
  if (isMissing && segmentation !== undefined && segmentation !== null)
    return `${expected}, but a segmentation; pass missingBoxes: "polygon" to take the box around its polygons`;
  const isTurned = Array.isArray(bbox) && (bbox.length === 5 || bbox.length === 8);
  return isTurned ? `${expected}: a turned box, perhaps; write the upright box around it` : expected;
}

const isFourNumbers = (value: unknown): value is FourNumbers =>
  Array.isArray(value) && value.length === 4 && value.every((number) => Number.isFinite(number));

/** The box around polygons, each a list x, y, x, y, …; `undefined` for anything else, such as run-length masks. */
function boxAround(polygons: unknown): FourNumbers | undefined {
  if (!Array.isArray(polygons)) return undefined;
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const polygon of polygons as readonly unknown[]) {
    const isPolygon = Array.isArray(polygon) && polygon.length >= 6 && polygon.length % 2 === 0;
    if (!isPolygon || !polygon.every((number) => Number.isFinite(number))) return undefined;
    for (let i = 0; i < polygon.length; i += 2) {
      [left, right] = [Math.min(left, polygon[i]), Math.max(right, polygon[i])];
      [top, bottom] = [Math.min(top, polygon[i + 1]), Math.max(bottom, polygon[i + 1])];
    }
  }
  return left <= right ? [left, top, right - left, bottom - top] : undefined;
}

/**
 * The field that says by how many degrees a box is rotated: CVAT, Datumaro and Label Studio write the box as it was
 * *before* the rotation. A rotation by 180° or 360° does not change a box.
 */
export function turnOf(annotation: CocoAnnotation): string | undefined {
  const { attributes, rotation, angle, theta } = annotation;
  const inside = typeof attributes === "object" && attributes !== null ? Object.entries(attributes) : [];
  const fields = [
    ...Object.entries({ rotation, angle, theta }).map(([name, value]) => [name, name, value] as const),
    ...inside.map(([name, value]) => [name, `attributes.${name}`, value] as const),
  ];
  for (const [name, place, value] of fields) {
    if (!turnNames.test(name) || value === null || value === "" || typeof value === "boolean") continue;
    const degrees = Number(value);
    if (Number.isFinite(degrees) && degrees % 180 !== 0) return `${place} ${degrees}`;
  }
  return undefined;
}

const turnNames = /^(?:rotation(?:[_ ]?(?:angle|deg|degrees))?|angle|theta)$/i;
