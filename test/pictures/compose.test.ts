import { describe, expect, it } from "vitest";
import { drawing, type Raster } from "../../examples/pictures/art";
import { composePicture, type Picture, type Placed, pictureSize, thirds, tilts } from "../../examples/pictures/compose";
import { sceneObjects } from "../../examples/pictures/vocabulary";
import { ConfigError, DataError } from "../../src/errors";

const compose = (count: number, seed: number) =>
  composePicture(sceneObjects.slice(seed % 50, (seed % 50) + count), seed);
const pictures = await Promise.all(Array.from({ length: 30 }, (_, seed) => compose(1 + (seed % 3), seed)));

describe("a composed picture", () => {
  it("is the same whenever it is composed again, and another one for another seed", async () => {
    expect(await compose(3, 5)).toEqual(await compose(3, 5));
    const [one, other] = await Promise.all([1, 2].map((seed) => composePicture(sceneObjects.slice(0, 2), seed)));
    expect(one!.image.data).not.toEqual(other!.image.data);
  });

  it("shows each emoji in its box, which is the extent of what its drawing leaves visible", async () => {
    for (const picture of pictures)
      for (const [i, item] of picture.items.entries()) {
        const raster = await rasterIn(picture, item);
        expect(raster, `${item.emoji.name} stands where the picture says`).toBeDefined();
        expect(picture.boxes[i]).toEqual(extent(raster!, item));
      }
  });

  it("keeps its items apart and inside", () => {
    for (const { items } of pictures)
      for (const [i, a] of items.entries()) {
        expect(Math.min(a.x, a.y)).toBeGreaterThanOrEqual(0);
        expect(Math.max(a.x, a.y) + a.size).toBeLessThanOrEqual(pictureSize);
        for (const b of items.slice(0, i)) {
          const apart = a.x + a.size <= b.x || b.x + b.size <= a.x || a.y + a.size <= b.y || b.y + b.size <= a.y;
          expect(apart).toBe(true);
        }
      }
  });

  it("lists its items column by column, each from top to bottom", () => {
    for (const { items } of pictures) {
      const cells = items.map(thirds).map(([column, row]) => column * 3 + row);
      expect(cells).toEqual([...cells].sort((a, b) => a - b));
    }
  });

  it("shows one to three emoji, each of which can be drawn", async () => {
    await expect(composePicture([], 0)).rejects.toThrow(ConfigError);
    await expect(composePicture(sceneObjects.slice(0, 4), 0)).rejects.toThrow(ConfigError);
    await expect(drawing("not-an-emoji", "fluent", 44, 0)).rejects.toThrow(DataError);
  });
});

/** The drawing, at one of the tilts, whose opaque pixels are all found in the picture. */
async function rasterIn(picture: Picture, item: Placed): Promise<Raster | undefined> {
  const candidates = await Promise.all(tilts.map((tilt) => drawing(item.emoji.code, item.style, item.size, tilt)));
  return candidates.find((raster) =>
    pixels(raster).every(({ x, y, rgba }) => {
      const at = ((item.y + y) * pictureSize + item.x + x) * 3;
      return rgba[3] !== 255 || [0, 1, 2].every((c) => picture.image.data[at + c] === rgba[c]);
    }),
  );
}

function extent(raster: Raster, { x: left, y: top }: Placed): object {
  const visible = pixels(raster).filter(({ rgba }) => rgba[3]! >= 32);
  const thousandth = (pixel: number) => Math.round((pixel / pictureSize) * 1000);
  const x = thousandth(left + Math.min(...visible.map((p) => p.x)));
  const y = thousandth(top + Math.min(...visible.map((p) => p.y)));
  const right = thousandth(left + Math.max(...visible.map((p) => p.x)) + 1);
  const bottom = thousandth(top + Math.max(...visible.map((p) => p.y)) + 1);
  return { space: "thousand", x, y, width: right - x, height: bottom - y };
}

const pixels = ({ size, rgba }: Raster) =>
  Array.from({ length: size * size }, (_, i) => ({
    x: i % size,
    y: Math.floor(i / size),
    rgba: rgba.subarray(i * 4, i * 4 + 4),
  }));
