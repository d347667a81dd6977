import { createHash } from "node:crypto";
import { access } from "node:fs/promises";
import { DataError } from "../../errors";
import { readImageFile } from "../../files/image";
import { excerpt } from "../../options/display";
import type { ImageSource } from "../../types";
import type { Embedded } from "./shapes";

/** The images of one HTML page. Each is embedded once, however often it is drawn. */
export interface PageImages {
  /** Embeds an image, and returns its place on the page; or why it cannot be read. */
  embed(image: ImageSource): Promise<Embedded | string>;
  /** The embedded images, which drawings refer to: once on a page, after the last one is embedded. */
  definitions(): Promise<string>;
}

interface SmallImage extends Embedded {
  readonly bytes: Buffer;
}

export function createPageImages(): PageImages {
  const reading = new Map<ImageSource, Promise<Embedded | string>>();
  const embedded = new Map<string, SmallImage>();
  const embed = async (image: ImageSource) => {
    const read = await readSmall(image);
    embedded.set(read.id, read);
    const { id, width, height } = read;
    return { id, width, height };
  };
  return {
    embed(image) {
      const known = reading.get(image) ?? embed(image).catch(reasonOf);
      reading.set(image, known);
      return known;
    },
    async definitions() {
      const images = await fitted([...embedded.values()].sort((a, b) => (a.id < b.id ? -1 : 1)));
      const elements = images.map(
        ({ id, width, height, bytes }) =>
          `<image id="${id}" width="${width}" height="${height}" preserveAspectRatio="none" href="data:image/webp;base64,${bytes.toString("base64")}"/>`,
      );
      return elements.length === 0 ? "" : `<svg class="definitions" aria-hidden="true">${elements.join("")}</svg>`;
    },
  };
}

const longestSide = 320;
const smallestSide = 16;
/** Bytes that the images of a page have together, before base64. */
const mostBytes = 500_000;

/** Makes images smaller, all alike, until they fit on a page. */
async function fitted(images: readonly SmallImage[]): Promise<readonly SmallImage[]> {
  const { default: sharp } = await import("sharp");
  let [made, side] = [images, longestSide];
  for (;;) {
    const bytes = made.reduce((sum, image) => sum + image.bytes.length, 0);
    if (bytes <= mostBytes || side === smallestSide) return made;
    side = Math.max(smallestSide, Math.floor(side * Math.max(0.3, 0.9 * Math.sqrt(mostBytes / bytes))));
    const smaller: SmallImage[] = [];
    for (const image of images) smaller.push({ ...image, bytes: await encoded(sharp(image.bytes), side) });
    made = smaller;
  }
}

/**
 * Reads an image and makes it small.
 * @throws DataError in fixed words: a decoder's messages vary, and equal runs must have equal pages
 */
async function readSmall(image: ImageSource): Promise<SmallImage> {
  const name = typeof image === "string" ? excerpt(image) : "what is in memory";
  if (typeof image === "string")
    await access(image).catch((cause: Error) => {
      throw new DataError(`there is no file ${name}`, { cause });
    });
  return decodedSmall(image).catch((cause: Error) => {
    throw new DataError(`${name} is not an image, or is damaged`, { cause });
  });
}

async function decodedSmall(image: ImageSource): Promise<SmallImage> {
  const { default: sharp } = await import("sharp");
  const isRaw = typeof image === "object" && "data" in image;
  const decoder = isRaw
    ? sharp(image.data, { raw: { width: image.width, height: image.height, channels: 3 } })
    : sharp((await readImageFile(image)).bytes).autoOrient();
  const { width, height } = isRaw ? image : (await decoder.metadata()).autoOrient;
  const bytes = await encoded(decoder, longestSide);
  // The id comes from the pixels, so that equal runs have equal pages, whatever was drawn first.
  const digest = createHash("sha256").update(`${width}x${height}`).update(bytes).digest("hex");
  return { id: `i${digest.slice(0, 16)}`, width, height, bytes };
}

const encoded = (image: import("sharp").Sharp, side: number): Promise<Buffer> =>
  image.resize(side, side, { fit: "inside", withoutEnlargement: true }).webp({ quality: 80 }).toBuffer();

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
