/**
 * Whether a GIF or PNG marks transparency by one colour, rather than by an alpha for each pixel or palette entry.
 * Pillow remembers such a colour when it converts to RGB, and transformers paints it white.
 */
export function hasTransparentColour(file: Uint8Array): boolean {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (bytes.toString("latin1", 0, 3) === "GIF") return true;
  if (bytes.toString("latin1", 1, 4) !== "PNG") return false;
  const transparency = pngChunk(bytes, "tRNS");
  const isPalette = bytes[colourTypeAt] === 3;
  return transparency !== undefined && (!isPalette || /^\xff*\0\xff*$/.test(transparency.toString("latin1")));
}

const colourTypeAt = 25;

/** The data of a chunk that precedes the pixels: 4 bytes of length, 4 of name, the data, 4 of checksum. */
function pngChunk(bytes: Buffer, wanted: string): Buffer | undefined {
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const name = bytes.toString("latin1", at + 4, at + 8);
    if (name === wanted) return bytes.subarray(at + 8, at + 8 + length);
    if (name === "IDAT") return undefined;
    at += 12 + length;
  }
  return undefined;
}
