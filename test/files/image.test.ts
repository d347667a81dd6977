import { execFileSync } from "node:child_process";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import sharp from "sharp";
import { afterAll, describe, expect, it } from "vitest";
import { DataError } from "../../src/errors";
import { readImageFile, readImageHeader } from "../../src/files/image";
import { imageSize, loadImage } from "../../src/models/inputs/image";

const scratch = await mkdtemp(join(tmpdir(), "image-file-"));
afterAll(() => rm(scratch, { recursive: true }));

const file = async (name: string, content: string | Uint8Array) => {
  await writeFile(join(scratch, name), content);
  return join(scratch, name);
};
const noise = (width: number, height: number) =>
  sharp({
    create: { width, height, channels: 3, background: "teal", noise: { type: "gaussian", mean: 128, sigma: 40 } },
  });
const svg = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><rect width='9' height='9'/></svg>";

/** Both ways to read an image, and a look at its header. */
const readers = { loadImage, imageSize, readImageFile, readImageHeader };

describe.each(Object.entries(readers))("%s", (_, read) => {
  it.each(["webp", "png", "jpeg"] as const)(
    "reads the %s file that lies there now when another one did before",
    async (format) => {
      const path = join(scratch, `replaced.${format}`);
      for (const width of [8, 12, 16]) {
        await writeFile(path, await noise(width, 8).toFormat(format).toBuffer());
        const found = await read(path);
        expect("metadata" in found ? found.metadata.width : found.width).toBe(width);
      }
    },
  );

  it("refuses what is no image by its bytes, whatever its name says, and says what it is", async () => {
    const refused = async (name: string, content: string | Uint8Array, said: string) =>
      expect(read(await file(name, content))).rejects.toThrow(
        `${name}: expected an image (JPEG, PNG, GIF, WebP, TIFF or AVIF), got ${said}`,
      );
    await refused("pointer.jpg", "version https://git-lfs.github.com/spec/v1\n", "a Git-LFS pointer; run git lfs pull");
    await refused("drawing.png", svg, "an SVG drawing; convert it to PNG or JPEG");
    await refused("page.webp", "<!doctype html><p>Sign in", "a web page (HTML); download the file itself");
    await refused("empty.gif", "", "an empty file");
    await refused("scan.tiff", "%PDF-1.4\n", "a PDF");
    await refused("notes.avif", "hello", "text");
  });

  it("refuses SVG in memory", () => expect(read(Buffer.from(svg))).rejects.toThrow("an SVG drawing"));

  it("says that an address is no path", async () => {
    await expect(read("https://example.org/a.png")).rejects.toThrow("got a URL; give the path");
    await expect(read("data:image/png;base64,AAAA")).rejects.toThrow("got a URL");
  });

  it("refuses what is no regular file, at once, also behind a link", async () => {
    await expect(read(scratch)).rejects.toThrow("got a folder");
    if (process.platform === "win32") return;
    const pipe = join(scratch, `pipe-${_}.png`);
    execFileSync("mkfifo", [pipe]);
    await symlink(pipe, `${pipe}.jpg`);
    await symlink("/dev/zero", `${pipe}.zero.jpg`);
    for (const path of [pipe, `${pipe}.jpg`, `${pipe}.zero.jpg`, "/dev/zero"])
      await expect(read(path)).rejects.toThrow("got a pipe, a socket or a device");
  });

  it("refuses an image with more pixels than the limit before it decodes any", async () => {
    const path = await file("bomb.png", png(16_383, 16_383));
    await expect(read(path)).rejects.toThrow(
      `${path}: expected an image of at most 134217728 pixels, got 16383×16383 = 268402689; make it smaller, or raise maxImagePixels`,
    );
    const small = await noise(10, 10).png().toBuffer();
    await expect(read(small, 99)).rejects.toThrow("at most 99 pixels, got 10×10 = 100");
    await expect(read(small, 100)).resolves.toBeDefined();
  });

  it("refuses a file that is larger than any image within the limit", async () => {
    const padded = Buffer.concat([await noise(4, 4).png().toBuffer(), Buffer.alloc(2 ** 20)]);
    await expect(read(await file("padded.png", padded), 16)).rejects.toThrow(`at most ${8 * 16 + 2 ** 20} bytes`);
  });
});

describe("an image that is cut short", () => {
  it.each(["jpeg", "png", "webp", "gif", "tiff"] as const)("is an error in words of ours: %s", async (format) => {
    const whole = await noise(90, 70).toFormat(format).toBuffer();
    const path = await file(`cut.${format}`, whole.subarray(0, whole.length * 0.6));
    const reading = loadImage(path);
    await expect(reading).rejects.toThrow(DataError);
    await expect(reading).rejects.toThrow(/cut short; download or copy it again$/);
  });

  it("is known by its header", async () => {
    const whole = await noise(90, 70).jpeg().toBuffer();
    expect(await imageSize(whole.subarray(0, whole.length / 2))).toMatchObject({ width: 90, height: 70 });
  });
});

describe("many images asked for at once", () => {
  it("are all read, one error among them", async () => {
    const whole = await noise(64, 48).png().toBuffer();
    const asked = Array.from({ length: 60 }, (_, i) =>
      loadImage(i === 30 ? Buffer.from("no image") : Uint8Array.from(whole)),
    );
    const ends = await Promise.allSettled(asked);
    expect(ends.filter(({ status }) => status === "rejected")).toHaveLength(1);
  });

  it("are decoded a few at a time", async () => {
    const held = await noise(1200, 1000).png({ compressionLevel: 0 }).toBuffer();
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, sharp.counters().process)), 0);
    await Promise.all(Array.from({ length: 40 }, () => loadImage(held)));
    clearInterval(watch);
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(8);
  });
});

/** A grey PNG of one bit a pixel, small as a file. */
function png(width: number, height: number): Buffer {
  const size = Buffer.alloc(8);
  size.writeUInt32BE(width, 0);
  size.writeUInt32BE(height, 4);
  const rows = deflateSync(Buffer.alloc((Math.ceil(width / 8) + 1) * height));
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", Buffer.concat([size, Buffer.from([1, 0, 0, 0, 0])])),
    chunk("IDAT", rows),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(name: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name), data]);
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  checksum.writeUInt32BE(crc(body));
  return Buffer.concat([length, body, checksum]);
}

function crc(bytes: Buffer): number {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return (sum ^ 0xffffffff) >>> 0;
}
