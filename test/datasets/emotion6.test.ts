import { rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { emotion6, emotion6Labels } from "../../src/datasets/emotion6";
import { categoryOf, kShot } from "../../src/datasets/k-shot";
import { DataError } from "../../src/errors";
import { classification } from "../../src/tasks/classification";
import { temporaryFolder, writeFiles } from "./temporary";

const heading =
  "[image_filename]\t[valence]\t[arousal]\t[prob. anger]\t[prob. disgust]\t[prob. fear]\t[prob. joy]\t[prob. sadness]\t[prob. surprise]\t[prob. neutral]";
const keywords = emotion6Labels.slice(0, 6);
const names = keywords.flatMap((keyword) => Array.from({ length: 330 }, (_, i) => `${keyword}/${i + 1}.jpg`));
// The second is the example of the authors' own description of the format.
const rows = names.map((name) => `${name}\t2.5\t3.8\t0.133333\t0.7\t0\t0.0666667\t0.1\t0\t0`);

let folder: string;
const load = async (lines: readonly string[], options = {}) => {
  await writeFile(join(folder, "ground_truth.txt"), `${lines.join("\n")}\n`);
  return emotion6(folder, options);
};
const all = () => load([heading, ...rows]);

beforeAll(async () => {
  folder = await temporaryFolder();
  await writeFiles(folder, Object.fromEntries(names.map((name) => [`images/${name}`, "picture"])));
  await writeFiles(folder, { "secret.jpg": "picture" });
});
afterAll(() => rm(folder, { recursive: true }));

describe("Emotion6", () => {
  it("is divided as the paper says, 1386 to train and 594 to test, each keyword 231 and 99", async () => {
    const { train, test, omissions } = await all();
    expect([train.length, test.length, omissions]).toEqual([1386, 594, []]);
    for (const keyword of keywords) {
      expect(train.filter((example) => categoryOf(example) === keyword)).toHaveLength(231);
      expect(test.filter((example) => categoryOf(example) === keyword)).toHaveLength(99);
    }
    expect(new Set([...train, ...test].map(({ id }) => id))).toEqual(new Set(names));
  });

  it("reads a row as its authors explain it", async () => {
    const { train, test } = await all();
    expect([...train, ...test].find(({ id }) => id === "disgust/1.jpg")).toEqual({
      id: "disgust/1.jpg",
      image: join(folder, "images", "disgust", "1.jpg"),
      annotation: { anger: 0.133333, disgust: 0.7, fear: 0, joy: 0.0666667, sadness: 0.1, surprise: 0, neutral: 0 },
      metadata: { category: "disgust", valence: 2.5, arousal: 3.8 },
    });
  });

  it("has annotations of a classification over its labels", async () => {
    const task = classification({ labels: [...emotion6Labels] });
    for (const { id, annotation } of (await all()).train) task.validate(annotation, id);
  });

  it("is divided by seed alone: the order of lines plays no part, another seed divides otherwise", async () => {
    const ids = ({ test }: Awaited<ReturnType<typeof all>>) => test.map(({ id }) => id).sort();
    const first = ids(await all());
    expect(ids(await load([heading, ...[...rows].reverse()]))).toEqual(first);
    expect(ids(await load([heading, ...rows], { seed: 1 }))).not.toEqual(first);
  });

  it("gives 4 and 16 shots of each keyword", async () => {
    const { train } = await all();
    expect(kShot(train, 4, { by: categoryOf })).toHaveLength(24);
    expect(kShot(train, 16, { by: categoryOf })).toHaveLength(96);
  });

  it("reads Windows line ends, a byte-order mark, and spaces between the columns", async () => {
    const text = [heading, ...rows].join("\r\n");
    expect((await load([`\uFEFF${text}`])).train).toHaveLength(1386);
    expect((await load([text.replaceAll("\t", "  ")])).train).toHaveLength(1386);
  });

  it.each([
    ["no heading", rows, /ground_truth\.txt:1: expected a heading with image_filename, valence, .* got anger\/1\.jpg/],
    [
      "a heading with columns in another order",
      [heading.replace("anger", "neutral"), ...rows],
      /:1: expected a heading/,
    ],
    [
      "a row too few",
      [heading, ...rows.slice(1)],
      /expected 1980 rows, 330 of each keyword, got 1979: 329 anger, 330 disgust.*chenlab/,
    ],
    ["a row twice", [heading, ...rows, rows[7]!], /:1982: expected each image once, got anger\/8\.jpg as in .*:9/],
  ])("refuses %s", async (_, lines, message) => {
    await expect(load(lines)).rejects.toThrow(DataError);
    await expect(load(lines)).rejects.toThrow(message);
  });

  it.each([
    [
      "a sum that is not 1",
      "anger/1.jpg 2 3 0.9 0.9 0 0 0 0 0",
      /:2: expected probabilities that sum to 1, got a sum of 1\.8/,
    ],
    [
      "a negative probability",
      "anger/1.jpg 2 3 -0.1 1.1 0 0 0 0 0",
      /:2: anger: expected a decimal number from 0 to 1, got "-0\.1"/,
    ],
    ["a probability that is NaN", "anger/1.jpg 2 3 nan 1 0 0 0 0 0", /:2: anger: .*got "nan"/],
    ["a column too few", "anger/1.jpg 2 3 1 0 0 0 0 0", /:2: expected a file name and 9 numbers, got 9 fields/],
    ["a name with a space, which has a field too many", "anger/1 a.jpg 2 3 1 0 0 0 0 0 0", /got 11 fields/],
    [
      "a valence out of range",
      "anger/1.jpg 12 3 1 0 0 0 0 0 0",
      /:2: valence: expected a decimal number from 1 to 9, got "12"/,
    ],
    ["an unknown keyword", "neutral/1.jpg 2 3 1 0 0 0 0 0 0", /:2: expected an image in one of anger\//],
    ["a path out of the folder", "anger/../../secret.jpg 2 3 1 0 0 0 0 0 0", /:2: expected an image path inside/],
  ])("refuses %s, naming the line", async (_, row, message) => {
    await expect(load([heading, row, ...rows.slice(1)])).rejects.toThrow(message);
  });

  it("says how many pictures are missing, which, and where they are published", async () => {
    const lost = rows.slice(0, 7).map((row) => row.replace(".jpg", "-lost.jpg"));
    await expect(load([heading, ...lost, ...rows.slice(7)])).rejects.toThrow(
      /expected 1980 images, got none for 7: anger\/1-lost\.jpg, .*anger\/5-lost\.jpg and 2 more\. Emotion6 is published at http/,
    );
  });

  it("says which picture is there when one is missing by its case alone", async () => {
    const [first, ...others] = rows;
    await expect(load([heading, first!.replace("1.jpg", "1.JPG"), ...others])).rejects.toThrow(
      /got none for 1: anger\/1\.JPG; anger\/1\.jpg is there: write "anger\/1\.jpg"\. Emotion6 is published at/,
    );
  });

  it("says what is missing of an empty folder", async () => {
    await expect(emotion6(join(folder, "images"))).rejects.toThrow(
      /expected ground_truth\.txt, got none\. Emotion6 is published at/,
    );
  });

  it("does not follow a link out of its folder", async () => {
    await symlink(join(folder, "secret.jpg"), join(folder, "images", "anger", "link.jpg"));
    const [first, ...others] = rows;
    await expect(load([heading, first!.replace("1.jpg", "link.jpg"), ...others])).rejects.toThrow(
      /:2: expected an image inside .*images, got .*link\.jpg, a link to .*secret\.jpg/,
    );
  });
});
