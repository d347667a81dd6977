import { createHash } from "node:crypto";
import { open, readFile, stat } from "node:fs/promises";
import { DataError } from "../errors";
import type { ImageSource } from "../types";
import { hasTooManyScans, mostScans } from "./jpeg-scans";
import { type FileKind, fileKind, kindBytes } from "./kind";

/**
 * The most pixels that an image may have by default, 134 million: a camera's 100 megapixels fit, and take 0.4 GB as
 * RGB.
 */
export const defaultMaxPixels = 2 ** 27;

/** The facts in an image's header. Width and height are as stored, before the orientation tag turns them. */
type ImageMetadata = Pick<
  import("sharp").Metadata,
  "format" | "width" | "height" | "autoOrient" | "orientation" | "pages" | "space" | "channels" | "hasAlpha"
>;

/** An encoded image before it is decoded. */
export interface ImageHeader {
  /** Its name in errors. */
  readonly where: string;
  readonly kind: FileKind;
  readonly metadata: ImageMetadata;
}

type Encoded = string | Uint8Array;

/**
 * Reads an encoded image's header without decoding a pixel.
 *
 * @param source a path, or the bytes of an encoded file
 * @param maxPixels width times height may be at most this, and the file may have at most 8 bytes for each
 * @throws DataError if it is not a regular file (links are followed), not a JPEG, PNG, GIF, WebP, TIFF or AVIF by its
 * bytes, or larger
 * @example
 * const { metadata } = await readImageHeader("photo.jpg");
 */
export async function readImageHeader(source: Encoded, maxPixels = defaultMaxPixels): Promise<ImageHeader> {
  const where = nameOf(source);
  const head = typeof source === "string" ? await headOf(source, where, maxPixels) : source;
  // libvips caches a WebP file's header by the file's name, even after the file was replaced.
  if (typeof source === "string" && fileKind(head).format === "webp") return readImageFile(source, maxPixels);
  checkBytes(head.length, where, maxPixels);
  return headerOf(source, head, where, maxPixels);
}

/**
 * Reads an encoded image without decoding a pixel: the result of `readImageHeader`, and the bytes.
 * @throws DataError as `readImageHeader`
 * @example
 * const { bytes } = await readImageFile("photo.jpg");
 */
export async function readImageFile(
  source: Encoded,
  maxPixels = defaultMaxPixels,
): Promise<ImageHeader & { readonly bytes: Uint8Array }> {
  const where = nameOf(source);
  if (typeof source === "string") await checkRegular(source, where, maxPixels);
  const bytes = typeof source === "string" ? await readFile(source).catch(unreadable(where)) : source;
  checkBytes(bytes.length, where, maxPixels);
  const header = await headerOf(bytes, bytes, where, maxPixels);
  if (header.metadata.format === "jpeg" && hasTooManyScans(bytes))
    throw new DataError(`${where}: expected a JPEG image of at most ${mostScans} scans, got more; save it again`);
  return { ...header, bytes };
}

/** The error for an image with a good header and damaged pixels. */
export function damaged(where: string, { name }: FileKind, bytes: Uint8Array, cause: unknown): DataError {
  const last = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const isCut =
    (name === "a JPEG image" && !last.includes("\xff\xd9", bytes.length - 4096, "latin1")) ||
    (name === "a PNG image" && !last.includes("IEND", bytes.length - 4096));
  return refused(
    where,
    `${name} that is ${isCut ? "cut short" : "damaged or cut short"}`,
    "download or copy it again",
    cause,
  );
}

export function nameOf(source: ImageSource): string {
  if (typeof source === "string") return source.length > 300 ? `${source.slice(0, 60)}…` : source;
  return "data" in source ? `raw image of ${source.width}×${source.height}` : `image of ${source.length} bytes`;
}

/** Tells images apart: paths by their text, encoded files by their bytes, pixels by the object that holds them. */
export const imageKey = (image: ImageSource): unknown =>
  image instanceof Uint8Array ? createHash("sha256").update(image).digest("hex") : image;

async function headerOf(source: Encoded, head: Uint8Array, where: string, maxPixels: number): Promise<ImageHeader> {
  const kind = fileKind(head);
  // The decoder reads more formats, such as SVG, which may refer to other files; so it only sees these.
  if (!kind.format) throw refused(where, kind.name, kind.advice);
  const { default: sharp } = await import("sharp");
  const metadata: ImageMetadata = await sharp(source, { limitInputPixels: false })
    .metadata()
    .catch((cause: unknown) => {
      throw damaged(where, kind, head, cause);
    });
  const { width, height, format } = metadata;
  if (format !== kind.format) throw refused(where, `${kind.name} that the decoder takes for ${format}`);
  if (width * height > maxPixels)
    throw new DataError(
      `${where}: expected an image of at most ${maxPixels} pixels, got ${width}×${height} = ${width * height}; make it smaller, or raise maxImagePixels`,
    );
  return { where, kind, metadata };
}

async function headOf(path: string, where: string, maxPixels: number): Promise<Uint8Array> {
  await checkRegular(path, where, maxPixels);
  const file = await open(path).catch(unreadable(where));
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(kindBytes), 0, kindBytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Looks before it opens: opening a pipe waits for somebody to write into it. */
async function checkRegular(path: string, where: string, maxPixels: number): Promise<void> {
  if (/^(?:https?|data|blob|file):/i.test(path))
    throw refused(where, "a URL", "give the path of a file, or the bytes of one");
  const found = await stat(path).catch(unreadable(where));
  if (found.isDirectory()) throw refused(where, "a folder");
  if (!found.isFile()) throw refused(where, "a pipe, a socket or a device");
  checkBytes(found.size, where, maxPixels);
}

function checkBytes(size: number, where: string, maxPixels: number): void {
  // Four channels of 16 bits without compression, and the rest of the file.
  const most = 8 * maxPixels + 2 ** 20;
  if (size > most)
    throw new DataError(`${where}: expected an image file of at most ${most} bytes, got ${size}; raise maxImagePixels`);
}

const unreadable =
  (where: string) =>
  (cause: NodeJS.ErrnoException): never => {
    // A name that is too long, or has a zero byte, cannot be a file's either.
    const isThere = ["EACCES", "EPERM", "EIO", "EMFILE", "ENFILE", "ELOOP"].includes(cause.code ?? "");
    throw refused(where, isThere ? `a file that cannot be read (${cause.code})` : "no such file", undefined, cause);
  };

function refused(where: string, found: string, advice?: string, cause?: unknown): DataError {
  const message = `${where}: expected an image (JPEG, PNG, GIF, WebP, TIFF or AVIF), got ${found}`;
  return new DataError(advice === undefined ? message : `${message}; ${advice}`, { cause });
}
