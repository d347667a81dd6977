/**
 * Scans that a JPEG image may have: encoders write ten. Each goes over all blocks whatever it says of them, so that
 * one of 1.3 MB with 2600 of them takes minutes, in a loop of
 * libjpeg that no timeout of libvips reaches.
 */
export const mostScans = 100;

/** Whether a JPEG file has more than `mostScans` scans, in linear time. The markers are found as libjpeg finds them. */
export function hasTooManyScans(bytes: Uint8Array): boolean {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let scans = 0;
  for (let at = file.indexOf(0xff, 2); at >= 0 && at + 3 < file.length; at = file.indexOf(0xff, at)) {
    const marker = file[at + 1]!;
    if (marker === 0xd9) return false;
    if (marker === 0xda && ++scans > mostScans) return true;
    if (marker === 0xff) at++;
    // A byte of pixels, or a marker that has no length.
    else if (marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd8)) at += 2;
    else at += 2 + file.readUInt16BE(at + 2);
  }
  return false;
}
