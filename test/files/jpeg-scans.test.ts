import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { readImageFile, readImageHeader } from "../../src/files/image";
import { hasTooManyScans, mostScans } from "../../src/files/jpeg-scans";

const segment = (marker: number, ...bytes: readonly number[]) => [0xff, marker, 0, bytes.length + 2, ...bytes];

/** A progressive JPEG of 8×8 grey pixels whose `count` scans say, each of another coefficient, that it is 0. */
function progressive(count: number): Uint8Array {
  const scans = Array.from({ length: count - 1 }, (_, i) => {
    const low = 13 - Math.floor(i / 63);
    const high = low === 13 ? 0 : low + 1;
    // The first code of the table ends the block; ones fill the byte.
    return [...segment(0xda, 1, 1, 0, 1 + (i % 63), 1 + (i % 63), (high << 4) | low), 0x7f];
  });
  return Uint8Array.from([
    ...[0xff, 0xd8],
    // A comment may hold bytes that look like a scan.
    ...segment(0xfe, ...Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? 0xff : 0xda))),
    ...segment(0xdb, 0, ...Array<number>(64).fill(1)),
    ...segment(0xc2, 8, 0, 8, 0, 8, 1, 1, 0x11, 0),
    ...segment(0xc4, 0x00, 1, ...Array<number>(15).fill(0), 0),
    ...segment(0xc4, 0x10, 1, ...Array<number>(15).fill(0), 0),
    ...[...segment(0xda, 1, 1, 0, 0, 0, 0), 0x7f],
    ...scans.flat(),
    ...[0xff, 0xd9],
  ]);
}

describe("the scans of a JPEG", () => {
  it("are read up to a hundred, and refused above before any is decoded", async () => {
    const most = progressive(mostScans);
    expect((await sharp(most).raw().toBuffer()).length).toBe(192);
    expect((await readImageFile(most)).metadata).toMatchObject({ width: 8, height: 8 });
    await expect(readImageFile(progressive(mostScans + 1))).rejects.toThrow(
      /^image of \d+ bytes: expected a JPEG image of at most 100 scans, got more; save it again$/,
    );
    expect((await readImageHeader(progressive(mostScans + 1))).metadata.width).toBe(8);
  });

  it("are few in what encoders write", async () => {
    const noise = { type: "gaussian" as const, mean: 128, sigma: 40 };
    const image = sharp({ create: { width: 600, height: 400, channels: 3, background: "teal", noise } });
    for (const isProgressive of [false, true])
      expect(hasTooManyScans(await image.clone().jpeg({ progressive: isProgressive }).toBuffer())).toBe(false);
  });

  it("are counted in whatever is cut off", () => {
    const bytes = progressive(mostScans + 1);
    for (let length = 0; length < bytes.length; length += 7) hasTooManyScans(bytes.subarray(0, length));
    expect(hasTooManyScans(bytes.subarray(0, 300))).toBe(false);
    expect(hasTooManyScans(bytes)).toBe(true);
  });
});
