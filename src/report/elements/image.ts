import { createHash } from "node:crypto";
import { access } from "node:fs/promises";
import { DataError } from "../../errors";
import { readImageFile } from "../../files/image";
import { excerpt } from "../../options/display";
import type { DrawnShape, Example, ImageSource } from "../../types";
import { overlay } from "./drawing";
import { escapeHtml } from "./escape";

/** Shapes that show what is true and what was predicted. */
export interface Shapes {
  readonly truth: readonly DrawnShape[];
  readonly prediction: readonly DrawnShape[];
}

/** The images of one HTML page. Each is embedded once, however often it is drawn. */
export interface PageImages {
  /**
   * An SVG of the image, in its own pixels, with shapes over it: truth solid, prediction dashed. An image that cannot
   * be read becomes a paragraph that says why.
   */
  draw(example: Pick<Example<unknown>, "id" | "image">, shapes: Shapes): Promise<string>;
  /** The embedded images, which the drawings refer to: once on a page, after the last drawing. */
  definitions(): string;
}

interface EmbeddedImage {
  /** Comes from the pixels, so that equal runs have equal pages, whatever was drawn first. */
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
    async draw({ id, image }, shapes) {
      const known = reading.get(image) ?? embed(image);
      reading.set(image, known);
      return known.then((read) => drawing(id, read, shapes), unreadable);
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

/**
 * Reads an image and makes it small.
 * @throws DataError in fixed words: a decoder's messages vary, and equal runs must have equal pages
 */
async function embedImage(image: ImageSource): Promise<EmbeddedImage> {
  const name = typeof image === "string" ? excerpt(image) : "what is in memory";
  if (typeof image === "string")
    await access(image).catch((cause: Error) => {
      throw new DataError(`there is no file ${name}`, { cause });
    });
  return decodedSmall(image).catch((cause: Error) => {
    throw new DataError(`${name} is not an image, or is damaged`, { cause });
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

function drawing(name: string, { id, width, height }: EmbeddedImage, { truth, prediction }: Shapes): string {
  const drawn = overlay(truth, "truth", { width, height }) + overlay(prediction, "prediction", { width, height });
  return `<svg class="picture" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(name)}"><use href="#${id}"/>${drawn}</svg>`;
}

const unreadable = (error: unknown): string =>
  `<p class="problem">The image could not be read: ${escapeHtml(error instanceof Error ? error.message : String(error))}</p>`;
