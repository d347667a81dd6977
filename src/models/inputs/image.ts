import { types } from "node:util";
import type { Sharp } from "sharp";
import { DataError } from "../../errors";
import { damaged, defaultMaxPixels, nameOf, readImageFile, readImageHeader } from "../../files/image";
import type { ImageSource, RawImage } from "../../types";
import { hasTransparentColour } from "./transparent-colour";

/**
 * Decodes an image to 8-bit RGB as transformers' `load_image` and image processor do: turned upright by its orientation
 * tag, then converted like Pillow's `convert("RGB")`, which drops alpha without blending, clips 16-bit grey at 255 and
 * ignores colour profiles; the one transparent colour of a GIF or PNG becomes white. An animation gives its first
 * frame. Results differ from Pillow's for AVIF with halved chroma (by 2.4 of 255 on average), TIFF in uncompressed
 * YCbCr, 16-bit PNG with one transparent colour, and a GIF whose first frame does not fill it.
 *
 * Images under way have at most `defaultMaxPixels` pixels together, or there is only one.
 *
 * @param maxPixels limit on the image's pixels
 * @throws DataError naming the file and its kind, for an unreadable, too large or damaged image
 * @example
 * const { width, height, data } = await loadImage("photo.jpg");
 */
export async function loadImage(source: ImageSource, maxPixels?: number): Promise<RawImage> {
  if (isRaw(source)) return checkedRaw(source);
  return reading(1, async () => {
    const file = await readImageFile(checkedFile(source), maxPixels);
    const { width, height } = file.metadata;
    return decoding(Math.min(width * height, defaultMaxPixels), () => decode(file)).catch((cause: unknown) => {
      throw damaged(file.where, file.kind, file.bytes, cause);
    });
  });
}

/** As many files at once as the decoder has threads. */
const reading = sharedBy(8);
const decoding = sharedBy(defaultMaxPixels);

/** Runs work in the order of arrival, as soon as the total demand fits the capacity. */
function sharedBy(capacity: number): <T>(takes: number, work: () => Promise<T>) => Promise<T> {
  let free = capacity;
  const waiting: { readonly takes: number; readonly start: () => void }[] = [];
  const startNext = () => {
    while (waiting[0] && waiting[0].takes <= free) {
      const { takes, start } = waiting.shift()!;
      free -= takes;
      start();
    }
  };
  return async (takes, work) => {
    await new Promise<void>((start) => {
      waiting.push({ takes, start });
      startNext();
    });
    try {
      return await work();
    } finally {
      free += takes;
      startNext();
    }
  };
}

/** An image within the limits takes a few seconds at most. */
const longestSeconds = 120;

async function decode({ bytes, metadata }: Awaited<ReturnType<typeof readImageFile>>): Promise<RawImage> {
  const { default: sharp } = await import("sharp");
  const { space, channels, hasAlpha } = metadata;
  const upright = sharp(bytes, { ignoreIcc: true, limitInputPixels: false })
    .timeout({ seconds: longestSeconds })
    .autoOrient();
  if (space === "cmyk" && channels === 4) {
    const { data, ...size } = await raw(upright.pipelineColourspace("cmyk").toColourspace("cmyk"));
    return { ...size, data: cmykToRgb(data) };
  }
  if (space === "grey16" && !hasAlpha) {
    const { data, ...size } = await raw(upright.toColourspace("grey16"), "ushort");
    const wide = new Uint16Array(Uint8Array.from(data).buffer);
    return { ...size, data: repeatChannel(wide.map((x) => Math.min(x, 255))) };
  }
  if (hasAlpha && hasTransparentColour(bytes)) {
    const { data, ...size } = await raw(upright.toColourspace("srgb"));
    return { ...size, data: whiten(data) };
  }
  const { data, ...size } = await raw(upright.toColourspace("srgb").removeAlpha());
  return { ...size, data: data.length === 3 * size.width * size.height ? data : repeatChannel(data) };
}

async function raw(image: Sharp, depth: "uchar" | "ushort" = "uchar"): Promise<RawImage> {
  const { data, info } = await image.raw({ depth }).toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
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
 * Size of an upright image, from its header alone.
 * @throws DataError as `loadImage`, except for damaged pixels
 */
export async function imageSize(source: ImageSource, maxPixels?: number): Promise<Pick<RawImage, "width" | "height">> {
  if (isRaw(source)) return checkedRaw(source);
  return (await readImageHeader(checkedFile(source), maxPixels)).metadata.autoOrient;
}

/** Whether an image is given as pixels. */
export const isRaw = (source: ImageSource): source is RawImage => typeof source === "object" && "data" in source;

function checkedRaw(image: RawImage): RawImage {
  const { width, height, data } = image;
  const refuse = (expected: string, got: unknown): never => {
    throw new DataError(`${nameOf(image)}: expected ${expected}, got ${got}`);
  };
  if (!isBytes(data)) refuse("RGB as a Uint8Array, a byte from 0 to 255 for each channel", `a ${kindOf(data)}`);
  const isSize = (side: number) => Number.isInteger(side) && side >= 1;
  if (!isSize(width) || !isSize(height) || data.length !== width * height * 3)
    refuse(`at least one pixel and ${width * height * 3} bytes of RGB`, data.length);
  return image;
}

function checkedFile(source: string | Uint8Array): string | Uint8Array {
  if (typeof source === "string" || isBytes(source)) return source;
  throw new DataError(`image: expected a path, a file's bytes as a Uint8Array, or raw pixels, got a ${kindOf(source)}`);
}

const isBytes = (data: unknown) => types.isUint8Array(data) || types.isUint8ClampedArray(data);

const kindOf = (value: object) => Object.prototype.toString.call(value).slice("[object ".length, -1);

function repeatChannel(grey: ArrayLike<number>): Uint8Array {
  const rgb = new Uint8Array(grey.length * 3);
  for (let i = 0; i < grey.length; i++) rgb.fill(grey[i]!, 3 * i, 3 * i + 3);
  return rgb;
}
