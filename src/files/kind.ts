/** The kind of a file, whatever its name says. */
export interface FileKind {
  /** With its article, for a message: "a JPEG image". */
  readonly name: string;
  /** The way to a usable file: "run git lfs pull". */
  readonly advice?: string;
  /** sharp's name of an image format that this library reads. */
  readonly format?: "jpeg" | "png" | "gif" | "webp" | "tiff" | "heif";
}

/** The bytes that a format begins with, as Latin-1; "_" is any byte. */
type Beginning = string | RegExp;

const images: readonly (readonly [Beginning, name: string, format: NonNullable<FileKind["format"]>])[] = [
  ["\xff\xd8\xff", "a JPEG image", "jpeg"],
  ["\x89PNG\r\n\x1a\n", "a PNG image", "png"],
  [/^GIF8[79]a/, "a GIF image", "gif"],
  ["RIFF____WEBP", "a WebP image", "webp"],
  ["II*\0", "a TIFF image", "tiff"],
  ["MM\0*", "a TIFF image", "tiff"],
  ["II+\0", "a TIFF image", "tiff"],
  ["MM\0+", "a TIFF image", "tiff"],
  [/^.{4}ftyp.{0,60}avi[fs]/s, "an AVIF image", "heif"],
];

const convert = "convert it to PNG or JPEG";
const fetchIt = "download the file itself";
const fetchAgain = "download or copy it again";
const unpack = "unpack it first";
const saveAsUtf8 = "save it as UTF-8";
const office = "a file of Excel or another office program";
const saveAsText = "save it as CSV in UTF-8";

/** The first entry that fits counts. */
const others: readonly (readonly [Beginning, name: string, advice?: string])[] = [
  [/^$/, "an empty file", fetchAgain],
  [/^version https:\/\/[\w.-]+\/spec\/v\d/, "a Git-LFS pointer", "run git lfs pull"],
  [/^(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|head|body)\b/i, "a web page (HTML)", fetchIt],
  [/^(?:\xef\xbb\xbf)?\s*<(?:svg\b|(?:\?xml|!--|!doctype\s+svg).*<svg\b)/is, "an SVG drawing", convert],
  [/^(?:\xef\xbb\xbf)?\s*<\?xml\b/i, "XML", fetchIt],
  [/^.{4}ftyp(?:hei[cmsx]|hev[cmsx]|mif1|msf1)/s, "a HEIC image", convert],
  [/^(?:.{4}ftyp|RIFF.{4}AVI )/s, "a video", "save its frames as images"],
  ["\x1aE\xdf\xa3", "a video", "save its frames as images"],
  ["\0\0\0\x0cjP  ", "a JPEG 2000 image", convert],
  ["\xff\x4f\xff\x51", "a JPEG 2000 image", convert],
  ["\0\0\0\x0cJXL ", "a JPEG XL image", convert],
  ["\xff\x0a", "a JPEG XL image", convert],
  ["BM____\0\0\0\0", "a BMP image", convert],
  ["\0\0\x01\0", "a Windows icon", convert],
  ["8BPS", "a Photoshop file", convert],
  [/^P[1-7]\s/, "a Netpbm image", convert],
  ["v/1\x01", "an OpenEXR image", convert],
  [/^.{128}DICM/s, "a DICOM file", convert],
  ["%!PS", "a PostScript file", convert],
  ["%PDF-", "a PDF", convert],
  ...["[Content_Types]", "docProps/", "_rels/", "xl/", "mimetypeapplication/vnd.oasis"].map(
    (member) => [`PK\x03\x04${"_".repeat(26)}${member}`, office, saveAsText] as const,
  ),
  ["\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", office, saveAsText],
  ["PK\x03\x04", "a ZIP archive", unpack],
  ["\x1f\x8b", "a gzip archive", unpack],
  ["\x28\xb5\x2f\xfd", "a Zstandard archive", unpack],
  [/^(?:BZh|\xfd7zXZ|7z\xbc\xaf|Rar!)/, "an archive (bzip2, xz, 7z or RAR)", unpack],
  ["PAR1", "a Parquet file"],
  ["\x89HDF", "an HDF5 file"],
  ["______\0\0{", "a safetensors file"],
  [/^(?:\xff\xfe|\xfe\xff|(?:[^\0]\0){2}|(?:\0[^\0]){2})/, "text in UTF-16", saveAsUtf8],
  [/^\s*[[{]/, "JSON"],
  [/^[\s\x20-\x7e\x80-\xff]+$/, "text"],
];

/** Names under which text may pass: a table may begin as a Netpbm image does. */
const textNames: readonly string[] = ["JSON", "text", "a Netpbm image", "a file of no known kind"];

/** How many bytes `fileKind` looks at. */
export const kindBytes = 512;

/**
 * Names a file's kind by its first bytes, and says how to get a usable file.
 *
 * @param head the first `kindBytes` bytes, or all where the file has fewer
 * @example
 * fileKind(Buffer.from("%PDF-1.7")); // { name: "a PDF", advice: "convert it to PNG or JPEG" }
 */
export function fileKind(head: Uint8Array): FileKind {
  const text = Buffer.from(head.subarray(0, kindBytes)).toString("latin1");
  const image = images.find(([beginning]) => begins(text, beginning));
  if (image) return { name: image[1], format: image[2] };
  if (text.length > 0 && !/[^\0]/.test(text)) return { name: "a file of zero bytes", advice: fetchAgain };
  const [, name, advice] = others.find(([beginning]) => begins(text, beginning)) ?? ["", "a file of no known kind"];
  return { name, ...(advice !== undefined && { advice }) };
}

/**
 * Names the kind of file that stands in place of a text file, and what to do; `undefined` if it may be text.
 * @example
 * kindInsteadOfText(Buffer.from("PK\x03\x04")); // "a ZIP archive; unpack it first"
 */
export function kindInsteadOfText(head: Uint8Array): string | undefined {
  const { name, advice } = fileKind(head);
  return textNames.includes(name) ? undefined : advice === undefined ? name : `${name}; ${advice}`;
}

const begins = (text: string, beginning: Beginning): boolean =>
  typeof beginning === "string"
    ? beginning.length <= text.length && [...beginning].every((byte, i) => byte === "_" || byte === text[i])
    : beginning.test(text);
