import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Splits } from "../../src/dataset";
import { cocoSub } from "../../src/datasets/coco-sub";
import { categoryOf, kShot } from "../../src/datasets/k-shot";
import type { Box } from "../../src/types";
import { jpeg, temporaryFolder, writeFiles } from "./temporary";

const categories = Array.from({ length: 80 }, (_, i) => ({ id: i + 1, name: `category ${i + 1}` }));
/** 40 images of each category; every image shows the next category as well, so that drawing must mind both. */
const images = Array.from({ length: 80 * 40 }, (_, i) => ({
  id: i + 1,
  file_name: `${i + 1}.jpg`,
  width: 640,
  height: 480,
}));
const annotations = images.flatMap(({ id }) =>
  [id % 80, (id + 1) % 80].map((category, i) => ({
    ...{ id: 2 * id + i, image_id: id, category_id: category + 1, bbox: [10, 20, 30, 40], iscrowd: 0 },
  })),
);
const file = "annotations/instances_train2017.json";

let folder: string;
/** A tenth of the size that the file gives, as of a copy that was scaled down. */
let picture: Buffer;
let drawn: Splits<readonly Box[]>;
beforeAll(async () => {
  folder = await temporaryFolder();
  picture = await jpeg(64, 48);
  await writeFiles(folder, { [file]: { images, annotations, categories } });
  await writeFiles(folder, Object.fromEntries(images.map(({ file_name }) => [`train2017/${file_name}`, picture])));
  drawn = await cocoSub(folder);
});
afterAll(() => rm(folder, { recursive: true }));

describe("COCO-Sub", () => {
  it("draws 25 images to train and 10 to test for each of 80 categories, as the paper says", () => {
    const { train, test } = drawn;
    expect([train.length, test.length]).toEqual([2000, 800]);
    for (const { name } of categories) {
      expect(train.filter((example) => categoryOf(example) === name)).toHaveLength(25);
      expect(test.filter((example) => categoryOf(example) === name)).toHaveLength(10);
    }
    expect(train[0]).toMatchObject({
      subject: categoryOf(train[0]!),
      image: expect.stringContaining(join(folder, "train2017")),
    });
  });

  it("never tests with an image that it trains with, for whichever category", () => {
    const { train, test } = drawn;
    const tested = new Set(test.map(({ image }) => image));
    expect(train.filter(({ image }) => tested.has(image))).toEqual([]);
  });

  it("draws the same for the same seed, and otherwise for another", async () => {
    const ids = async (seed: number) => (await cocoSub(folder, { seed })).train.map(({ id }) => id);
    expect(drawn.train.map(({ id }) => id)).toEqual(await ids(0));
    expect(drawn.train.map(({ id }) => id)).not.toEqual(await ids(1));
  });

  it("gives 4 shots of each category", () => {
    expect(kShot(drawn.train, 4, { by: categoryOf })).toHaveLength(320);
  });

  it("says what is missing and where it is published", async () => {
    await expect(cocoSub(join(folder, "train2017"))).rejects.toThrow(
      /expected annotations\/instances_train2017\.json, got none\. COCO is published at https:\/\/cocodataset\.org/,
    );
    const { test } = drawn;
    await rm(String(test[0]!.image));
    await expect(cocoSub(folder)).rejects.toThrow(/images?, got none for 1: \d+\.jpg\. COCO is published at/);
    await writeFiles(folder, { [`train2017/${String(test[0]!.image).split("/").at(-1)}`]: picture });
  });

  it("compares the pictures that it draws with their sizes in the file", async () => {
    const { train } = drawn;
    const [first, second] = train.map(({ image }) => String(image));
    await writeFile(first!, await jpeg(64, 48, 6));
    await writeFile(second!, "no picture");
    await expect(cocoSub(folder)).rejects.toThrow(
      /2 problems\n {2}image \d+: \d+\.jpg: expected .* 48×64 pixels, .* got 640×480: .* EXIF orientation 6 turns it/,
    );
    for (const path of [first!, second!]) await writeFile(path, picture);
  });

  it("refuses a space that there is not, before it reads the file", async () => {
    await expect(cocoSub("nowhere", { space: "pixels" as "pixel" })).rejects.toThrow(
      /cocoSub: expected space to be one of unit, thousand, pixel, got "pixels"/,
    );
  });

  it("refuses a file with other categories than 80, and with too few images of one", async () => {
    await writeFiles(folder, {
      [file]: { images, annotations, categories: [...categories, { id: 99, name: "more" }] },
    });
    await expect(cocoSub(folder)).rejects.toThrow(/expected 80 categories, got 81/);
    const few = annotations.filter(({ category_id, image_id }) => category_id !== 7 || image_id > 2000);
    await writeFiles(folder, { [file]: { images, annotations: few, categories } });
    await expect(cocoSub(folder)).rejects.toThrow(/expected at least 35 examples of category 7, .*; got \d+ and \d+/);
  });
});
