import { rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kShot } from "../../src/datasets/k-shot";
import { lisa } from "../../src/datasets/lisa";
import { DataError } from "../../src/errors";
import { detection } from "../../src/tasks/detection";
import { jpeg, temporaryFolder, writeFiles } from "./temporary";

const shape = (points: readonly (readonly number[])[], more: object = {}) => ({
  ...{ label: "target", labels: ["target"], shape_type: "polygon", image_name: "1.jpg", points },
  ...{ group_id: null, group_ids: [null], flags: {}, ...more },
});
const triangle = shape([
  [10, 20],
  [60, 20],
  [35, 45.5],
]);
const other = shape([
  [100, 0],
  [200, 0],
  [200, 50],
]);
const annotation = (...shapes: object[]) => ({
  ...{ text: ["what can a dog wear in the snow?", "which thing keeps a dog warm?"], is_sentence: true, shapes },
});

let folder: string;
const train = (name: string) => join(folder, "train", name);
/** The result for the first image's file; the other 238 are in order. */
const load = async (content: object | string | Uint8Array, options = {}) => {
  const isJson = typeof content === "object" && !(content instanceof Uint8Array);
  await writeFile(train("000.json"), isJson ? JSON.stringify(content) : content);
  const splits = await lisa(folder, options);
  return { ...splits, first: splits.train.filter(({ id }) => id.startsWith("train/000")) };
};

beforeAll(async () => {
  folder = await temporaryFolder();
  const image = await jpeg(200, 100);
  for (const [part, count] of [
    ["train", 239],
    ["val", 200],
  ] as const)
    for (let i = 0; i < count; i++) {
      const name = `${part}/${String(i).padStart(3, "0")}`;
      await writeFiles(folder, { [`${name}.jpg`]: image, [`${name}.json`]: annotation(triangle) });
    }
});
afterAll(() => rm(folder, { recursive: true }));

describe("LISA", () => {
  it("trains with the 239 images of train/, tests with the 200 of val/", async () => {
    const splits = await load(annotation(triangle));
    expect([splits.train.length, splits.test.length, splits.omissions]).toEqual([239, 200, []]);
    expect(kShot(splits.train, 16)).toHaveLength(16);
  });

  it("gives the box around a mask, in thousandths of the image, and the first question as its subject", async () => {
    const { first } = await load(annotation(triangle));
    expect(first).toEqual([
      {
        id: "train/000",
        image: train("000.jpg"),
        // x 10 … 60 of 200 pixels, y 20 … 45.5 of 100.
        annotation: [{ space: "thousand", x: 50, y: 200, width: 250, height: 255 }],
        subject: "what can a dog wear in the snow?",
        metadata: { width: 200, height: 100, targets: 1 },
      },
    ]);
    for (const { id, annotation: boxes } of first) detection({ single: true }).validate(boxes, id);
  });

  it("gives pixels when asked", async () => {
    const { first } = await load(annotation(triangle), { space: "pixel" });
    expect(first[0]!.annotation).toEqual([{ space: "pixel", x: 10, y: 20, width: 50, height: 25.5 }]);
  });

  it("splits an image with two targets into two examples of one box each", async () => {
    const { first } = await load(annotation(triangle, other));
    expect(first.map(({ id, annotation: boxes, metadata }) => [id, boxes.length, metadata!.targets])).toEqual([
      ["train/000", 1, 2],
      ["train/000#2", 1, 2],
    ]);
    expect(first[1]!.annotation[0]).toMatchObject({ x: 500, y: 0, width: 500, height: 500 });
  });

  it("takes the polygons of one group for parts of one target", async () => {
    const parts = [triangle, other].map((part) => ({ ...part, group_id: 3 }));
    const { first } = await load(annotation(...parts));
    expect(first).toHaveLength(1);
    expect(first[0]!.annotation[0]).toMatchObject({ x: 50, y: 0, width: 950, height: 500 });
  });

  it("leaves out what is not judged, and says so", async () => {
    const { first, omissions } = await load(
      annotation({ ...other, label: "ignore" }, { ...other, label: "Flag" }, triangle),
    );
    expect(first).toHaveLength(1);
    expect(omissions).toEqual([
      { where: `${train("000.json")}: shapes.0`, reason: 'a region labelled "ignore"' },
      { where: `${train("000.json")}: shapes.1`, reason: 'a region labelled "Flag"' },
    ]);
  });

  it("cuts a polygon at the image's edges", async () => {
    const { first } = await load(
      annotation(
        shape([
          [-10, -5],
          [50, 200],
          [20, 20],
        ]),
      ),
    );
    expect(first[0]!.annotation[0]).toMatchObject({ x: 0, y: 0, width: 250, height: 1000 });
  });

  it.each([
    ["without points", shape([])],
    ["of one point", shape([[3, 4]])],
    [
      "outside the image",
      shape([
        [300, 10],
        [400, 10],
        [350, 20],
      ]),
    ],
  ])("leaves out a target %s, and the image with it, and says both", async (_, empty) => {
    const { first, omissions } = await load(annotation(empty));
    expect(first).toEqual([]);
    expect(omissions.map(({ reason }) => reason)).toEqual([
      "a target without area in the image",
      "an image without a target",
    ]);
  });

  it("measures an image as it is shown, turned upright by its orientation tag", async () => {
    await writeFile(train("001.jpg"), await jpeg(100, 200, 6));
    const { train: examples } = await load(annotation(triangle));
    expect(examples.find(({ id }) => id === "train/001")!.metadata).toMatchObject({ width: 200, height: 100 });
  });

  it("reads files in Windows' encoding, as some of the published are", async () => {
    const text = JSON.stringify({ ...annotation(triangle), text: ["the dog’s coat"] });
    const { first } = await load(Buffer.from(text.replace("’", "\x92"), "latin1"));
    expect(first[0]!.subject).toBe("the dog’s coat");
  });

  it.each([
    ["Chinese in GBK", [0xd6, 0xd0, 0xce, 0xc4]],
    ["Japanese in Shift-JIS", [0x93, 0xfa, 0x96, 0x7b]],
    ["Russian in Windows-1251", [0xf1, 0xee, 0xe1, 0xe0]],
    ["Greek in Windows-1253", [0xf3, 0xea, 0xfd]],
    ["one Chinese character in GBK, of a small letter's byte and another", [0xe0, 0xb3]],
    ["one Chinese character in GBK, of a large letter's byte and a small one's", [0xc4, 0xe3]],
    ["three small letters", [0xe9, 0xe8, 0xe0]],
    ["a small letter and a division sign", [0xe9, 0xf7]],
    ["two large letters", [0xc4, 0xd6]],
    ["a byte that Windows-1252 has not", [0x81]],
    ["Polish in Windows-1250, a symbol inside a word", [0x57, 0xb9, 0x73]],
    ["English from a Mac, a large letter for an apostrophe", [0x79, 0xd5, 0x73]],
    ["French from a Mac, a large letter behind a small one", [0x66, 0x8e]],
  ])("refuses a question of %s rather than read other words", async (_, bytes) => {
    const [before, after] = JSON.stringify({ ...annotation(triangle), text: ["the @?"] }).split("@");
    await expect(load(Buffer.concat([Buffer.from(before!), Buffer.from(bytes), Buffer.from(after!)]))).rejects.toThrow(
      /000\.json:1: expected UTF-8 or Windows-1252, got other bytes: [0-9a-f ]+; save it as UTF-8/,
    );
  });

  it.each([
    "größer",
    "créée",
    "aïeül éé",
    "Ångström, naïve",
    "ÿþ",
    "œuf",
    "it´s 5°C",
    "col·lecció",
    "ÉTÉ à Évian",
    "1½ m², ¿qué?",
  ])("reads %s in Windows' encoding", async (word) => {
    const text = JSON.stringify({ ...annotation(triangle), text: [word] });
    const bytes = Buffer.from(text.replace("œ", "\x9c"), "latin1");
    expect((await load(bytes)).first[0]!.subject).toBe(word);
  });

  it("reads accents, dashes and quotes in Windows' encoding", async () => {
    const text = JSON.stringify({ ...annotation(triangle), text: ["“a café” – a naïve one…”"] });
    const windows: Readonly<Record<string, number>> = { "“": 0x93, "”": 0x94, "–": 0x96, "…": 0x85, é: 0xe9, ï: 0xef };
    const bytes = Buffer.from([...text].map((character) => windows[character] ?? character.charCodeAt(0)));
    expect((await load(bytes)).first[0]!.subject).toBe("“a café” – a naïve one…”");
  });

  it.each([
    ["a Git-LFS pointer", "version https://git-lfs.github.com/spec/v1\n", /expected JSON, got a Git-LFS pointer/],
    ["a web page", "<html></html>", /expected JSON, got a web page/],
    ["UTF-16", Buffer.from('{"text": []}', "utf16le"), /expected JSON, got text in UTF-16/],
  ])("names a file that is %s", async (_, content, message) => {
    await expect(load(content)).rejects.toThrow(message);
  });

  it("takes labelme's size for the points' when the picture is scaled", async () => {
    const { first } = await load({ ...annotation(triangle), imageWidth: 400, imageHeight: 200 }, { space: "pixel" });
    expect(first[0]!.annotation).toEqual([{ space: "pixel", x: 5, y: 10, width: 25, height: 12.75 }]);
    await expect(load({ ...annotation(triangle), imageWidth: 100, imageHeight: 200 })).rejects.toThrow(
      /000\.json: imageWidth, imageHeight: expected the size .* 200×100 pixels, or a scale of it, got 100×200; .*swapped/,
    );
  });

  it("refuses points that are fractions of the image", async () => {
    const points = [
      [0.1, 0.2],
      [0.9, 0.2],
      [0.5, 0.7],
    ];
    await expect(load(annotation(shape(points)))).rejects.toThrow(
      /000\.json: expected points in pixels, got points that all lie within 0 … 1, such as \[0\.1,0\.2\]; they look like/,
    );
  });

  it.each([
    ["no JSON", "{", /000\.json: expected a JSON object, got text that ends early, at column 2/],
    ["no shapes", { text: ["?"] }, /000\.json: shapes: /],
    ["no question", { ...annotation(triangle), text: [] }, /000\.json: text: expected a question first/],
    ["an empty question", { ...annotation(triangle), text: [" "] }, /text: expected a question first/],
    ["a point that is NaN", annotation(shape([[1, Number.NaN]])), /shapes\.0\.points\.0\.1: /],
    ["a point of three", annotation(shape([[1, 2, 3]])), /shapes\.0\.points\.0: /],
  ])("refuses a file with %s", async (_, content, message) => {
    await expect(load(content)).rejects.toThrow(DataError);
    await expect(load(content)).rejects.toThrow(message);
  });

  it("refuses a file of a gigabyte without reading it", async () => {
    await writeFile(train("000.json"), "");
    await truncate(train("000.json"), 2 ** 30);
    await expect(lisa(folder)).rejects.toThrow(/000\.json: expected at most 16 MiB, got 1024 MiB/);
  });
});

describe("a copy of LISA that is not whole", () => {
  beforeAll(() => writeFiles(folder, { "train/000.json": annotation(triangle) }));

  const hiding = async (name: string, message: RegExp) => {
    await rm(train(name));
    try {
      await expect(lisa(folder)).rejects.toThrow(message);
    } finally {
      await writeFiles(folder, {
        [`train/${name}`]: name.endsWith("json") ? annotation(triangle) : await jpeg(200, 100),
      });
    }
  };

  it("is refused, naming what is missing and where it is published", async () => {
    await hiding("007.jpg", /got no 007\.jpg\. ReasonSeg is published at https:.*LISA/);
    await hiding("008.json", /got no 008\.json\. ReasonSeg/);
    await expect(lisa(join(folder, "train"))).rejects.toThrow(
      /train.train: expected a readable folder, got nothing at .*ReasonSeg is published/,
    );
  });

  it("is refused a space that there is not", async () => {
    await expect(lisa(folder, { space: "pixels" as "pixel" })).rejects.toThrow(
      /lisa: expected space to be one of unit, thousand, pixel, got "pixels"/,
    );
  });

  it("takes nothing hidden for a pair: what macOS leaves behind", async () => {
    const hidden = ["train/._000.jpg", "train/._000.json", "train/.DS_Store"];
    await writeFiles(folder, Object.fromEntries(hidden.map((name) => [name, "no picture"])));
    expect((await load(annotation(triangle))).train).toHaveLength(239);
    for (const name of hidden) await rm(join(folder, name));
  });

  it("is refused where a pair is missing", async () => {
    await rm(train("238.jpg"));
    await hiding("238.json", /expected 239 images with their JSON files, got 238\. ReasonSeg/);
    await writeFiles(folder, { "train/238.jpg": await jpeg(200, 100) });
  });

  it("is refused where an image is a link out of it, or no picture", async () => {
    await writeFiles(folder, { "secret.jpg": await jpeg(2, 2) });
    await rm(train("009.jpg"));
    await symlink(join(folder, "secret.jpg"), train("009.jpg"));
    await expect(lisa(folder)).rejects.toThrow(/009\.json: expected an image inside .*train, got .*, a link to/);
    await rm(train("009.jpg"));
    await writeFile(train("009.jpg"), "picture");
    await expect(lisa(folder)).rejects.toThrow(/009\.jpg: expected an image/);
  });
});
