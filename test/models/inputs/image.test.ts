import { readFile } from "node:fs/promises";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { DataError } from "../../../src/errors";
import { imageSize, loadImage } from "../../../src/models/inputs/image";
import { imagePath, reference, sha256 } from "../reference";

describe("a decoded picture", () => {
  it.each(reference.pictures)("has Pillow's size and pixels: $file", async ({ file, size, sha256: expected, mean }) => {
    const { width, height, data } = await loadImage(imagePath(file));
    expect([width, height]).toEqual(size);
    // JPEG decoders may differ by a unit; every other format has one reading.
    if (!file.endsWith(".jpg")) expect(sha256(data)).toBe(expected);
    expect(data.reduce((a, b) => a + b, 0) / data.length).toBeCloseTo(mean, 1);
  });

  it("drops alpha and does not blend: a transparent pixel keeps its colour", async () => {
    const png = await sharp(Buffer.from([10, 20, 30, 0]), { raw: { width: 1, height: 1, channels: 4 } })
      .png()
      .toBuffer();
    expect((await loadImage(png)).data).toEqual(new Uint8Array([10, 20, 30]));
  });

  it("stands upright as its orientation tag says", async () => {
    const lying = Buffer.from([255, 0, 0, 0, 0, 255]);
    const tagged = await sharp(lying, { raw: { width: 2, height: 1, channels: 3 } })
      .withMetadata({ orientation: 6 })
      .png()
      .toBuffer();
    const image = await loadImage(tagged);
    expect([image.width, image.height]).toEqual([1, 2]);
    expect(image.data).toEqual(new Uint8Array(lying));
  });

  it("is the same from a path and from bytes", async () => {
    const path = imagePath("alpha.png");
    expect(await loadImage(new Uint8Array(await readFile(path)))).toEqual(await loadImage(path));
  });

  it("is passed through when it is decoded already", async () => {
    const raw = { width: 2, height: 1, data: new Uint8Array(6) };
    expect(await loadImage(raw)).toBe(raw);
  });
});

describe("something that is no picture", () => {
  it("is an error that names the file", async () => {
    await expect(loadImage("/nowhere/x.png")).rejects.toThrow(DataError);
    await expect(loadImage("/nowhere/x.png")).rejects.toThrow("/nowhere/x.png");
    await expect(loadImage(`${imagePath("")}../cases.json`)).rejects.toThrow(
      "cases.json: expected an image (JPEG, PNG, GIF, WebP, TIFF or AVIF), got JSON",
    );
  });

  it("is an error when it is bytes, or none", async () => {
    await expect(loadImage(new Uint8Array([1, 2, 3]))).rejects.toThrow("image of 3 bytes");
    await expect(loadImage(new Uint8Array(0))).rejects.toThrow(DataError);
  });

  it("is an error when raw pixels are no bytes, or sides no whole numbers", async () => {
    for (const data of [new Float32Array(12), new Uint16Array(12), new BigInt64Array(12), [1, 2, 3]]) {
      const image = { width: 2, height: 2, data: data as unknown as Uint8Array };
      const expected = /^raw image of 2×2: expected RGB as a Uint8Array, .+, got a (Float32|Uint16|BigInt64)?Array$/;
      await expect(loadImage(image)).rejects.toThrow(expected);
      await expect(imageSize(image)).rejects.toThrow(expected);
    }
    for (const width of [1.5, "3", Number.NaN])
      await expect(loadImage({ width: width as number, height: 2, data: new Uint8Array(9) })).rejects.toThrow(
        DataError,
      );
    const clamped = new Uint8ClampedArray(3) as unknown as Uint8Array;
    expect((await loadImage({ width: 1, height: 1, data: clamped })).width).toBe(1);
  });

  it("is an error when a file's bytes are in another view", async () => {
    for (const source of [new DataView(new ArrayBuffer(8)), new Float32Array(8)])
      await expect(loadImage(source as unknown as Uint8Array)).rejects.toThrow(
        /^image: expected a path, a file's bytes as a Uint8Array, or raw pixels, got a (DataView|Float32Array)$/,
      );
  });

  it("is an error when raw pixels do not fill the size", async () => {
    await expect(loadImage({ width: 2, height: 2, data: new Uint8Array(11) })).rejects.toThrow(
      "12 bytes of RGB, got 11",
    );
  });
});
