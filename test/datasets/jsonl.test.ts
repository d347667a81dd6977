import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jsonlDataset } from "../../src/datasets/jsonl";
import { ConfigError, DataError } from "../../src/errors";
import { classification } from "../../src/tasks/classification";
import { detection } from "../../src/tasks/detection";
import { segmentation } from "../../src/tasks/segmentation";

const moods = classification({ labels: ["joy", "sadness"] });
const good = { id: "1", image: "images/1.png", annotation: { joy: 0.9, sadness: 0.1 } };

describe("a JSON-lines dataset", () => {
  let folder: string;
  let file: string;
  const read = async (...rows: readonly (object | string)[]) => {
    await writeFile(file, rows.map((row) => (typeof row === "string" ? row : JSON.stringify(row))).join("\n"));
    return jsonlDataset(file, moods);
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "rise-jsonl-"));
    file = join(folder, "data", "train.jsonl");
    await mkdir(join(folder, "data", "images"), { recursive: true });
    await writeFile(join(folder, "data", "images", "1.png"), "picture");
    await writeFile(join(folder, "data", "..1.png"), "picture");
    await writeFile(join(folder, "secret.png"), "picture");
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("gives examples in the order of the lines, images as paths from the file's folder", async () => {
    const second = { ...good, id: "2", subject: "the dog", metadata: { source: "web" } };
    expect(await read(good, "", second)).toEqual([
      { ...good, image: join(folder, "data", "images", "1.png") },
      { ...second, image: join(folder, "data", "images", "1.png") },
    ]);
  });

  it("reads files with Windows line ends and a byte-order mark", async () => {
    expect(await read(`\uFEFF${JSON.stringify(good)}\r`, JSON.stringify({ ...good, id: "2" }))).toHaveLength(2);
  });

  it("takes null for a subject or metadata that a row does not have", async () => {
    const [example] = await read({ ...good, subject: null, metadata: null });
    expect(example).toEqual({ ...good, image: join(folder, "data", "images", "1.png") });
  });

  it("reads boxes for a task of boxes", async () => {
    const box = { space: "thousand", x: 1, y: 2, width: 3, height: 4 };
    await read(good);
    await writeFile(file, JSON.stringify({ ...good, annotation: [box] }));
    expect((await jsonlDataset(file, detection({ target: "a cup" })))[0]!.annotation).toEqual([box]);
  });

  it.each([
    ["lists of numbers", [[1, 2, 3, 4]], /box 0 of .*expected \{ space, x, y, width, height \}, got \[1,2,3,4\]/],
    ["without a space", [{ x: 1, y: 2, width: 3, height: 4 }], /expected \{ space, .*, got \{"x":1,/],
    [
      "with text for a number",
      [{ space: "thousand", x: "1", y: 2, width: 3, height: 4 }],
      /expected finite numbers, got \["1", 2, 3, 4\]/,
    ],
    ["without a height", [{ space: "thousand", x: 1, y: 2, width: 3 }], /got \[1, 2, 3, undefined\]/],
  ])("says what boxes look like where they are %s", async (_, annotation, message) => {
    await read(good);
    await writeFile(file, JSON.stringify({ ...good, annotation }));
    await expect(jsonlDataset(file, detection({ target: "a cup" }))).rejects.toThrow(message);
  });

  it("says what outlines look like where one is COCO's flat list", async () => {
    await read(good);
    const annotation = [{ space: "thousand", points: [1, 1, 100, 1, 100, 100] }];
    await writeFile(file, JSON.stringify({ ...good, annotation }));
    await expect(jsonlDataset(file, segmentation())).rejects.toThrow(
      /train\.jsonl:1: .* points \[x, y\] of two finite numbers, .* COCO's flat list/,
    );
  });

  it.each([
    [
      "not JSON",
      "{id: 1}",
      /train\.jsonl:2: expected a JSON object, got i where a key in quotes or \} belongs, at column 2/,
    ],
    [
      "Python's NaN",
      '{"id": "2", "image": "images/1.png", "annotation": {"joy": NaN, "sadness": 0.1}}',
      /:2: expected a JSON object, got NaN, which JSON does not have, at column \d+ \(annotation\.joy\)/,
    ],
    ["not an object", [1], /train\.jsonl:2: expected an object, got \[1\]/],
    [
      "an id that is half a number",
      { ...good, id: 7.5 },
      /:2: id: expected an id .* text or a whole number.*, got 7\.5/,
    ],
    [
      "an id beyond what numbers tell apart",
      { ...good, id: 2 ** 60 },
      /:2: id: expected at most 9007199254740991, got 1152921504606847000/,
    ],
    [
      "no id",
      { image: good.image, annotation: good.annotation },
      /:2: id: expected an id of its own for each row, .* such as "1", got undefined; the fields there are image, annotation/,
    ],
    [
      "a number that is an id as a text as well",
      { ...good, id: 1 },
      /:2: expected an id of its own, got "1" as in .*:1/,
    ],
    ["no image", { id: "2", annotation: good.annotation }, /:2: image: /],
    ["no annotation", { id: "2", image: good.image }, /:2: annotation: /],
    ["a misspelt key", { ...good, id: "2", subjekt: "dog" }, /:2: .*subjekt/],
    ["an id that occurs twice", good, /:2: expected an id of its own, got "1" as in .*train\.jsonl:1/],
    ["an unknown label", { ...good, id: "2", annotation: { joy: 0.9, sadness: 0, anger: 0.1 } }, /:2: .*anger/],
    [
      "a sum that is not 1",
      { ...good, id: "2", annotation: { joy: 0.9, sadness: 0.3 } },
      /:2: .*expected a sum of 1, got 1\.2/,
    ],
    ["an annotation that is text", { ...good, id: "2", annotation: "joy" }, /:2: /],
    [
      "a probability that is text",
      { ...good, id: "2", annotation: { joy: "0.9", sadness: 0.1 } },
      /:2: .*expected a probability of at least 0 for "joy", got "0\.9"/,
    ],
    ["an annotation that is null", { ...good, id: "2", annotation: null }, /:2: .*got null/],
    [
      "an image that is not there",
      { ...good, id: "2", image: "images/2.png" },
      /:2: expected an image file at .*2\.png, got none/,
    ],
    ["an image that is a folder", { ...good, id: "2", image: "images" }, /:2: expected an image file/],
    ["an image outside the folder", { ...good, id: "2", image: "../secret.png" }, /:2: expected an image path inside/],
    [
      "an image outside by a detour",
      { ...good, id: "2", image: "images/../../secret.png" },
      /:2: expected an image path inside/,
    ],
    ["an absolute image path", { ...good, id: "2", image: "/etc/hostname" }, /:2: expected an image path inside/],
  ])("names file and line of %s", async (_, row, message) => {
    await expect(read(good, row)).rejects.toThrow(DataError);
    await expect(read(good, row)).rejects.toThrow(message);
  });

  it("reads \\ for / where no file has one in its name, and says which file may be meant otherwise", async () => {
    const [example] = await read({ ...good, image: "images\\1.png" });
    expect(example!.image).toBe(join(dirname(file), "images", "1.png"));
    await expect(read({ ...good, image: "Images/1.PNG" })).rejects.toThrow(
      /:1: .*1\.PNG, got none; images\/1\.png is there: write "images\/1\.png"/,
    );
  });

  it("reads an id that is a whole number as its text", async () => {
    const ids = [0, -3, 1.0, 2 ** 53 - 1];
    const examples = await read(...ids.map((id) => ({ ...good, id })));
    expect(examples.map(({ id }) => id)).toEqual(["0", "-3", "1", "9007199254740991"]);
  });

  it.each([
    ["on one line", JSON.stringify([good])],
    ["over several", `[\n${JSON.stringify(good)}\n]\n`],
    ["pretty-printed", JSON.stringify([good], null, 2)],
    ["that is empty", "[]"],
    ["after blank lines and a byte-order mark", `\uFEFF\n\n  [${JSON.stringify(good)}]`],
  ])("says that a file is an array, %s", async (_, text) => {
    await expect(read(text)).rejects.toThrow(
      /train\.jsonl:\d: expected one object a line; this is an array: write each/,
    );
  });

  it.each([2, 4, "\t"])("says that an object goes over several lines, indented by %j", async (indent) => {
    await expect(read(JSON.stringify(good, null, indent))).rejects.toThrow(
      /train\.jsonl:1: expected one object a line; this one does not end on its line: write it on one, as jq -c \. does/,
    );
  });

  it("takes an image whose name only begins with two dots", async () => {
    expect(await read({ ...good, image: "..1.png" })).toHaveLength(1);
  });

  it("wants a path and a task, and says so at once", () => {
    expect(() => jsonlDataset(undefined as never, moods)).toThrow(
      new ConfigError("jsonlDataset: expected path to be text, got nothing"),
    );
    expect(() => jsonlDataset(file, undefined as never)).toThrow(ConfigError);
    expect(() => jsonlDataset(file, "classification" as never)).toThrow(
      /jsonlDataset: expected task to be a task, .*, got "classification"$/,
    );
  });

  it("refuses an empty file and one that is not there", async () => {
    await expect(read("")).rejects.toThrow(/expected at least one line/);
    await expect(jsonlDataset(join(folder, "none.jsonl"), moods)).rejects.toThrow(
      /none\.jsonl: expected a readable file/,
    );
  });
});
