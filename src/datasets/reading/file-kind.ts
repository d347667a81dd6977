import { DataError } from "../../errors";

type Kind = readonly [beginning: RegExp, kind: string];

const textKinds: readonly Kind[] = [
  [/^version https:\/\/git-lfs/, 'a Git-LFS pointer; run "git lfs pull" to get the file itself'],
  [/^(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|head|body)\b/i, "a web page (HTML); download the file itself"],
  [/^(?:\xef\xbb\xbf)?\s*<\?xml\b/i, "XML"],
  [/^PK[^\w\s]/, "a ZIP archive; unpack it first (unzip)"],
  [/^%PDF-/, "a PDF"],
  [/^PAR1/, "a Parquet file"],
  [/^(?:GIF8|RIFF....WEBP)/s, "a picture"],
];

/** Of bytes that are no text, in hexadecimal digits. */
const binaryKinds: readonly Kind[] = [
  [/^1f8b/, "a gzip archive; unpack it first (gunzip)"],
  [/^28b52ffd/, "a Zstandard archive; unpack it first (unzstd)"],
  [/^(?:425a683|fd377a585a|377abcaf)/, "an archive (bzip2, xz or 7z); unpack it first"],
  [/^(?:fffe|feff|(?!00)..00(?!00)..00|00(?!00)..00(?!00)..)/, "text in UTF-16; save it as UTF-8"],
  [/^(?:ffd8ff|89504e47)/, "a picture"],
  [/^00000000/, "zero bytes, as an interrupted copy leaves behind; copy the file again"],
];

/** What the first bytes are of, and what to do with it; `undefined` for text, and for what is not known. */
export function kindOf(head: Uint8Array): string | undefined {
  const beginning = Buffer.from(head.subarray(0, 512));
  const isOf =
    (text: string) =>
    ([pattern]: Kind) =>
      pattern.test(text);
  return (textKinds.find(isOf(beginning.toString("latin1"))) ?? binaryKinds.find(isOf(beginning.toString("hex"))))?.[1];
}

/**
 * Refuses a file that begins as no text does.
 * @param head the first bytes, 512 or more where the file has them
 * @param expected what the file should be, for the message
 * @throws DataError naming what the file is instead, and what to do
 */
export function checkTextFile(path: string, head: Uint8Array, expected: string): void {
  const kind = kindOf(head);
  if (kind !== undefined) throw new DataError(`${path}: expected ${expected}, found ${kind}`);
}
