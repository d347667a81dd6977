import { cp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import sharp from "sharp";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readData } from "../../src/config/data";
import { readConfig } from "../../src/config/read";
import { jpeg, temporaryFolder, writeFiles } from "../datasets/temporary";
import { rise } from "./rise";

let folder: string;
let image: Buffer;
beforeAll(async () => {
  folder = await temporaryFolder();
  image = await jpeg(40, 20);
});
beforeEach(async () => {
  await rm(folder, { recursive: true });
  await writeFiles(folder, { keep: "" });
});
afterAll(() => rm(folder, { recursive: true }));

const images = (...paths: readonly string[]) =>
  writeFiles(folder, Object.fromEntries(paths.map((path) => [path, image])));
const numbers = [0, 1, 2, 3, 4];
const numbered = Buffer.from(parquetWriteBuffer({ columnData: [{ name: "id", data: numbers, type: "INT32" }] }));

/** Runs init, and reads what it wrote. */
async function init(...argv: readonly string[]) {
  const { code, out, err } = await rise(["init", ...argv], { folder });
  expect(err).not.toMatch(/rise-ts init:/);
  const config = await readConfig({ flags: new Map(), folder });
  return { code, out, err, config, data: await readData(config) };
}

describe("rise-ts init", () => {
  it("finds folders of classes, and leaves out and lists what is not an image", async () => {
    await images(...numbers.flatMap((i) => [`photos/cat/${i}.jpg`, `photos/dog/${i}.jpg`]));
    await writeFiles(folder, { "photos/cat/notes.txt": "x", "photos/empty/keep": "" });
    const { code, out, err, config, data } = await init("photos");
    expect([code, data.train.length, data.test.length]).toEqual([0, 8, 2]);
    expect(err).toMatch(
      /"list", which leaves out .*notes\.txt: expected an image .*, got a file that is named \.txt$/m,
    );
    expect(config.task).toEqual({ kind: "classification", labels: ["cat", "dog"] });
    expect(config.data.onOmission).toBe("list");
    expect(out).toContain("10 images can be decoded.");
  });

  it("finds folders of classes that are divided already", async () => {
    await images("train/cat/1.jpg", "train/dog/2.jpg", "test/cat/3.jpg", "test/dog/4.jpg");
    const { config, data } = await init();
    expect(config.data).toMatchObject({ path: join(folder, "train"), test: join(folder, "test") });
    expect([data.train.length, data.test.length]).toEqual([2, 2]);
  });

  it("finds a table of probabilities whose images lie in a folder below", async () => {
    await images(...numbers.map((i) => `pictures/${i}.jpg`));
    const rows = numbers.map((i) => `${i}.jpg;${i / 10};${1 - i / 10}`);
    await writeFiles(folder, { "labels.csv": ["file;joy;sadness", ...rows].join("\n") });
    const { config, data } = await init();
    expect(config.data).toMatchObject({ format: "csv", image: "file", delimiter: ";", root: join(folder, "pictures") });
    expect(data.train).toHaveLength(4);
  });

  it("finds a table of votes, and one of label names", async () => {
    await images(...numbers.map((i) => `${i}.jpg`));
    await writeFiles(folder, {
      "a.csv": ["image,joy,sadness,id", ...numbers.map((i) => `${i}.jpg,${i},2,${i}`)].join("\n"),
    });
    expect((await init("a.csv")).config).toMatchObject({
      task: { labels: ["joy", "sadness"] },
      data: { normalize: true },
    });
    await writeFiles(folder, {
      "b.csv": ["image,label", ...numbers.map((i) => `${i}.jpg,${i % 2 ? "cat" : "dog"}`)].join("\n"),
    });
    const { config } = await init("b.csv", "--overwrite");
    expect(config).toMatchObject({ task: { labels: ["cat", "dog"] }, data: { format: "csv", label: "label" } });
  });

  it("finds COCO's annotations and the folder of their images", async () => {
    await images(...numbers.map((i) => `val2017/${i}.jpg`));
    const boxes = {
      images: numbers.map((i) => ({ id: i, file_name: `${i}.jpg`, width: 40, height: 20 })),
      annotations: numbers.map((i) => ({ id: i + 1, image_id: i, category_id: 1, bbox: [0, 0, 10, 10] })),
      categories: [{ id: 1, name: "dog" }],
    };
    // It is read as a stream, which bears any size, and a byte-order mark.
    await writeFiles(folder, { "annotations/instances.json": `\ufeff${JSON.stringify(boxes)}` });
    const { config, data } = await init();
    expect(config).toMatchObject({ task: { kind: "detection" }, data: { images: join(folder, "val2017") } });
    expect(data.train[0]).toMatchObject({ subject: "dog" });
  });

  it("finds rows of JSON, and conversations", async () => {
    await images(...numbers.map((i) => `images/${i}.jpg`));
    const row = (i: number) => ({ id: i, image: `images/${i}.jpg`, annotation: { joy: 1, sadness: 0 } });
    await writeFiles(folder, { "train.jsonl": numbers.map((i) => JSON.stringify(row(i))).join("\n") });
    expect((await init()).config).toMatchObject({ task: { labels: ["joy", "sadness"] }, data: { format: "jsonl" } });
    await rm(join(folder, "train.jsonl"));
    const talk = (i: number) => ({
      images: [`${i}.jpg`],
      messages: [
        { role: "user", content: "<image>Where is the dog?" },
        { role: "assistant", content: "<think>There.</think><answer>[1, 2, 3, 4]</answer>" },
      ],
    });
    await writeFiles(folder, { "sft.json": numbers.map(talk) });
    const { config, data } = await init("--overwrite");
    expect(config).toMatchObject({ task: { kind: "detection", single: true }, data: { root: join(folder, "images") } });
    expect(data.train[0]?.subject).toBe("Where is the dog?");
  });

  it("finds a table of percents", async () => {
    await images(...numbers.map((i) => `${i}.jpg`));
    const rows = numbers.map((i) => `${i}.jpg,${i}0%,${10 - i}0 %`);
    await writeFiles(folder, { "labels.csv": ["image,joy,fear", ...rows].join("\n") });
    const { config, data } = await init();
    expect(config.data).toMatchObject({ format: "csv", normalize: true });
    expect(data.train).toHaveLength(4);
  });

  it("finds a table in rows of JSON, as Hugging Face's image folders have it", async () => {
    await images(...numbers.map((i) => `${i}.jpg`));
    const row = (i: number) => ({ file_name: `${i}.jpg`, label: i % 2 ? "joy" : "fear", rater: i });
    await writeFiles(folder, { "metadata.jsonl": numbers.map((i) => JSON.stringify(row(i))).join("\n") });
    const { config, data } = await init("--test", "0.4");
    expect(config.data).toMatchObject({ format: "csv", image: "file_name", label: "label" });
    expect([data.train, data.test].map(({ length }) => length)).toEqual([3, 2]);
    expect(data.train[0]?.metadata).toMatchObject({ rater: expect.stringMatching(/^[0-4]$/) });
  });

  it("finds a Parquet file with classes", async () => {
    await cp("test/datasets/fixtures/hub.parquet", join(folder, "hub.parquet"));
    // One of its rows names a file.
    await images("green.png");
    const { code, out } = await rise(["init", "--test", "0.4"], { folder });
    expect([code, out]).toEqual([0, expect.stringContaining("Wrote rise.config.yaml")]);
    const { task, data } = await readConfig({ flags: new Map(), folder });
    expect([task, data]).toMatchObject([{ kind: "classification" }, { format: "parquet", label: "label" }]);
  });

  it("writes the options of its flags, and the meaning of each option", async () => {
    await images(...numbers.flatMap((i) => [`cat/${i}.jpg`, `dog/${i}.jpg`]));
    await init("--cot.group-size", "4", "--model", "./tiny", "--test", "0.4");
    const text = await readFile(join(folder, "rise.config.yaml"), "utf8");
    expect(text).toContain("\n  # G, cots sampled for each example; at least 2 to train.\n  groupSize: 4\n");
    expect(text).toContain("\n  # Updates (a whole number of at least 0).\n  # steps: 200\n");
    expect(text).toContain("\nmodel: ./tiny\n");
    expect(text).toContain("\n  path: ./\n");
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(110);
  });

  it("leaves a config that is there, unless it is told to", async () => {
    await images("cat/1.jpg", "dog/2.jpg", "cat/3.jpg", "dog/4.jpg");
    await writeFiles(folder, { "rise.config.yaml": "mine" });
    const { code, err } = await rise(["init"], { folder });
    expect([code, err]).toEqual([
      2,
      expect.stringMatching(/rise\.config\.yaml: expected no config yet, got one; pass --overwrite/),
    ]);
    expect(await readFile(join(folder, "rise.config.yaml"), "utf8")).toBe("mine");
  });

  it("exits with 3 and names the images that cannot be decoded, and the way out", async () => {
    await images(...numbers.flatMap((i) => [`cat/${i}.jpg`, `dog/${i}.jpg`]));
    const noise = await sharp({
      create: {
        width: 200,
        height: 200,
        channels: 3,
        background: "red",
        noise: { type: "gaussian", mean: 100, sigma: 50 },
      },
    })
      .jpeg()
      .toBuffer();
    await writeFiles(folder, { "cat/bad.jpg": noise.subarray(0, noise.length / 2) });
    const { code, out } = await rise(["init"], { folder });
    expect([code, out]).toEqual([3, expect.stringMatching(/1 of 11 images cannot be decoded:\n {2}cat\/bad\.jpg: /)]);
    expect(out).toContain("\nMend them, or leave them out with data.onOmission: list.\n");
  });

  it.each([
    ["an empty folder", {}, /expected folders of classes, a CSV .*, got an empty folder$/m],
    [
      "other files",
      { "a.txt": "x", "b.csv": "name,age\nx,1\n" },
      /expected folders of classes.*got a\.txt, b\.csv; b\.csv has the columns name, age: give it one that names an image/m,
    ],
    [
      "a table of words",
      { "b.csv": "image,joy,fear\n1.jpg,much,little\n" },
      /columns image, joy, fear: .* several of numbers, which have a point before their decimals$/m,
    ],
    [
      "a table of Germany",
      { "b.csv": "image;joy;fear\n1.jpg;0,5;0,5\n" },
      /got b\.csv; b\.csv has the columns image, joy, fear: .* a point before their decimals$/m,
    ],
    [
      "a table of quoted decimal commas",
      { "b.csv": 'image,joy,fear\n1.jpg,"0,5","0,5"\n2.jpg,"1,0","0,0"\n3.jpg,"0,5","0,5"\n4.jpg,"1,0","0,0"\n' },
      /got b\.csv; b\.csv has the columns image, joy, fear: .* a point before their decimals$/m,
    ],
    ["an empty table", { "b.csv": "" }, /got b\.csv; b\.csv has no columns: give it one that/m],
    [
      "rows that end early",
      { "b.jsonl": '{"image": "1.jpg", "annotation": {"joy": 1}}\n{"image": ' },
      /got b\.jsonl; .*b\.jsonl:2: expected a JSON object, got text that ends early/m,
    ],
    [
      "rows of something else",
      { "b.jsonl": '{"file": "1.jpg"}\n{"mood": "joy"}\n' },
      /got b\.jsonl; b\.jsonl has the columns file, mood: give it image and annotation in each row/m,
    ],
    [
      "Parquet without classes",
      { "b.parquet": numbered },
      /got b\.parquet; b\.parquet has the columns id: give it one of encoded images/m,
    ],
    [
      "a torn table",
      { "b.csv": "image,label\n1.jpg,joy,x\n" },
      /got b\.csv; .*b\.csv:2: expected 2 cells, as in the heading, got 3/m,
    ],
    ["images without annotations", { "1.jpg": "x" }, /got 1\.jpg; images without annotations can be annotated/m],
    ["one class", { "cat/1.jpg": "x" }, /got cat; make a folder for each class, two or more$/m],
    [
      "YOLO's files",
      { "train/labels/1.txt": "0 .5 .5 .1 .1" },
      /got train; YOLO's and Pascal VOC's .* convert them to COCO/m,
    ],
    ["Pascal VOC's files", { "Annotations/1.xml": "<annotation/>" }, /got Annotations; YOLO's and Pascal VOC's/m],
  ])("exits with 3 and says what it looked for in %s", async (_, files, message) => {
    await writeFiles(folder, files);
    await rm(join(folder, "keep"));
    const { code, err } = await rise(["init"], { folder });
    expect([code, err]).toEqual([3, expect.stringMatching(message)]);
  });

  it("exits with 3 when there is no such folder", async () => {
    const { code, err } = await rise(["init", "nowhere"], { folder });
    expect([code, err]).toEqual([3, expect.stringMatching(/nowhere: expected .*, got no such file or folder$/m)]);
  });
});
