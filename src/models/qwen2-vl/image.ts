import { DataError } from "../../errors";
import type { ImageSource, RawImage } from "../../types";

/**
 * Decodes a picture to 8-bit RGB as transformers' `load_image` does: turned upright by its orientation tag, then Pillow's `convert("RGB")`,
 * which drops alpha (it does not blend) and heeds no colour profile. Of an animation, the first frame.
 * @throws DataError naming the file when it is missing or no picture
 */
export async function loadImage(source: ImageSource): Promise<RawImage> {
  if (typeof source === "object" && "data" in source) return checkedRaw(source);
  const { default: sharp } = await import("sharp");
  // An empty buffer makes sharp's constructor throw, so it is called inside the promise.
  const { data, info } = await Promise.resolve()
    .then(() =>
      sharp(source, { ignoreIcc: true })
        .autoOrient()
        .toColourspace("srgb")
        .removeAlpha()
        .raw()
        .toBuffer({ resolveWithObject: true }),
    )
    .catch((cause: Error) => refuse(source, cause));
  const rgb = info.channels === 3 ? new Uint8Array(data) : repeatChannel(data);
  return { width: info.width, height: info.height, data: rgb };
}

/**
 * Size of a picture once it is upright, from its header alone.
 * @throws DataError naming the file when it is missing or no picture
 */
export async function imageSize(source: ImageSource): Promise<Pick<RawImage, "width" | "height">> {
  if (typeof source === "object" && "data" in source) return checkedRaw(source);
  const { default: sharp } = await import("sharp");
  const { autoOrient } = await Promise.resolve()
    .then(() => sharp(source).metadata())
    .catch((cause: Error) => refuse(source, cause));
  return autoOrient;
}

function refuse(source: string | Uint8Array, cause: Error): never {
  const where = typeof source === "string" ? source : `image of ${source.length} bytes`;
  throw new DataError(`${where}: expected a picture (PNG, JPEG, WebP, …): ${cause.message}`, { cause });
}

function checkedRaw(image: RawImage): RawImage {
  const { width, height, data } = image;
  if (!(width >= 1 && height >= 1) || data.length !== width * height * 3)
    throw new DataError(
      `raw image of ${width}×${height}: expected at least one pixel and ${width * height * 3} bytes of RGB, got ${data.length}`,
    );
  return image;
}

function repeatChannel(grey: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(grey.length * 3);
  for (let i = 0; i < grey.length; i++) rgb.fill(grey[i]!, 3 * i, 3 * i + 3);
  return rgb;
}
