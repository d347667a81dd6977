import { readFile } from "node:fs/promises";
import { DataError } from "../../errors";
import type { ImageSource, RawImage } from "../../types";
import { shownSize } from "../reading/image-size";

export interface ImageFile {
  readonly bytes: Uint8Array;
  /** Without a dot. */
  readonly extension: string;
}

/**
 * An image as a file that every trainer reads alike: its own bytes, or a PNG of pixels in memory and of an image that an orientation tag turns, which not every
 * trainer heeds.
 * @throws DataError for what is no image
 */
export async function imageFile(source: ImageSource, where: string): Promise<ImageFile> {
  const { default: sharp } = await import("sharp");
  if (!isRaw(source)) {
    const bytes = typeof source === "string" ? await contentOf(source, where) : source;
    const { orientation } = await shownSize(bytes, where);
    const { format } = await sharp(bytes).metadata();
    if (orientation === 1) return { bytes, extension: extensions[format] ?? format };
  }
  const { loadImage } = await import("../../models/qwen2-vl/image");
  const { width, height, data } = await loadImage(source);
  const bytes = await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  return { bytes, extension: "png" };
}

const isRaw = (source: ImageSource): source is RawImage => typeof source === "object" && "data" in source;

const contentOf = (path: string, where: string) =>
  readFile(path).catch((cause: unknown) => {
    throw new DataError(`${where}: expected a readable image at ${path}: ${String(cause)}`, { cause });
  });

const extensions: Readonly<Record<string, string>> = { jpeg: "jpg", heif: "avif" };
