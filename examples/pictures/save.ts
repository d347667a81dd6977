import type { ImageSource } from "rise-ts";
import sharp from "sharp";

/** Writes a picture as PNG, for people to look at. */
export async function savePicture(image: ImageSource, path: string): Promise<string> {
  const raw = typeof image === "object" && "data" in image;
  const picture = raw
    ? sharp(image.data, { raw: { width: image.width, height: image.height, channels: 3 } })
    : sharp(image);
  await picture.png().toFile(path);
  return path;
}
