/** Files as common annotation tools write them, and as they are found after a careless copy. The shapes follow public issues of those tools. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Omission } from "../../src/dataset";
import { type CocoOptions, cocoDataset } from "../../src/datasets/coco";
import { ConfigError, DataError } from "../../src/errors";
import { jpeg, temporaryFolder, writeFiles } from "./temporary";

const dog = { id: 1, name: "dog" };
const box = [10, 8, 20, 16];
const annotation = (more: object = {}) => ({ id: 1, image_id: 1, category_id: 1, bbox: box, iscrowd: 0, ...more });
const file = (annotations: readonly object[], image: object = {}, categories: readonly object[] = [dog]) => ({
  images: [{ id: 1, file_name: "a.jpg", width: 64, height: 48, ...image }],
  ...{ annotations, categories },
});
/** The form of `box` in an image of 64×48. */
const inThousandths = { space: "thousand", x: 156, y: 167, width: 313, height: 333 };

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  const picture = await jpeg(64, 48);
  await writeFiles(folder, {
    ...{ "images/a.jpg": picture, "images/sub/b.jpg": picture, "images/My photo (1).jpg": picture },
    ...{ "images/half.jpg": await jpeg(32, 24), "images/odd.jpg": await jpeg(21, 16), "secret.jpg": picture },
    ...{ "images/turned.jpg": await jpeg(64, 48, 6), "images/left.jpg": await jpeg(640, 480, 8) },
    ...{ "images/almost-square.jpg": await jpeg(101, 100, 6), "images/flipped.jpg": await jpeg(64, 48, 3) },
    "images/pointer.jpg": "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
  });
});
afterAll(() => rm(folder, { recursive: true }));

const load = async (content: object | string | Uint8Array, options: CocoOptions = {}) => {
  await writeFiles(folder, { "coco.json": content });
  return cocoDataset(join(folder, "coco.json"), join(folder, "images"), options);
};
const boxesOf = async (content: object | string, options: CocoOptions = {}) =>
  (await load(content, options)).flatMap((example) => example.annotation);
const messageOf = async (content: object | string | Uint8Array, options: CocoOptions = {}): Promise<string> => {
  const error = await load(content, options).then(
    () => new Error("nothing was refused"),
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(DataError);
  return (error as DataError).message;
};
const omissionsOf = async (content: object) => {
  const omissions: Omission[] = [];
  const examples = await load(content, { onOmission: (omission) => omissions.push(omission) });
  return { boxes: examples.flatMap((example) => example.annotation), reasons: omissions.map(({ reason }) => reason) };
};

describe("the size that a COCO file gives", () => {
  const sized = (name: string, width: number | null, height: number | null, bbox = box) =>
    file([annotation({ bbox })], { file_name: name, width, height });

  it.each([
    ["an image turned to the right", sized("turned.jpg", 64, 48, [38, 38, 10, 10]), "48×64", "64×48", 6],
    ["one turned to the left", sized("left.jpg", 640, 480), "480×640", "640×480", 8],
    ["one whose size was scaled as it is stored", sized("left.jpg", 320, 240), "480×640", "320×240", 8],
    ["one that is almost square", sized("almost-square.jpg", 101, 100), "100×101", "101×100", 6],
    ["one whose box lies outside the stored size", sized("turned.jpg", 64, 48, [38, 54, 10, 10]), "48×64", "64×48", 6],
  ])("is refused when it is as stored, of %s", async (_, content, shown, said, orientation) => {
    const message = await messageOf(content);
    expect(message).toContain(
      `${content.images[0]!.file_name}: expected the size of the image as it is shown, ${shown}`,
    );
    expect(message).toContain(`got ${said}: the image is stored as`);
    expect(message).toContain(`its EXIF orientation ${orientation} turns it; write boxes and size as on the upright`);
  });

  it.each([
    ["upright, of a turned image", sized("turned.jpg", 48, 64)],
    ["of an image that is flipped, not turned", sized("flipped.jpg", 64, 48)],
    ["twice what the image has", sized("half.jpg", 64, 48)],
    ["a tenth of what the image has", sized("left.jpg", 48, 64)],
    ["three times what the image has, but for rounding", sized("odd.jpg", 64, 48)],
  ])("is right when it is %s", async (_, content) => {
    const { width, height } = content.images[0]!;
    expect(await boxesOf(content, { space: "unit" })).toEqual([
      {
        space: "unit",
        ...{ x: expect.closeTo(10 / width!, 12), y: expect.closeTo(8 / height!, 12) },
        ...{ width: expect.closeTo(20 / width!, 12), height: expect.closeTo(16 / height!, 12) },
      },
    ]);
  });

  it.each([
    [
      "of another shape",
      sized("a.jpg", 100, 80),
      /a\.jpg: expected .* 64×48 pixels, or a scale of it, got 100×80; write/,
    ],
    ["with width and height swapped", sized("a.jpg", 48, 64, [1, 1, 5, 5]), /got 48×64; width and height look swapped/],
    ["of a crop", sized("left.jpg", 480, 480), /480×640 pixels, or a scale of it, got 480×480/],
  ])("is refused when it is %s", async (_, content, message) => expect(await messageOf(content)).toMatch(message));

  it.each([
    ["missing", undefined, undefined],
    ["null", null, null],
    ["0", 0, 0],
    ["half missing", 64, undefined],
  ])("is read from the image when it is %s", async (_, width, height) => {
    const examples = await load(file([annotation()], { width, height }));
    expect(examples[0]).toMatchObject({ annotation: [inThousandths], metadata: { width: 64, height: 48 } });
    const upright = file([annotation({ bbox: [38, 54, 10, 10] })], { file_name: "turned.jpg", width, height });
    expect(await boxesOf(upright, { space: "pixel" })).toEqual([
      { space: "pixel", x: 38, y: 54, width: 10, height: 10 },
    ]);
  });

  it("makes pixels those of the image that is there", async () => {
    const examples = await load(sized("half.jpg", 64, 48), { space: "pixel" });
    expect(examples[0]).toMatchObject({
      annotation: [{ space: "pixel", x: 5, y: 4, width: 10, height: 8 }],
      metadata: { width: 32, height: 24 },
    });
  });

  it("holds boxes to the image when the file gives none", async () => {
    const content = file([annotation({ bbox: [50, 8, 30, 10] })], { width: 0, height: 0 });
    expect(await messageOf(content)).toMatch(
      /annotation 1: expected bbox .* inside 64×48 pixels, got \[50, 8, 30, 10\]/,
    );
  });

  it("is compared when clip leaves a box out that lies outside", async () =>
    expect(await messageOf(sized("turned.jpg", 64, 48, [38, 54, 10, 10]), { clip: true })).toMatch(
      /turned\.jpg: expected the size .*EXIF orientation 6 turns it/,
    ));

  it("is told of all images that differ, together", async () => {
    const images = ["turned.jpg", "left.jpg", "almost-square.jpg", "a.jpg", "nowhere.jpg"].map((name, i) => ({
      ...{ id: i + 1, file_name: name, width: [64, 640, 101, 64, 64][i], height: [48, 480, 100, 48, 48][i] },
    }));
    const annotations = images.map(({ id }) => annotation({ id, image_id: id }));
    const message = await messageOf({ images, annotations, categories: [dog] });
    expect(message).toMatch(/coco\.json: 4 problems\n {2}image 1: turned\.jpg: .*\n {2}image 2: left\.jpg: /);
    expect(message).toMatch(/\n {2}image 5: expected an image file at .*nowhere\.jpg, got none$/);
  });
});

describe("a box", () => {
  it.each([
    ["attributes.rotation 90", { attributes: { occluded: false, rotation: 90.0 } }],
    ["attributes.rotation -12.5", { attributes: { rotation: "-12.5" } }],
    ["attributes.Rotation 45", { attributes: { Rotation: 45 } }],
    ["rotation 30", { rotation: 30 }],
    ["angle 1.2", { angle: 1.2 }],
    ["theta 5", { theta: 5 }],
  ])("is left out by name when it is turned (%s)", async (said, turn) => {
    const content = file([annotation(turn), annotation({ id: 2, bbox: [1, 2, 3, 4] })]);
    expect(await messageOf(content)).toContain(`annotation 1: a turned box (${said}), whose bbox is as it was before`);
    const { boxes, reasons } = await omissionsOf(content);
    expect([boxes.length, reasons.length]).toEqual([1, 1]);
  });

  it("is refused when its bbox_mode says that it is not corner and size", async () => {
    for (const mode of [0, "BoxMode.XYXY_ABS", 4])
      expect(await messageOf(file([annotation({ bbox_mode: mode })]))).toMatch(
        /annotations\.0: bbox_mode: expected 1, which means \[x, y, width, height\], got .*; write the boxes so/,
      );
    for (const mode of [1, null]) expect(await boxesOf(file([annotation({ bbox_mode: mode })]))).toHaveLength(1);
  });

  it("is left out by name when it is marked to be ignored, and read when the mark is 0, false or null", async () => {
    for (const ignore of [1, true]) {
      const content = file([annotation({ ignore }), annotation({ id: 2, bbox: [1, 2, 3, 4] })]);
      expect(await messageOf(content)).toContain("annotation 1: marked to be ignored (ignore 1); pass onOmission");
      expect((await omissionsOf(content)).boxes).toHaveLength(1);
    }
    for (const ignore of [0, false, null])
      expect(await boxesOf(file([annotation({ ignore })]))).toEqual([inThousandths]);
  });

  it.each([
    ["0", { attributes: { rotation: 0.0 } }],
    ["a whole turn", { attributes: { rotation: 360 } }],
    ["half a turn", { rotation: 180 }],
    ["null", { rotation: null, attributes: null }],
    ["a word", { attributes: { rotation: "upright", angle: "front" } }],
    ["no turn", { attributes: { speed: 90 } }],
  ])("is read when its turn is %s", async (_, more) => {
    expect(await boxesOf(file([annotation(more)]))).toEqual([inThousandths]);
  });

  it.each([
    ["of five numbers", [10, 8, 20, 16, 30], /got \[10,8,20,16,30\]: a turned box, perhaps/],
    ["of four corners", [1, 1, 9, 1, 9, 9, 1, 9], /got \[1,1,9,1,9,9,1,9\]: a turned box, perhaps/],
    ["of three numbers", [1, 2, 3], /got \[1,2,3\]$/],
    ["of texts", ["1", "2", "3", "4"], /got \["1","2","3","4"\]$/],
    ["that is an object", { x: 1, y: 2 }, /got \{"x":1,"y":2\}$/],
    ["that is missing", undefined, /got undefined$/],
    ["that is null", null, /got null$/],
  ])("is refused in the user's words when it is one %s", async (_, bbox, message) => {
    const text = await messageOf(file([annotation({ bbox })]));
    expect(text).toMatch(/annotations\.0: bbox: expected four numbers \[x, y, width, height\], got /);
    expect(text).toMatch(message);
  });

  it.each([
    [
      "all",
      [
        [0.15, 0.2, 0.3, 0.4],
        [0, 0, 1, 1],
      ],
      {},
    ],
    ["one", [[0.5, 0.5, 0.5001, 0.5]], {}],
    ["all, and the image's size is not known", [[0.1, 0.1, 0.2, 0.2]], { width: null, height: null }],
  ])("is taken for a fraction when %s lie within 0 … 1", async (_, boxes, image) => {
    const content = file(
      boxes.map((bbox, id) => annotation({ id, bbox })),
      image,
    );
    expect(await messageOf(content)).toMatch(
      /expected boxes in pixels, got .* within 0 … 1, such as \[.*; they look like fractions/,
    );
  });

  it("of a fraction is left out by name when others are in pixels", async () => {
    const content = file([annotation(), annotation({ id: 2, bbox: [0.1, 0.2, 0.3, 0.4] })]);
    const { boxes, reasons } = await omissionsOf(content);
    expect(boxes).toEqual([inThousandths]);
    expect(reasons).toEqual(["a box smaller than a pixel at the corner, as fractions of the image are"]);
  });

  it("of one pixel is read", async () => {
    expect(await boxesOf(file([annotation(), annotation({ id: 2, bbox: [0, 0, 1, 1] })]))).toHaveLength(2);
  });

  it.each([
    ["to the left", [-2, 8, 20, 16], [0, 8, 18, 16]],
    ["to the right by 1.5 pixels", [50, 8, 15.5, 16], [50, 8, 14, 16]],
    ["above and below", [10, -9, 5, 90], [10, 0, 5, 48]],
    ["on all sides", [-100, -100, 500, 500], [0, 0, 64, 48]],
  ])("is cut when it reaches out %s and that is asked for", async (_, bbox, [x, y, width, height]) => {
    const content = file([annotation({ bbox })]);
    expect(await boxesOf(content, { clip: true, space: "pixel" })).toEqual([{ space: "pixel", x, y, width, height }]);
    expect(await messageOf(content)).toMatch(/inside 64×48 pixels, got \[.*\].*; pass clip: true to cut boxes/);
  });

  it("is left out by name when nothing of it is in the image", async () => {
    const omissions: Omission[] = [];
    const content = file([annotation({ bbox: [100, 8, 20, 16] }), annotation({ id: 2 })]);
    expect(await load(content, { clip: true, onOmission: (omission) => omissions.push(omission) })).toHaveLength(1);
    expect(omissions).toEqual([
      { where: `${join(folder, "coco.json")}: annotation 1`, reason: "a box outside its image" },
    ]);
  });

  it("is never cut when the file's boxes are corners", async () => {
    const corners = [
      [30, 20, 50, 40],
      [10, 30, 60, 45],
      [40, 5, 63, 47],
      [1, 2, 10, 12],
    ];
    const content = file(corners.map((bbox, id) => annotation({ id, bbox })));
    expect(await messageOf(content, { clip: true })).toMatch(
      /got 4 that all fit as two corners .*, and 3 of them reach out/,
    );
    expect(await messageOf(content)).toMatch(/got \[30, 20, 50, 40\], which would fit as two corners/);
  });

  it("is told of with all others that reach out", async () => {
    const content = file(Array.from({ length: 200 }, (_, id) => annotation({ id, bbox: [60, 2, 30, 4] })));
    const message = await messageOf(content);
    expect(message).toMatch(/coco\.json: 200 problems\n {2}annotation 0: .*\n {2}annotation 1: .*\n {2}annotation 2: /);
    expect(message).toMatch(/\n {2}and 197 more; pass clip: true/);
  });

  const polygons = [
    [10, 8, 30, 8, 30, 20],
    [12, 9, 12, 24, 15, 15],
  ];
  it.each([
    ["missing", undefined],
    ["null", null],
    ["empty", []],
  ])("is that around the polygons when it is %s and that is asked for", async (_, bbox) => {
    const content = file([annotation({ bbox, segmentation: polygons })]);
    expect(await boxesOf(content, { missingBoxes: "polygon" })).toEqual([inThousandths]);
    expect(await messageOf(content)).toMatch(
      /got (undefined|null|\[\]), but a segmentation; pass missingBoxes: "polygon"/,
    );
  });

  it("is refused when it is missing beside a mask or half a polygon", async () => {
    for (const segmentation of [{ counts: [1, 2], size: [48, 64] }, [[1, 2, 3]], [], undefined])
      expect(await messageOf(file([annotation({ bbox: null, segmentation })]), { missingBoxes: "polygon" })).toMatch(
        /bbox: expected a bbox or a polygon, got null/,
      );
  });
});

describe("what writers leave out or write otherwise", () => {
  it.each([
    ["iscrowd false", file([annotation({ iscrowd: false })])],
    ["iscrowd null", file([annotation({ iscrowd: null })])],
    ["no iscrowd", file([{ ...annotation(), iscrowd: undefined }])],
    ["no id of the annotation", file([{ ...annotation(), id: undefined }])],
    [
      "ids that are texts",
      file([annotation({ id: "x-1", image_id: "img", category_id: "c" })], { id: "img" }, [{ id: "c", name: "dog" }]),
    ],
    ["ids that are a number here and its text there", file([annotation({ id: "1", image_id: "1", category_id: "1" })])],
    [
      "a root category of the same name",
      file([annotation()], {}, [{ id: 0, name: "dog", supercategory: "none" }, dog]),
    ],
    ["a root category after its children", file([annotation()], {}, [dog, { id: 7, name: "dog" }])],
    [
      "a category's name that is used by nobody, twice",
      file([annotation()], {}, [dog, { id: 2, name: "x" }, { id: 3, name: "x" }]),
    ],
  ])("is read: %s", async (_, content) => {
    const [example, ...others] = await load(content);
    expect([example?.annotation, example?.subject, others]).toEqual([[inThousandths], "dog", []]);
  });

  it("is read: ids as 1.0, and a name that is a number", async () => {
    const text = JSON.stringify(file([annotation()], {}, [{ id: 1, name: 7 }])).replaceAll(/("\w*id"):1\b/g, "$1:1.0");
    expect(text).toContain('"image_id":1.0');
    expect((await load(text)).map(({ id, subject }) => [id, subject])).toEqual([["1/7", "7"]]);
  });

  it("names the array when a file has none of it, and not what refers to it", async () => {
    const { images: _, ...without } = file([annotation()]);
    expect(await messageOf(without)).toMatch(/coco\.json: expected an array "images" with elements, got none$/);
  });

  it("names an image that cannot be read, and not what refers to it", async () =>
    expect(await messageOf(file([annotation()], { width: "64" }))).toMatch(
      /coco\.json: images\.0: width: expected a whole number of pixels, got "64"$/,
    ));

  it("names an annotation without an id by its place", async () => {
    const content = file([annotation(), { ...annotation({ bbox: [60, 2, 30, 4] }), id: null }]);
    expect(await messageOf(content)).toMatch(/coco\.json: annotations\.1: expected bbox/);
  });

  it.each([
    ["iscrowd", annotation({ iscrowd: "yes" }), /iscrowd: expected 0, 1, true, false or null, got "yes"$/],
    ["image_id", annotation({ image_id: null }), /image_id: expected a whole number or text, got null$/],
    ["category_id", annotation({ category_id: 1.5 }), /category_id: expected a whole number or text, got 1\.5$/],
    ["image_id", { bbox: box, category_id: 1 }, /image_id: .* got undefined; the fields there are bbox, category_id$/],
  ])("is refused with field and value: a bad %s", async (_, bad, message) => {
    expect(await messageOf(file([{ ...bad, segmentation: [Array(90).fill(1)] }, annotation({ id: 2 })]))).toMatch(
      new RegExp(
        `annotations\\.0: ${message.source.replace("are bbox, category_id", "are bbox, category_id, segmentation")}`,
      ),
    );
  });

  it("is told of all kinds of faults together", async () => {
    const bad = [
      annotation({ bbox: null }),
      ...[annotation({ id: 2, category_id: 9 }), annotation({ id: 3, image_id: 9 }), annotation({ id: 2 })],
    ];
    const message = await messageOf(file(bad));
    expect(message).toMatch(/^.*coco\.json: 4 problems\n/);
    for (const part of ["annotations.0: bbox: ", "got category_id 9", "got image_id 9", "got 2 again"])
      expect(message).toContain(part);
  });
});

describe("crowds", () => {
  const crowd = (id: number) =>
    annotation({ id, iscrowd: 1, segmentation: { counts: [100, 20, 2952], size: [48, 64] } });

  it("are objects when that is asked for, one or all", async () => {
    expect(await boxesOf(file([crowd(1)]), { crowds: "objects" })).toEqual([inThousandths]);
    expect(await boxesOf(file([crowd(1), annotation({ id: 2 })]), { crowds: "objects" })).toHaveLength(2);
  });

  it("are refused with the option's name when there is nothing else, whoever asked to be told", async () => {
    for (const options of [{}, { onOmission: () => {} }])
      for (const iscrowd of [1, true])
        expect(await messageOf(file([crowd(1), { ...crowd(2), iscrowd }]), options)).toMatch(
          /got crowds alone: iscrowd is 1 in all annotations \(2\), .*; pass crowds: "objects"/,
        );
  });

  it("are told of with the option's name when there is more", async () => {
    expect(await messageOf(file([crowd(1), annotation({ id: 2 })]))).toMatch(
      /annotation 1: a crowd, not one object; pass onOmission to leave it out, or pass crowds: "objects" to take it for one$/,
    );
  });
});

describe("a picture's name", () => {
  const named = (file_name: string) => file([annotation()], { file_name });

  it.each(["sub\\b.jpg", ".\\sub\\b.jpg", "sub/b.jpg", "./sub/b.jpg", "sub//b.jpg"])("may be %s", async (name) => {
    expect((await load(named(name)))[0]!.image).toBe(join(folder, "images", "sub", "b.jpg"));
  });

  it.each([
    ["A.JPG", "a.jpg"],
    ["images/a.jpg", "a.jpg"],
    ["images\\1/a.jpg", "a.jpg"],
    ["data/images/sub/b.jpg", "sub/b.jpg"],
    ["b.jpg", "sub/b.jpg"],
    ["SUB\\B.JPG", "sub/b.jpg"],
    ["My%20photo%20(1).jpg", "My photo (1).jpg"],
    ["my photo (1).jpg ", "My photo (1).jpg"],
    ["sub%2Fb.jpg", "sub/b.jpg"],
    ["a.png", "a.jpg"],
    ["data/local-files/?d=images/a.jpg", "a.jpg"],
    ["upload/3/0f3c9a1b-a.jpg", "a.jpg"],
  ])("%s is refused with what is there: %s", async (name, there) => {
    expect(await messageOf(named(name))).toContain(`got none; ${there} is there: write "${there}"`);
  });

  it.each([
    ["/data/a.jpg", "a.jpg"],
    ["C:\\data\\a.jpg", "a.jpg"],
    ["../../other/a.jpg", "a.jpg"],
  ])("%s leads out of the folder, and is refused with what is there", async (name, there) => {
    expect(await messageOf(named(name))).toMatch(
      new RegExp(`expected an image path inside .*; ${there} is there: write`),
    );
  });

  it.each(["../secret.jpg", "sub\\..\\..\\secret.jpg", "../images/../secret.jpg", "secret.jpg", "..", "sub/..", "."])(
    "%s finds nothing outside the folder",
    async (name) => expect(await messageOf(named(name))).not.toContain("is there"),
  );

  it("of what is no picture is refused, or left out by name", async () => {
    const content = { ...file([annotation(), annotation({ id: 2, image_id: 2 })]) };
    const images = [...content.images, { id: 2, file_name: "pointer.jpg", width: 64, height: 48 }];
    expect(await messageOf({ ...content, images })).toMatch(
      /image 2: .*pointer\.jpg: expected an image .*, got a Git-LFS pointer; run git lfs pull/,
    );
    const { boxes, reasons } = await omissionsOf({ ...content, images });
    expect([boxes.length, reasons.length]).toEqual([1, 1]);
  });

  it("is looked for in a folder that is there", async () => {
    await writeFiles(folder, { "coco.json": file([annotation()]) });
    await expect(cocoDataset(join(folder, "coco.json"), join(folder, "nowhere"))).rejects.toThrow(
      /a\.jpg, got none; .*nowhere is not a folder that exists/,
    );
  });
});

describe("an annotation file that is something else", () => {
  const json = JSON.stringify(file([annotation()]));
  it.each([
    [
      "a Git-LFS pointer",
      "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n",
      /got a Git-LFS pointer; run git lfs pull/,
    ],
    [
      "a web page",
      "\n<!DOCTYPE html>\n<html><body>Sign in</body></html>",
      /got a web page \(HTML\); download the file itself/,
    ],
    ["empty", "", /got an empty file$/],
    ["cut short", json.slice(0, 135), /got text that ends early, at line 1, column 136 \(annotations\.0\.bbox.*\)/],
    ["a gzip archive", Buffer.from([0x1f, 0x8b, 8, 0, 0]), /got a gzip archive; unpack it first/],
    ["UTF-16", Buffer.from(`\ufeff${json}`, "utf16le"), /got text in UTF-16; save it as UTF-8/],
    ["UTF-16 without a mark", Buffer.from(json, "utf16le"), /got text in UTF-16/],
    ["a picture", Buffer.from([0xff, 0xd8, 0xff, 0xe0]), /got a JPEG image$/],
    ["GBK", Buffer.from([0x7b, 0x22, 0xd6, 0xd0, 0x22]), /expected UTF-8, got other bytes; save it as UTF-8/],
  ])("is named when it is %s", async (_, content, message) => expect(await messageOf(content)).toMatch(message));

  it.each([
    ["NaN", '"iscrowd":0', '"area":NaN', "annotations.0.area"],
    ["-Infinity", "[10,", "[-Infinity,", "annotations.0.bbox.0"],
    ["Infinity", '"width":64', '"width":Infinity', "images.0.width"],
    ["None", '"iscrowd":0', '"iscrowd":None', "annotations.0.iscrowd"],
  ])("is named with line, column and element when it has %s", async (word, from, to, element) => {
    const text = json.replace(from, to).replace('"annotations"', '\n"annotations"');
    const before = text.slice(0, text.indexOf(word)).split("\n");
    expect(await messageOf(text)).toContain(
      `expected JSON, got ${word}, which JSON does not have, at line ${before.length}, column ${before.at(-1)!.length + 1} (${element})`,
    );
  });
});

it("refuses options that there are not, at once", () => {
  const open = (options: object) => () => cocoDataset("coco.json", "images", options as CocoOptions);
  expect(open({ crowds: "keep" })).toThrow(
    new ConfigError('cocoDataset: expected crowds to be one of omit, objects, got "keep"'),
  );
  expect(open({ clip: "yes" })).toThrow(/cocoDataset: expected clip to be true or false, got "yes"/);
  expect(open({ missingBoxes: "mask" })).toThrow(/missingBoxes to be one of refuse, polygon, got "mask"/);
});
