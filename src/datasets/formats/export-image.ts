import { DataError } from "../../errors";
import { readImageFile } from "../../files/image";
import type { ImageSource } from "../../types";

export interface ImageFile {
  readonly bytes: Uint8Array;
  /** The extension, without a dot. */
  readonly extension: string;
}

/**
 * Makes a file that every trainer reads alike: the image's own bytes, or a PNG of pixels in memory and of an image with
 * an orientation tag, which some trainers ignore.
 * @throws DataError for anything but an image
 */
export async function imageFile(source: ImageSource, where: string): Promise<ImageFile> {
  try {
    if (typeof source === "string" || source instanceof Uint8Array) {
      const { bytes, metadata } = await readImageFile(source);
      const { format, orientation = 1 } = metadata;
      if (orientation === 1) return { bytes, extension: extensions.get(format) ?? format };
    }
    const { loadImage } = await import("../../models/inputs/image");
    const { default: sharp } = await import("sharp");
    const { width, height, data } = await loadImage(source);
    const bytes = await sharp(data, { raw: { width, height, channels: 3 } })
      .png()
      .toBuffer();
    return { bytes, extension: "png" };
  } catch (cause) {
    throw cause instanceof DataError ? new DataError(`${where}: ${cause.message}`, { cause }) : cause;
  }
}

const extensions: ReadonlyMap<string, string> = new Map([
  ["jpeg", "jpg"],
  ["heif", "avif"],
]);
