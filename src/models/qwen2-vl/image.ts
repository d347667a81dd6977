import { readFile } from "node:fs/promises";
import type { Sharp } from "sharp";
import { DataError } from "../../errors";
import type { ImageSource, RawImage } from "../../types";
import { exists } from "../model-directory";
import { hasTransparentColour } from "./transparent-colour";

/**
 * Decodes a picture to 8-bit RGB as transformers' `load_image` and image processor do: turned upright by its orientation tag, then Pillow's
 * `convert("RGB")`, which drops alpha (it does not blend), cuts 16-bit grey at 255 and heeds no colour profile; the one transparent colour of a
 * GIF or PNG becomes white. Of an animation, the first frame. Not as Pillow: AVIF with halved chroma (2.4 of 255 apart in the mean), TIFF in uncompressed YCbCr,
 * 16-bit PNG with one transparent colour, and a GIF whose first frame does not fill it.
 * @throws DataError naming the file when it is missing or no picture
 */
export async function loadImage(source: ImageSource): Promise<RawImage> {
  if (typeof source === "object" && "data" in source) return checkedRaw(source);
  return decode(source).catch((cause: Error) => refuse(source, cause));
}

async function decode(source: string | Uint8Array): Promise<RawImage> {
  const { default: sharp } = await import("sharp");
  const { space, channels, hasAlpha } = await sharp(source).metadata();
  const upright = sharp(source, { ignoreIcc: true }).autoOrient();
  if (space === "cmyk" && channels === 4) {
    const { data, ...size } = await raw(upright.pipelineColourspace("cmyk").toColourspace("cmyk"));
    return { ...size, data: cmykToRgb(data) };
  }
  if (space === "grey16" && !hasAlpha) {
    const { data, ...size } = await raw(upright.toColourspace("grey16"), "ushort");
    const wide = new Uint16Array(data.buffer, data.byteOffset, data.length / 2);
    return { ...size, data: repeatChannel(wide.map((x) => Math.min(x, 255))) };
  }
  if (hasAlpha && hasTransparentColour(typeof source === "string" ? await readFile(source) : source)) {
    const { data, ...size } = await raw(upright.toColourspace("srgb"));
    return { ...size, data: whiten(data) };
  }
  const { data, ...size } = await raw(upright.toColourspace("srgb").removeAlpha());
  return { ...size, data: data.length === 3 * size.width * size.height ? data : repeatChannel(data) };
}

async function raw(image: Sharp, depth: "uchar" | "ushort" = "uchar"): Promise<RawImage> {
  const { data, info } = await image.raw({ depth }).toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: new Uint8Array(data) };
}

/** Pillow's conversion: (1 − k) − (1 − k) · ink, in bytes. */
function cmykToRgb(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3);
  for (let i = 0; 4 * i < cmyk.length; i++) {
    const light = 255 - cmyk[4 * i + 3]!;
    for (let c = 0; c < 3; c++) rgb[3 * i + c] = light - Math.round((cmyk[4 * i + c]! * light) / 255);
  }
  return rgb;
}

/** RGBA → RGB in which every transparent pixel is white. */
function whiten(rgba: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let i = 0; 4 * i < rgba.length; i++) {
    if (rgba[4 * i + 3] === 0) rgb.fill(255, 3 * i, 3 * i + 3);
    else rgb.set(rgba.subarray(4 * i, 4 * i + 3), 3 * i);
  }
  return rgb;
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

async function refuse(source: string | Uint8Array, cause: Error): Promise<never> {
  const where = nameOf(source);
  // Asked here, because the decoder takes a missing file for another error while it decodes others.
  if (typeof source === "string" && !(await exists(source)))
    throw new DataError(`${where}: expected a picture (PNG, JPEG, WebP, …), found no such file`, { cause });
  // The decoder repeats a path, and would a data URL.
  const why = typeof source === "string" ? cause.message.replaceAll(source, where) : cause.message;
  throw new DataError(`${where}: expected a picture (PNG, JPEG, WebP, …): ${why}`, { cause });
}

/** What an error calls a picture. */
export function nameOf(source: ImageSource): string {
  if (typeof source === "string") return source.length > 300 ? `${source.slice(0, 60)}…` : source;
  return "data" in source ? `raw image of ${source.width}×${source.height}` : `image of ${source.length} bytes`;
}

function checkedRaw(image: RawImage): RawImage {
  const { width, height, data } = image;
  if (!(width >= 1 && height >= 1) || data.length !== width * height * 3)
    throw new DataError(
      `${nameOf(image)}: expected at least one pixel and ${width * height * 3} bytes of RGB, got ${data.length}`,
    );
  return image;
}

function repeatChannel(grey: ArrayLike<number>): Uint8Array {
  const rgb = new Uint8Array(grey.length * 3);
  for (let i = 0; i < grey.length; i++) rgb.fill(grey[i]!, 3 * i, 3 * i + 3);
  return rgb;
}
