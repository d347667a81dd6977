import { readImageFile } from "../../files/image";
import { loadImage } from "../../models/inputs/image";
import type { ImageSource } from "../../types";

/** An image as a server takes it: a JPEG, PNG or WebP. */
export interface EncodedImage {
  /** The media type, such as "image/png". */
  readonly mime: string;
  readonly bytes: Uint8Array;
}

/**
 * The image's own bytes if every server reads them upright; otherwise a PNG, or a JPEG if it was one and is scaled
 * down.
 */
export async function encodedImage(image: ImageSource, maxPixels: number): Promise<EncodedImage> {
  const file = await fileOf(image);
  return file?.isCommon && file.pixels <= maxPixels
    ? { mime: `image/${file.format}`, bytes: file.bytes }
    : encoded(image, { maxPixels, isPhoto: file?.format === "jpeg" });
}

/** An encoded image; `undefined` for pixels and unreadable files, because decoding gives the better error. */
async function fileOf(image: ImageSource) {
  if (typeof image === "object" && "data" in image) return undefined;
  try {
    const { bytes, metadata } = await readImageFile(image);
    const { format, orientation = 1, pages = 1, width, height } = metadata;
    const isCommon = ["jpeg", "png", "webp"].includes(format) && orientation === 1 && pages === 1;
    return { bytes, format, isCommon, pixels: width * height };
  } catch {
    return undefined;
  }
}

async function encoded(image: ImageSource, { maxPixels, isPhoto }: { maxPixels: number; isPhoto: boolean }) {
  const { width, height, data } = await loadImage(image);
  const { default: sharp } = await import("sharp");
  const decoded = sharp(data, { raw: { width, height, channels: 3 } });
  const scale = Math.sqrt(maxPixels / (width * height));
  if (scale >= 1) return { mime: "image/png", bytes: await decoded.png().toBuffer() };
  const across = Math.max(1, Math.floor(width * scale));
  const down = Math.max(1, Math.floor(Math.min(height * scale, maxPixels / across)));
  const resized = decoded.resize(Math.min(across, Math.floor(maxPixels / down)), down, { fit: "fill" });
  return isPhoto
    ? { mime: "image/jpeg", bytes: await resized.jpeg({ quality: 95 }).toBuffer() }
    : { mime: "image/png", bytes: await resized.png().toBuffer() };
}
