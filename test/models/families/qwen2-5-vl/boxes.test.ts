import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openModel } from "../../../../src/models/open-model";
import { boxIou, convertBox } from "../../../../src/similarity/boxes";
import { detection } from "../../../../src/tasks/detection";
import type { Box } from "../../../../src/types";

const data = (path: string) => fileURLToPath(new URL(`../../../reference/data/families/${path}`, import.meta.url));
const model = await openModel(data("qwen2-5-vl/tied/checkpoint"));
/** 133 × 90 pixels, for which transformers has the grid [1, 6, 10] of patches of 14 pixels. */
const image = data("images/room.png");

describe("a box in pixels that the model sees", () => {
  it("is the size of the resized image, not of the file", async () => {
    expect(await model.resizedSize(image)).toEqual({ width: 140, height: 84 });
  });

  it("has the same place in the image as the box of the data set", async () => {
    const size = await model.resizedSize(image);
    const inFile: Box = { space: "pixel", x: 13.3, y: 45, width: 66.5, height: 22.5 };
    const share = convertBox(inFile, "unit", { width: 133, height: 90 });
    const seen = convertBox(share, "pixel", size);
    expect(seen.space).toBe("pixel");
    for (const [side, expected] of [
      ["x", 14],
      ["y", 42],
      ["width", 70],
      ["height", 21],
    ] as const)
      expect(seen[side]).toBeCloseTo(expected, 9);
    const back = convertBox(convertBox(seen, "unit", size), "pixel", { width: 133, height: 90 });
    expect(boxIou(back, inFile)).toBeCloseTo(1, 9);
  });

  it("is what a detection task in pixels reads and rewards", async () => {
    const size = await model.resizedSize(image);
    const task = detection({ space: "pixel", boxFormat: "xyxy" });
    const thousand: Box = { space: "thousand", x: 100, y: 500, width: 500, height: 250 };
    const truth = [convertBox(thousand, "pixel", size)];
    const read = task.parse('[{"bbox_2d": [14, 42, 84, 63], "label": "lamp"}]')!;
    expect(read).toEqual([{ space: "pixel", x: 14, y: 42, width: 70, height: 21 }]);
    expect(task.similarity(truth, read)).toBeCloseTo(1, 9);
  });
});
