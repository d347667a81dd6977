import { createHash } from "node:crypto";
import { access } from "node:fs/promises";
import { DataError } from "../errors";
import { readImageFile } from "../files/image";
import { excerpt } from "../options/display";
import type { Box, BoxSpace, Example, ImageSource, Polygon } from "../types";
import { escapeHtml } from "./escape";

export interface Annotations {
  readonly truth?: unknown;
  readonly prediction?: unknown;
}

/** The images of one HTML page. Each is embedded once, however often it is drawn. */
export interface PageImages {
  /**
   * An SVG of the image, in its own pixels, with boxes and outlines over it: truth solid, prediction dashed.
   * For an image that cannot be read, a paragraph that says why.
   */
  draw(example: Pick<Example<unknown>, "id" | "image">, annotations: Annotations): Promise<string>;
  /** The embedded images, which the drawings refer to: belongs on the page once, after the last drawing. */
  definitions(): string;
}

interface EmbeddedImage {
  /** Comes from the pixels, so that pages of equal runs are equal whatever was drawn first. */
  readonly id: string;
  readonly dataUri: string;
  /** Size of the original in pixels, after its EXIF orientation. */
  readonly width: number;
  readonly height: number;
}

export function createPageImages(): PageImages {
  const reading = new Map<ImageSource, Promise<EmbeddedImage>>();
  const embedded = new Map<string, EmbeddedImage>();
  const embed = async (image: ImageSource) => {
    const read = await embedImage(image);
    embedded.set(read.id, read);
    return read;
  };
  return {
    async draw({ id, image }, annotations) {
      const known = reading.get(image) ?? embed(image);
      reading.set(image, known);
      return known.then((read) => drawing(id, read, annotations), unreadable);
    },
    definitions() {
      const images = [...embedded.values()]
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .map(
          ({ id, dataUri, width, height }) =>
            `<image id="${id}" width="${width}" height="${height}" preserveAspectRatio="none" href="${dataUri}"/>`,
        );
      return images.length === 0 ? "" : `<svg class="definitions" aria-hidden="true">${images.join("")}</svg>`;
    },
  };
}

const longestSide = 320;

/** @throws DataError in our words: a decoder's words depend on what else it decodes, and pages of equal runs are equal */
async function embedImage(image: ImageSource): Promise<EmbeddedImage> {
  const name = typeof image === "string" ? excerpt(image) : "what is in memory";
  if (typeof image === "string")
    await access(image).catch((cause: Error) => {
      throw new DataError(`there is no file ${name}`, { cause });
    });
  return decodedSmall(image).catch((cause: Error) => {
    throw new DataError(`${name} is no image, or a damaged one`, { cause });
  });
}

async function decodedSmall(image: ImageSource): Promise<EmbeddedImage> {
  const { default: sharp } = await import("sharp");
  const isRaw = typeof image === "object" && "data" in image;
  const decoder = isRaw
    ? sharp(image.data, { raw: { width: image.width, height: image.height, channels: 3 } })
    : sharp((await readImageFile(image)).bytes).autoOrient();
  const { width, height } = isRaw ? image : (await decoder.metadata()).autoOrient;
  const bytes = await decoder
    .resize(longestSide, longestSide, { fit: "inside", withoutEnlargement: true })
    .png()
    .toBuffer();
  const digest = createHash("sha256").update(`${width}x${height}`).update(bytes).digest("hex");
  return { id: `i${digest.slice(0, 16)}`, dataUri: `data:image/png;base64,${bytes.toString("base64")}`, width, height };
}

function drawing(name: string, { id, width, height }: EmbeddedImage, { truth, prediction }: Annotations): string {
  const size = { width, height };
  const shapes = [...shapesOf(truth, "truth", size), ...shapesOf(prediction, "prediction", size)].join("");
  return `<svg class="picture" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(name)}"><use href="#${id}"/>${shapes}</svg>`;
}

/** Boxes and outlines as SVG shapes in the image's pixels. Other annotations have no shape. */
function shapesOf(
  annotation: unknown,
  kind: "truth" | "prediction",
  size: { readonly width: number; readonly height: number },
): readonly string[] {
  const scale: Readonly<Record<BoxSpace, readonly [number, number]>> = {
    pixel: [1, 1],
    thousand: [size.width / 1000, size.height / 1000],
    unit: [size.width, size.height],
  };
  const pixels = (value: number) => Number(value.toFixed(3));
  if (isBoxes(annotation))
    return annotation.map((box) => {
      const [x, y] = scale[box.space];
      return `<rect class="${kind}" x="${pixels(box.x * x)}" y="${pixels(box.y * y)}" width="${pixels(box.width * x)}" height="${pixels(box.height * y)}"/>`;
    });
  if (!arePolygons(annotation)) return [];
  return annotation.map(({ space, points }) => {
    const [x, y] = scale[space];
    return `<polygon class="${kind}" points="${points.map((point) => `${pixels(point[0] * x)},${pixels(point[1] * y)}`).join(" ")}"/>`;
  });
}

const unreadable = (error: unknown): string =>
  `<p class="problem">The image could not be read: ${escapeHtml(error instanceof Error ? error.message : String(error))}</p>`;

const isBoxes = (value: unknown): value is readonly Box[] =>
  Array.isArray(value) && value.every((box) => isObject(box) && "space" in box && "x" in box && "width" in box);

const arePolygons = (value: unknown): value is readonly Polygon[] =>
  Array.isArray(value) && value.every((polygon) => isObject(polygon) && "space" in polygon && "points" in polygon);

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;
