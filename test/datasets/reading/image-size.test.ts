import { describe, expect, it } from "vitest";
import { type ShownSize, shownSize, sizeProblem } from "../../../src/datasets/reading/image-size";
import { jpeg } from "../temporary";

const upright = (width: number, height: number): ShownSize => ({
  width,
  height,
  stored: { width, height },
  orientation: 1,
});

describe("the size of a picture", () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    "is the size of the picture as it is shown, with orientation %i",
    async (orientation) => {
      const stored = { width: 64, height: 48 };
      const shown = orientation >= 5 ? { width: 48, height: 64 } : stored;
      expect(await shownSize(await jpeg(64, 48, orientation))).toEqual({ ...shown, stored, orientation });
    },
  );

  it.each([
    ["no bytes", "", /expected an image .*, got an empty file/],
    ["text", "picture", /image of 7 bytes: expected an image \(.*\), got text/],
    ["a web page", "<!doctype html>", /got a web page/],
  ])("is refused of %s", async (_, text, message) => {
    await expect(shownSize(Buffer.from(text))).rejects.toThrow(message);
  });
});

describe("a size that an annotation gives", () => {
  it("agrees with each size that the picture may have been scaled to or from", () => {
    for (const [width, height] of [
      [640, 480],
      [333, 500],
      [1920, 1081],
      [427, 640],
    ] as const)
      for (let side = 20; side <= 2000; side += 13) {
        const scaled = [Math.floor, Math.round, Math.ceil].map((round) =>
          upright(side, round((side * height) / width)),
        );
        for (const shown of scaled) {
          expect(sizeProblem({ width, height }, shown)).toBeUndefined();
          expect(sizeProblem(shown, upright(width, height))).toBeUndefined();
        }
      }
  });

  it("differs from a picture of another shape by more than a pixel", () => {
    for (const [width, height] of [
      [64, 51],
      [60, 48],
      [48, 64],
      [64, 64],
    ] as const)
      expect(sizeProblem({ width, height }, upright(64, 48))).toMatch(
        /^expected the size .* 64×48 pixels, or a scale of it, got/,
      );
  });

  it("agrees with a square picture, however it is turned", () => {
    const square = { width: 50, height: 50 };
    expect(sizeProblem(square, { ...square, stored: square, orientation: 6 })).toBeUndefined();
  });
});
