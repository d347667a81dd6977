import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { imagenetSub, imagenetSubClasses } from "../../src/datasets/imagenet-sub";
import { categoryOf, kShot } from "../../src/datasets/k-shot";
import { classification } from "../../src/tasks/classification";
import { temporaryFolder, writeFiles } from "./temporary";

const synsets = Object.keys(imagenetSubClasses);
const labels = Object.values(imagenetSubClasses);

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  // n01440764 is a class that nobody asks for.
  for (const synset of [...synsets, "n01440764"])
    await writeFiles(
      folder,
      Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${synset}/${synset}_${i * 7}.JPEG`, ""])),
    );
});
afterAll(() => rm(folder, { recursive: true }));

describe("ImageNet-Sub", () => {
  it("draws 25 photographs to train and 10 to test of each of 20 classes, as the paper says", async () => {
    const { train, test, omissions } = await imagenetSub(folder);
    expect([train.length, test.length, omissions]).toEqual([500, 200, []]);
    for (const label of labels) {
      expect(train.filter((example) => categoryOf(example) === label)).toHaveLength(25);
      expect(test.filter((example) => categoryOf(example) === label)).toHaveLength(10);
    }
    expect(new Set([...train, ...test].map(({ id }) => id)).size).toBe(700);
    const task = classification({ labels });
    for (const { id, annotation } of train) task.validate(annotation, id);
  });

  it("names the class by its folder, and keeps the file's own name as id", async () => {
    const { train } = await imagenetSub(folder);
    const carton = train.find((example) => categoryOf(example) === "carton")!;
    expect(carton.id).toMatch(/^n02971356\/n02971356_\d+\.JPEG$/);
    expect(carton.image).toBe(join(folder, carton.id));
    expect(Object.entries(carton.annotation).filter(([, p]) => p > 0)).toEqual([["carton", 1]]);
  });

  it("takes other classes", async () => {
    const { train } = await imagenetSub(folder, { classes: { n01440764: "tench", n02971356: "box" } });
    expect(new Set(train.map(categoryOf))).toEqual(new Set(["tench", "box"]));
  });

  it("gives 4 and 16 shots of each class", async () => {
    const { train } = await imagenetSub(folder);
    expect([4, 16].map((k) => kShot(train, k, { by: categoryOf }).length)).toEqual([80, 320]);
  });

  it("says which classes are missing, and where they are published", async () => {
    await expect(imagenetSub(join(folder, "n02971356"))).rejects.toThrow(
      /expected a folder for each of 20 classes, got none for n02708093, .*n02992529\. ImageNet is published at https:\/\/www\.image-net\.org/,
    );
  });

  it("refuses a class with fewer photographs than 35", async () => {
    for (let i = 0; i < 6; i++) await rm(join(folder, "n02971356", `n02971356_${i * 7}.JPEG`));
    await expect(imagenetSub(folder)).rejects.toThrow(/expected at least 35 examples of carton, .*got 34 and 24/);
  });
});
