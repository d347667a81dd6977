import { rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Omission } from "../../src/dataset";
import { type CocoOptions, cocoDataset } from "../../src/datasets/coco";
import { ConfigError, DataError } from "../../src/errors";
import { detection } from "../../src/tasks/detection";
import { jpeg, temporaryFolder, writeFiles } from "./temporary";

const image = (id: number, more: object = {}) => ({
  ...{ license: 3, file_name: `${String(id).padStart(12, "0")}.jpg`, coco_url: "http://images.cocodataset.org/…" },
  ...{
    height: 100,
    width: 200,
    date_captured: "2013-11-14 17:02:52",
    flickr_url: "http://farm7.staticflickr.com/…",
    id,
    ...more,
  },
});
const annotation = (id: number, bbox: readonly number[], more: object = {}) => ({
  ...{
    segmentation: [[10, 10, 20, 10, 20, 20]],
    area: 50,
    iscrowd: 0,
    image_id: 1,
    bbox,
    category_id: 18,
    id,
    ...more,
  },
});
const crowd = annotation(90, [0, 0, 200, 100], { iscrowd: 1, segmentation: { counts: [0, 20000], size: [100, 200] } });
const dog = { supercategory: "animal", id: 18, name: "dog" };
const person = { supercategory: "person", id: 1, name: "person" };
const file = (
  images: readonly object[],
  annotations: readonly object[],
  categories: readonly object[] = [person, dog],
) => ({
  ...{ info: { description: "COCO 2017 Dataset" }, licenses: [{ id: 3, name: "…" }], images, annotations, categories },
});

let folder: string;
const load = async (content: object | string, options: CocoOptions = {}) => {
  await writeFiles(folder, { "instances.json": content });
  return cocoDataset(join(folder, "instances.json"), join(folder, "images"), options);
};
/** Examples, and what was left out. */
const loadAll = async (content: object) => {
  const omissions: Omission[] = [];
  return { examples: await load(content, { onOmission: (omission) => omissions.push(omission) }), omissions };
};

beforeAll(async () => {
  folder = await temporaryFolder();
  const picture = await jpeg(200, 100);
  await writeFiles(folder, {
    ...{ "images/000000000001.jpg": picture, "images/000000000002.jpg": picture, "images/caffè ☕.jpg": picture },
    "secret.jpg": picture,
  });
  await symlink(join(folder, "secret.jpg"), join(folder, "images", "link.jpg"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("a COCO file", () => {
  it("gives an example for each image and category, with all its boxes, in thousandths", async () => {
    const examples = await load(
      file(
        [image(1), image(2)],
        [
          ...[annotation(5, [20, 10, 40, 50]), annotation(6, [0, 0, 10, 10], { category_id: 1 })],
          ...[annotation(7, [100, 50, 100, 50]), annotation(8, [0, 0, 1, 1], { image_id: 2 })],
        ],
      ),
    );
    expect(examples.map(({ id, annotation: boxes }) => [id, boxes.length])).toEqual([
      ["1/dog", 2],
      ["1/person", 1],
      ["2/dog", 1],
    ]);
    expect(examples[0]).toEqual({
      id: "1/dog",
      image: join(folder, "images", "000000000001.jpg"),
      annotation: [
        { space: "thousand", x: 100, y: 100, width: 200, height: 500 },
        { space: "thousand", x: 500, y: 500, width: 500, height: 500 },
      ],
      subject: "dog",
      metadata: { category: "dog", width: 200, height: 100 },
    });
    for (const { id, annotation: boxes } of examples) detection().validate(boxes, id);
  });

  it.each([
    ["pixel", { space: "pixel", x: 20, y: 10, width: 40, height: 50 }],
    ["unit", { space: "unit", x: 0.1, y: 0.1, width: 0.2, height: 0.5 }],
  ] as const)("gives boxes in %s space when asked", async (space, box) => {
    const [example] = await load(file([image(1)], [annotation(5, [20, 10, 40, 50])]), { space });
    expect(example!.annotation).toEqual([box]);
  });

  it("wants a path, a folder of images and a space that there is, and says so at once", () => {
    const path = "instances.json";
    const message =
      'cocoDataset: expected space to be one of unit, thousand, pixel, got "pixels"; did you mean "pixel"?';
    expect(() => cocoDataset(path, folder, { space: "pixels" as "pixel" })).toThrow(new ConfigError(message));
    expect(() => cocoDataset(path, undefined as never)).toThrow(
      new ConfigError("cocoDataset: expected imageDir to be text, got nothing"),
    );
    expect(() => cocoDataset(7 as never, folder)).toThrow(/cocoDataset: expected path to be text, got 7$/);
  });

  it("may have its parts in any order, other fields, a byte-order mark, and file names in any script", async () => {
    const { images, annotations, categories } = file(
      [image(1, { file_name: "caffè ☕.jpg" })],
      [annotation(5, [0, 0, 5, 5])],
    );
    const text = JSON.stringify({ categories, mine: { images: [1], deep: [[{}]] }, annotations, images, more: "…" });
    expect((await load(`\uFEFF${text}`))[0]!.image).toBe(join(folder, "images", "caffè ☕.jpg"));
  });

  it("leaves out crowds, boxes without area and images without boxes, and says so", async () => {
    // The last is as annotation 2206849 of instances_train2017.json.
    const { examples, omissions } = await loadAll(
      file([image(1), image(2)], [crowd, annotation(5, [1, 1, 5, 5]), annotation(6, [9.98, 88.56, 5.54, 0])]),
    );
    expect(examples.map(({ annotation: boxes }) => boxes.length)).toEqual([1]);
    expect(omissions).toEqual([
      { where: expect.stringMatching(/instances\.json: annotation 90$/), reason: "a crowd, not one object" },
      { where: expect.stringMatching(/instances\.json: annotation 6$/), reason: "a box without area" },
      { where: expect.stringMatching(/instances\.json: image 2$/), reason: "an image without boxes" },
    ]);
  });

  it("is refused rather than cut when nobody asked to be told", async () => {
    await expect(load(file([image(1)], [crowd, annotation(5, [1, 1, 5, 5])]))).rejects.toThrow(
      /annotation 90: a crowd, not one object; pass onOmission to leave it out, or pass crowds: "objects"/,
    );
  });

  it("has boxes cut at the edge that rounding carried over it by less than a pixel", async () => {
    const [example] = await load(file([image(1)], [annotation(5, [-0.4, 50, 200.9, 50.7])]), { space: "pixel" });
    expect(example!.annotation).toEqual([{ space: "pixel", x: 0, y: 50, width: 200, height: 50 }]);
  });

  const one = [image(1)];
  it.each([
    [
      "a box outside the image",
      file(one, [annotation(5, [500, 10, 20, 20])]),
      /annotation 5: expected bbox \[x, y, width, height\] inside 200×100 pixels, got \[500, 10, 20, 20\]/,
    ],
    [
      "corners instead of a size",
      file(one, [annotation(5, [50, 50, 190, 90])]),
      /annotation 5: expected bbox .* got \[50, 50, 190, 90\]/,
    ],
    ["a box of negative size", file(one, [annotation(5, [50, 50, -10, 10])]), /annotation 5: expected bbox/],
    ["a box of three numbers", file(one, [annotation(5, [1, 2, 3])]), /annotations\.0: bbox/],
    [
      "a box that is null",
      file(one, [annotation(5, [Number.NaN, 2, 3, 4])]),
      /annotations\.0: bbox: expected four numbers .*got \[null,2,3,4\]/,
    ],
    [
      "an annotation without a box, as for captions",
      file(one, [{ id: 5, image_id: 1, caption: "A dog." }]),
      /annotations\.0: category_id: /,
    ],
    ["an annotation that is a number", file(one, [3 as unknown as object]), /annotations\.0: expected an object/],
    [
      "an image that is not there",
      file(one, [annotation(5, [1, 1, 2, 2], { image_id: 7 })]),
      /annotation 5: expected the id of an image, got image_id 7/,
    ],
    [
      "a category that is not there",
      file(one, [annotation(5, [1, 1, 2, 2], { category_id: 7 })]),
      /annotation 5: expected the id of a category, got category_id 7/,
    ],
    [
      "an annotation twice",
      file(one, [annotation(5, [1, 1, 2, 2]), annotation(5, [1, 1, 3, 3])]),
      /annotations\.1: expected an id of its own, got 5 again/,
    ],
    ["an image twice", file([image(1), image(1)], []), /images\.1: expected an id of its own, got 1 again/],
    [
      "a category twice",
      file(
        one,
        [annotation(5, [1, 1, 5, 5]), annotation(6, [1, 1, 5, 5], { category_id: 19 })],
        [dog, { ...dog, id: 19 }],
      ),
      /categories\.1: expected an id and a name of its own, got 19 "dog"/,
    ],
    [
      "an image whose size is no size",
      file([image(1, { width: -5 })], [annotation(5, [1, 1, 2, 2])]),
      /images\.0: width: expected a whole number of pixels, got -5/,
    ],
    ["no images", file([], []), /expected an array "images" with elements, got none/],
    [
      "images that are no array",
      { ...file(one, []), images: { first: image(1) } },
      /expected "images" to be an array, got an object/,
    ],
    ["no categories", file(one, [], []), /expected an array "categories" with elements/],
    [
      "no annotations, as of test images",
      { images: one, categories: file(one, []).categories },
      /expected an array "annotations" with elements/,
    ],
    ["another kind of JSON", [1, 2], /expected an array "images" with elements, got none/],
    [
      "half a file",
      JSON.stringify(file(one, [annotation(5, [1, 1, 2, 2])])).slice(0, -30),
      /instances\.json: expected JSON, got text that ends early, at line 1, column \d+ \(categories/,
    ],
    [
      "a picture that is missing",
      file([image(3)], [annotation(5, [1, 1, 2, 2], { image_id: 3 })]),
      /image 3: expected an image file at .*000000000003\.jpg, got none/,
    ],
    [
      "a path out of the folder",
      file([image(1, { file_name: "../secret.jpg" })], [annotation(5, [1, 1, 2, 2])]),
      /image 1: expected an image path inside .*images, got "\.\.\/secret\.jpg"/,
    ],
    [
      "an absolute path",
      file([image(1, { file_name: "/etc/hostname" })], [annotation(5, [1, 1, 2, 2])]),
      /expected an image path inside/,
    ],
    [
      "a link out of the folder",
      file([image(1, { file_name: "link.jpg" })], [annotation(5, [1, 1, 2, 2])]),
      /expected an image inside .*images, got .*link\.jpg, a link to/,
    ],
  ])("refuses %s", async (_, content, message) => {
    await expect(load(content)).rejects.toThrow(DataError);
    await expect(load(content)).rejects.toThrow(message);
  });

  it("keeps __proto__ a key like others", async () => {
    const text = JSON.stringify(file(one, [annotation(5, [1, 1, 2, 2])])).replace(
      '"license"',
      '"__proto__":{"id":9},"license"',
    );
    expect(await load(text)).toHaveLength(1);
    expect(({} as { id?: number }).id).toBeUndefined();
  });

  it("refuses a text of 17 MiB in it before it has it whole, and a gigabyte of nothing", async () => {
    await expect(load(`{"info": "${"x".repeat(17 * 2 ** 20)}"}`)).rejects.toThrow(/expected texts of at most 16 MiB/);
    await writeFile(join(folder, "instances.json"), "");
    await truncate(join(folder, "instances.json"), 2 ** 30);
    await expect(cocoDataset(join(folder, "instances.json"), folder)).rejects.toThrow(/instances\.json: expected JSON/);
  });

  it("refuses bytes that are no UTF-8, and a file that is not there", async () => {
    await writeFile(join(folder, "instances.json"), Buffer.from([0x7b, 0x22, 0xff, 0x22]));
    await expect(cocoDataset(join(folder, "instances.json"), folder)).rejects.toThrow(
      /expected UTF-8, got other bytes/,
    );
    await expect(cocoDataset(join(folder, "none.json"), folder)).rejects.toThrow(
      /none\.json: expected a readable file/,
    );
  });
});
