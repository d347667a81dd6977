import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import type { Omission } from "../../src/dataset";
import { reasonSegDataset } from "../../src/datasets/lisa";
import { ConfigError, DataError } from "../../src/errors";
import { detection } from "../../src/tasks/detection";
import { jpeg, temporaryFolder, writeFiles } from "./temporary";

const root = await temporaryFolder();
afterAll(() => rm(root, { recursive: true }));
let count = 0;
let folder: string;
beforeEach(async () => {
  folder = join(root, String(count++));
  await mkdir(folder);
});

const square = [
  [10, 10],
  [30, 10],
  [30, 20],
  [10, 20],
];
const shape = (more: object = {}) => ({ label: "target", points: square, ...more });
const annotation = (shapes: readonly object[] = [shape()], text: unknown = "the lamp") => ({ text, shapes });
const pair = async (name: string, content: object, extension = "jpg") =>
  writeFiles(folder, { [`${name}.${extension}`]: await jpeg(100, 50), [`${name}.json`]: content });

describe("a folder of one's own in ReasonSeg's layout", () => {
  it("is read whatever number of images it has", async () => {
    const fixture = fileURLToPath(new URL("fixtures/reasonseg/x.json", import.meta.url));
    await copyFile(fixture, join(folder, "x.json"));
    await writeFile(join(folder, "x.jpg"), await jpeg(64, 48));
    await pair("y", annotation([shape(), shape()]));
    const dataset = await reasonSegDataset(folder, { space: "pixel" });
    expect(dataset[0]).toEqual({
      id: "x",
      image: join(folder, "x.jpg"),
      annotation: [{ space: "pixel", x: 5, y: 5, width: 25, height: 15 }],
      subject: "the lamp on the left",
      metadata: { width: 64, height: 48, targets: 1 },
    });
    expect(dataset.map(({ id }) => id)).toEqual(["x", "y", "y#2"]);
    for (const { id, annotation: boxes } of await reasonSegDataset(folder))
      detection({ single: true }).validate(boxes, id);
  });

  it.each(["JPG", "jpeg", "Jpeg", "png", "WEBP"])("finds images that end in .%s", async (extension) => {
    await pair("photo 1.2", annotation(), extension);
    expect((await reasonSegDataset(folder))[0]!.image).toBe(join(folder, `photo 1.2.${extension}`));
  });

  it.each([
    ["a text", "  the lamp\n"],
    ["a list", ["the lamp", "what gives light?"]],
  ])("has its question as %s", async (_, text) => {
    await pair("1", annotation([shape()], text));
    expect((await reasonSegDataset(folder))[0]!.subject).toBe("the lamp");
  });

  it.each([[""], [" "], [[]], [["", "the lamp"]]])("is refused with %j for a question", async (text) => {
    await pair("1", annotation([shape()], text));
    await expect(reasonSegDataset(folder)).rejects.toThrow(/1\.json: text: expected a question first/);
  });

  it.each(["polygon", "rectangle", "rotation", "mask", null, undefined])("takes the box around a %s", async (type) => {
    await pair("1", annotation([shape({ shape_type: type })]));
    expect((await reasonSegDataset(folder, { space: "pixel" }))[0]!.annotation).toEqual([
      { space: "pixel", x: 10, y: 10, width: 20, height: 10 },
    ]);
  });

  it.each(["circle", "point", "points", "line", "linestrip"])(
    "leaves out a %s by name, or refuses it",
    async (type) => {
      await pair("1", annotation([shape({ shape_type: type, points: square.slice(0, 3) }), shape()]));
      await expect(reasonSegDataset(folder)).rejects.toThrow(
        new RegExp(
          `1\\.json: shapes\\.0: a target drawn as a ${type}, whose points are not an outline; .*pass onOmission`,
        ),
      );
      const omissions: Omission[] = [];
      const dataset = await reasonSegDataset(folder, { onOmission: (omission) => omissions.push(omission) });
      expect([dataset.length, omissions.length]).toEqual([1, 1]);
    },
  );

  it("passes over folders, hidden files and files of other kinds", async () => {
    await pair("1", annotation());
    await writeFiles(folder, { "notes.txt": "", "._1.jpg": "", ".DS_Store": "", "2.jpg/inside.txt": "" });
    expect(await reasonSegDataset(folder)).toHaveLength(1);
  });

  it.each([
    ["an image alone", { "1.JPG": "" }, /expected a \.json file beside every image, got no 1\.json/],
    ["a JSON file alone", { "1.json": {} }, /expected a \.json file beside every image, got no 1\.jpg/],
    [
      "two images of a name",
      { "1.jpg": "", "1.png": "", "1.json": {} },
      /expected one image for 1\.json, got 1\.jpg and 1\.png/,
    ],
    ["nothing", {}, /expected images with their JSON files, got none\. Each image/],
    [
      "parts",
      { "train/1.jpg": "", "val/1.jpg": "" },
      /got none; name one of its folders, such as .*train\. Each image/,
    ],
  ])("is refused with %s", async (_, files, message) => {
    await writeFiles(folder, files);
    await expect(reasonSegDataset(folder)).rejects.toThrow(DataError);
    await expect(reasonSegDataset(folder)).rejects.toThrow(message);
  });

  it("has arguments that are checked at once", async () => {
    expect(() => reasonSegDataset(7 as never)).toThrow(/reasonSegDataset: expected dir to be text, got 7/);
    expect(() => reasonSegDataset(folder, { spaces: "unit" } as never)).toThrow(
      /unknown option "spaces"; did you mean "space"/,
    );
    expect(() => reasonSegDataset(folder, { space: "px" } as never)).toThrow(ConfigError);
    await expect(reasonSegDataset(join(folder, "none"))).rejects.toThrow(
      /none: expected a readable folder, got nothing at .*none\. Each image lies beside/,
    );
  });
});
