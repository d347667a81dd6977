import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { ExampleStream, Omission, Splits } from "../dataset";
import { DataError } from "../errors";
import { readOptions, specOf } from "../options/spec";
import type { Box, BoxSpace, Example } from "../types";
import { checkTextFile, longestLine } from "./formats/lines";
import { decodeWestern } from "./formats/western-text";
import { checked, parseJson } from "./reading/checked";
import { exampleStream, refuseOmission } from "./reading/example-stream";
import { type Folder, openFolder, published, type Source, shortList } from "./reading/folder";
import { shownSize, sizeProblem } from "./reading/image-size";
import { unopened } from "./reading/missing";
import { pictureExtension } from "./reading/nearby";
import { checkPath, omissionOption, spaceOption } from "./reading/options";
import { boxInImage, lookLikeFractions, type Sides } from "./reading/pixel-box";

/** Options of `lisa`. */
export interface LisaOptions {
  /** The coordinate space of the boxes (`"thousand"`, like the `detection` task's). */
  readonly space?: BoxSpace;
}

export const lisaSpec = specOf<LisaOptions>()(() => ({ space: spaceOption() }));

/**
 * LISA as detection: a question about an image of ReasonSeg (Lai et al., CVPR 2024), and the box around one target.
 *
 * Reads the authors' own files, pairs of an image and a labelme-like JSON, in `train/` (239) and `val/` (200), the test
 * set. As in the paper, a mask becomes its bounding box, and an image with several targets becomes several examples.
 * Polygons of one `group_id` are one target. The question is the first of the image's `text`s; the others rephrase it.
 *
 * The subject is the question; ids are `train/<name>`, with `#2`, `#3`, … for further targets of the image; metadata
 * are the image's `width` and `height` in pixels, and `targets`, the number of its targets. The paper counts 239 and
 * 196 samples.
 *
 * @param dir the folder `ReasonSeg`
 * @throws ConfigError for a path that is not text, and an unknown space
 * @throws DataError for missing files, naming where they are published, and for a file of another form
 * @example
 * const { train, test, omissions } = await lisa("data/ReasonSeg");
 */
export async function lisa(dir: string, options: LisaOptions = {}): Promise<Splits<readonly Box[]>> {
  checkPath("lisa", "dir", dir);
  const { space } = readOptions("lisa", options, lisaSpec);
  const omissions: Omission[] = [];
  const omit = (omission: Omission) => void omissions.push(omission);
  const train = await readPart(dir, "train", 239, space, omit);
  const test = await readPart(dir, "val", 200, space, omit);
  return { train, test, omissions };
}

/** Options of `reasonSegDataset`. */
export interface ReasonSegOptions extends LisaOptions {
  /**
   * Receives regions that are marked to be ignored, targets without an outline or area, and images without a target.
   * Without it, those are errors.
   */
  readonly onOmission?: (omission: Omission) => void;
}

export const reasonSegDatasetSpec = specOf<ReasonSegOptions>()(() => ({ ...lisaSpec(), onOmission: omissionOption() }));

/**
 * Reads your own folder in the layout of ReasonSeg, with as many images as you like, each beside a labelme-like JSON
 * file of its name with `text` and `shapes`.
 *
 * Examples look as `lisa` makes them, one for each target; ids are `<name>`, with `#2`, `#3`, … for further targets.
 * `text` is a question or a list of them. Shapes are polygons or rectangles; others, such as circles, are omitted.
 *
 * @param dir the folder of the pairs, or one part of a data set in parts
 * @throws ConfigError at once for a path that is not text, an unknown space or option
 * @throws DataError naming the file and the place in it, what was expected and what was found
 * @example
 * const dataset = await reasonSegDataset("ReasonSeg/train", { onOmission: console.warn });
 */
export function reasonSegDataset(dir: string, options: ReasonSegOptions = {}): ExampleStream<readonly Box[]> {
  checkPath("reasonSegDataset", "dir", dir);
  const { space, onOmission = refuseOmission } = readOptions("reasonSegDataset", options, reasonSegDatasetSpec);
  return exampleStream(async function* () {
    const folder = openFolder(dir);
    for (const pair of await pairedNames(folder.path))
      for (const example of await readImage(folder, pair, space, onOmission))
        yield { example, where: join(folder.path, `${pair.name}.json`) };
  });
}

const source: Source = {
  name: "ReasonSeg",
  url: "https://github.com/dvlab-research/LISA#dataset (train.zip, val.zip)",
};

async function readPart(
  dir: string,
  part: string,
  count: number,
  space: BoxSpace,
  omit: (omission: Omission) => void,
): Promise<Example<readonly Box[]>[]> {
  const folder = openFolder(join(dir, part));
  const pairs = await pairedNames(folder.path, published(source));
  if (pairs.length !== count)
    throw new DataError(
      `${folder.path}: expected ${count} images with their JSON files, got ${pairs.length}. ${published(source)}`,
    );
  const examples: Example<readonly Box[]>[] = [];
  for (const pair of pairs) {
    const read = await readImage(folder, pair, space, omit);
    examples.push(...read.map((example) => ({ ...example, id: `${part}/${example.id}` })));
  }
  return examples;
}

interface Pair {
  /** The name of both files, without their extension. */
  readonly name: string;
  readonly image: string;
}

/** The images of a folder, each with its JSON file. Hidden files are skipped, because macOS keeps a `._` file. */
async function pairedNames(dir: string, advice = "Each image lies beside the .json file of its name"): Promise<Pair[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(async (cause: NodeJS.ErrnoException) => {
    const { message } = await unopened(dir, "a readable folder", cause);
    throw new DataError(`${message}. ${advice}`, { cause });
  });
  const files = entries.filter((entry) => !entry.isDirectory() && !entry.name.startsWith(".")).map(({ name }) => name);
  const found = new Set(files);
  const images = new Map<string, string>();
  for (const image of files.filter((file) => pictureExtension.test(file)).sort()) {
    const name = image.replace(pictureExtension, "");
    const twin = images.get(name);
    if (twin !== undefined)
      throw new DataError(`${dir}: expected one image for ${name}.json, got ${twin} and ${image}; remove one`);
    images.set(name, image);
  }
  const names = [
    ...new Set([...images.keys(), ...files.flatMap((file) => /^(.+)\.json$/.exec(file)?.[1] ?? [])]),
  ].sort();
  const missing = names
    .flatMap((name) => [images.get(name) ?? `${name}.jpg`, `${name}.json`])
    .filter((file) => !found.has(file));
  if (missing.length > 0)
    throw new DataError(`${dir}: expected a .json file beside every image, got no ${shortList(missing)}. ${advice}`);
  if (names.length === 0) {
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(dir, name));
    throw new DataError(
      `${dir}: expected images with their JSON files, got none${folders.length > 0 ? `; name one of its folders, such as ${folders[0]}` : ""}. ${advice}`,
    );
  }
  return names.map((name) => ({ name, image: images.get(name)! }));
}

async function readImage(
  folder: Folder,
  { name, image: file }: Pair,
  space: BoxSpace,
  omit: (omission: Omission) => void,
): Promise<Example<readonly Box[]>[]> {
  const where = join(folder.path, `${name}.json`);
  const image = await folder.image(file, where);
  const json = parseJson(await readAnnotation(folder, name), where);
  const { text, shapes, imageWidth, imageHeight } = checked(annotationSchema, json, where);
  const shown = await shownSize(image);
  const size = { width: shown.width, height: shown.height };
  const problem =
    imageWidth && imageHeight ? sizeProblem({ width: imageWidth, height: imageHeight }, shown) : undefined;
  if (problem !== undefined) throw new DataError(`${where}: imageWidth, imageHeight: ${problem}`);
  const boxes: Box[] = [];
  const targets = targetsOf(shapes, where, omit);
  const scale =
    imageWidth && imageHeight ? { x: size.width / imageWidth, y: size.height / imageHeight } : { x: 1, y: 1 };
  const around = [...targets].map(([at, points]) => ({ at, sides: sidesAround(points, scale) }));
  if (
    lookLikeFractions(
      around.map(({ sides }) => sides),
      size,
    )
  )
    throw new DataError(
      `${where}: expected points in pixels, got points that all lie within 0 … 1, such as ${JSON.stringify([...targets.values()][0]![0])}; they look like fractions of the image: multiply them by its width and height`,
    );
  for (const { at, sides } of around) {
    const box = boxInImage(sides, size, space);
    if (box) boxes.push(box);
    else omit({ where: at, reason: "a target without area in the image" });
  }
  if (boxes.length === 0) omit({ where, reason: "an image without a target" });
  return boxes.map((box, i) => ({
    id: `${name}${i === 0 ? "" : `#${i + 1}`}`,
    image,
    annotation: [box],
    subject: [text].flat()[0]!.trim(),
    metadata: { ...size, targets: boxes.length },
  }));
}

const shapeSchema = z.object({
  label: z.string(),
  points: z.array(z.tuple([z.number(), z.number()], { error: "expected two numbers [x, y]" })),
  group_id: z.union([z.number(), z.string()]).nullish(),
  shape_type: z.string().nullish(),
});

/** Shape types whose points are corners of the outline or of the box around it; tools may leave the type out. */
const outlines: ReadonlySet<string> = new Set(["polygon", "rectangle", "rotation", "mask"]);

const annotationSchema = z.object({
  text: z
    .union([z.string(), z.array(z.string())])
    .refine((text) => [text].flat()[0]?.trim(), "expected a question first"),
  shapes: z.array(shapeSchema),
  // Tools such as labelme write the size; the published files lack it.
  imageWidth: z.number().nonnegative().nullish(),
  imageHeight: z.number().nonnegative().nullish(),
});

type Points = readonly (readonly [x: number, y: number])[];

/** The points of each target, by its place in the file. */
function targetsOf(
  shapes: readonly z.infer<typeof shapeSchema>[],
  where: string,
  omit: (omission: Omission) => void,
): ReadonlyMap<string, Points> {
  const targets = new Map<string, Points>();
  const groups = new Map<string | number, string>();
  for (const [i, { label, points, group_id: group, shape_type: drawn }] of shapes.entries()) {
    const at = `${where}: shapes.${i}`;
    const kind = label.toLowerCase();
    // Like the authors' reader: "flag" is left from drawing, "ignore" marks a region that does not count, and
    // everything else is the target.
    if (kind === "flag" || kind.includes("ignore")) {
      omit({ where: at, reason: `a region labelled "${label}"` });
      continue;
    }
    if (drawn && !outlines.has(drawn)) {
      omit({
        where: at,
        reason: `a target drawn as a ${drawn}, whose points are not an outline; draw a polygon or a rectangle`,
      });
      continue;
    }
    const key = (group != null && groups.get(group)) || at;
    if (group != null) groups.set(group, key);
    targets.set(key, [...(targets.get(key) ?? []), ...points]);
  }
  return targets;
}

/** The sides around points, in pixels of the image. */
function sidesAround(points: Points, scale: { readonly x: number; readonly y: number }): Sides {
  const [across, down] = [points.map(([x]) => x * scale.x), points.map(([, y]) => y * scale.y)];
  const least = (values: readonly number[]) => values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = (values: readonly number[]) => values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return { left: least(across), top: least(down), right: most(across), bottom: most(down) };
}

/** Reads an annotation file; some of the published ones are in Windows' encoding. */
async function readAnnotation(folder: Folder, name: string): Promise<string> {
  const path = await folder.image(`${name}.json`, folder.path);
  const { size } = await stat(path);
  if (size > longestLine)
    throw new DataError(
      `${path}: expected at most ${longestLine / 2 ** 20} MiB, got ${(size / 2 ** 20).toFixed(0)} MiB`,
    );
  const bytes = await readFile(path);
  checkTextFile(path, bytes, "JSON");
  return decodeWestern(bytes, path);
}
