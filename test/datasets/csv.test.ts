import { rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Omission } from "../../src/dataset";
import { type CsvOptions, csvDataset } from "../../src/datasets/csv";
import { ConfigError, DataError } from "../../src/errors";
import { temporaryFolder, writeFiles } from "./temporary";

let folder: string;
let file: string;
const read = async (...lines: readonly string[]) => {
  await writeFile(file, lines.join("\n"));
  return csvDataset(file, ["joy", "sadness"]);
};

beforeAll(async () => {
  folder = await temporaryFolder();
  file = join(folder, "data", "ratings.csv");
  await writeFiles(folder, { "data/images/1.png": "", "data/images/café, 2.png": "", "secret.png": "" });
  await symlink(join(folder, "secret.png"), join(folder, "data", "images", "link.png"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("a table with a column for each label", () => {
  it("gives distributions, and images as paths from the file's folder", async () => {
    expect(await read("image,joy,sadness", "images/1.png,0.9,0.1")).toEqual([
      { id: "images/1.png", image: join(folder, "data", "images", "1.png"), annotation: { joy: 0.9, sadness: 0.1 } },
    ]);
  });

  it("reads ids and subjects where there are such columns, and keeps the others as metadata", async () => {
    const [example] = await read("sadness,rater,id,joy,subject,image", "0,7,x,1,the dog,images/1.png");
    expect(example).toMatchObject({
      id: "x",
      subject: "the dog",
      annotation: { joy: 1, sadness: 0 },
      metadata: { rater: "7" },
    });
  });

  it("reads quotes, line breaks in them, Windows line ends, a byte-order mark and names in any script", async () => {
    const examples = await read(
      "\uFEFFimage,joy,sadness,note\r",
      '"images/café, 2.png",1e0,0,"two',
      'lines"\r',
      "",
      "images/1.png,.5,.5,\r",
    );
    expect(examples.map(({ id }) => id)).toEqual(["images/café, 2.png", "images/1.png"]);
    expect(examples[0]!.metadata).toEqual({ note: "two\nlines" });
  });

  it.each([
    [
      "a sum that is not 1",
      "images/1.png,0.9,0.3",
      /ratings\.csv:2: expected probabilities that sum to 1, got a sum of 1\.2/,
    ],
    ["a negative probability", "images/1.png,1.1,-0.1", /:2: joy: expected a decimal number from 0 to 1, got "1\.1"/],
    ["an empty cell", "images/1.png,1,", /:2: sadness: expected a decimal number from 0 to 1, got ""/],
    ["a decimal comma", 'images/1.png,"0,5","0,5"', /:2: joy: .*got "0,5"; write a decimal point/],
    ["text", "images/1.png,much,little", /:2: joy: .*got "much"/],
    [
      "a hexadecimal number",
      "images/1.png,0,0x1",
      /ratings\.csv:2: sadness: expected a decimal number from 0 to 1, got "0x1"/,
    ],
    ["a binary number", "images/1.png,0b1,0", /:2: joy: .*got "0b1"/],
    ["half a number", "images/1.png,1e,0", /:2: joy: .*got "1e"/],
    ["a cell too few", "images/1.png,1", /:2: expected 3 cells, as in the heading, got 2$/],
    ["a cell too many", "images/1.png,1,0,0", /:2: expected 3 cells, .*, got 4; write a cell with "," in it in quotes/],
    ["a quote without end", '"images/1.png,1,0', /:2: expected a closing quote, got the end of the file; write ""/],
    ["a quote inside a cell", 'images/"1".png,1,0', /:2: expected a quote only at the beginning of a cell, got one/],
    ["text behind a quote", '"images/1".png,1,0', /:2: expected the end of the cell after its closing quote, got more/],
    [
      "a percent",
      "images/1.png,90%,10%",
      /:2: joy: .*got "90%"; pass normalize: true for counts of votes, or percents/,
    ],
    ["no image", ",1,0", /:2: expected an image and an id, got an empty cell/],
    ["an image that is not there", "images/3.png,1,0", /:2: expected an image file at .*3\.png, got none/],
    ["a path out of the folder", "../secret.png,1,0", /:2: expected an image path inside/],
    ["an absolute path", "/etc/hostname,1,0", /:2: expected an image path inside/],
    ["a link out of the folder", "images/link.png,1,0", /:2: expected an image inside .*link\.png, a link to/],
    [
      "an image twice, where there is no column of ids",
      "images/1.png,1,0\nimages/1.png,0,1",
      /:3: expected an id of its own, got "images\/1\.png" as in .*ratings\.csv:2/,
    ],
  ])("refuses %s, naming file and line", async (_, row, message) => {
    await expect(read("image,joy,sadness", row)).rejects.toThrow(DataError);
    await expect(read("image,joy,sadness", row)).rejects.toThrow(message);
  });

  it("takes an empty cell for no subject", async () => {
    const [example] = await read("image,joy,sadness,subject", "images/1.png,1,0,");
    expect(example).not.toHaveProperty("subject");
  });

  it("leaves out rows without an annotation by name, and refuses them otherwise", async () => {
    await writeFile(file, "image,joy,sadness\nimages/1.png,,\nimages/1.png,1,0");
    await expect(csvDataset(file, ["joy", "sadness"])).rejects.toThrow(
      /:2: no annotation: empty cells for joy, sadness; pass onOmission to leave it out$/,
    );
    const omissions: Omission[] = [];
    const onOmission = (omission: Omission) => omissions.push(omission);
    expect(await csvDataset(file, ["joy", "sadness"], { onOmission })).toHaveLength(1);
    expect(omissions).toEqual([{ where: `${file}:2`, reason: "no annotation: empty cells for joy, sadness" }]);
  });

  it("refuses labels that occur twice", () => {
    expect(() => csvDataset(file, ["joy", "joy"])).toThrow(/expected labels to be a list of columns that differ/);
  });

  it("refuses a heading without a column it needs or with one twice, and a table without rows", async () => {
    await expect(read("image,joy", "images/1.png,1")).rejects.toThrow(/:1: expected columns sadness, got image, joy/);
    await expect(read("image,joy,sadness,joy", "images/1.png,1,0,1")).rejects.toThrow(
      /:1: expected columns that differ, got "joy" twice/,
    );
    await expect(read("image,joy,sadness")).rejects.toThrow(/expected a heading and at least one row/);
    await expect(read("")).rejects.toThrow(/expected a heading and at least one row/);
    await expect(csvDataset(join(folder, "none.csv"), ["joy"])).rejects.toThrow(/none\.csv: expected a readable file/);
  });

  it("reads what Excel and people write: old Mac lines, spaces after commas, columns and rows without text", async () => {
    const expected = [{ joy: 0.9, sadness: 0.1 }];
    for (const text of [
      "image,joy,sadness\rimages/1.png,0.9,0.1\r",
      'image, joy, sadness\n images/1.png , "0.9", 0.1',
      ",image,joy,sadness,,\r\n0,images/1.png,0.9,0.1,,\r\n,,,,,\r\n",
    ]) {
      await writeFile(file, text);
      const examples = await csvDataset(file, ["joy", "sadness"]);
      expect(
        examples.map(({ annotation }) => annotation),
        text,
      ).toEqual(expected);
      expect(examples[0]).not.toHaveProperty("metadata");
    }
  });

  it("names the options that a heading calls for, and the line that Excel adds", async () => {
    await expect(read("filename,class", "images/1.png,joy")).rejects.toThrow(
      /; pass image: "filename", label: "class"$/,
    );
    await expect(read("Image,joy,sadness", "images/1.png,1,0")).rejects.toThrow(/; pass image: "Image"$/);
    await expect(read("sep=,", "image,joy,sadness")).rejects.toThrow(
      /; remove the first line, which Excel alone under/,
    );
  });

  it("reads and refuses a heading of 200 000 columns", async () => {
    const more = Array.from({ length: 200_000 }, (_, i) => `column ${i}`);
    const row = `images/1.png,1,0${",".repeat(more.length)}`;
    const [example] = await read(["image,joy,sadness", ...more].join(","), row);
    expect(Object.keys(example!.metadata!)).toHaveLength(more.length);
    await expect(read(["image,joy,sadness", ...more, "column 7"].join(","), `${row},`)).rejects.toThrow(
      /:1: expected columns that differ, got "column 7" twice$/,
    );
  });

  it.each([[undefined], [[]], ["joy"], [["joy", 1]]])("wants a list of columns for labels, not %j", (labels) => {
    expect(() => csvDataset(file, labels as never)).toThrow(ConfigError);
    expect(() => csvDataset(file, labels as never)).toThrow(
      /csvDataset: expected labels to be a list of (at least one column|columns, .*), got /,
    );
  });

  it("refuses a record of a gigabyte when it is above 16 MiB, quoted or not", async () => {
    for (const start of ["image,joy,sadness\n", 'image,joy,sadness\n"']) {
      await writeFile(file, start);
      await truncate(file, 2 ** 30);
      await expect(csvDataset(file, ["joy", "sadness"])).rejects.toThrow(
        /ratings\.csv:2: expected a record of at most 16 MiB, got a longer one/,
      );
    }
  });
});

describe("a table of votes", () => {
  it("may have percents, with their sign", async () => {
    await writeFile(file, "image,joy,sadness\nimages/1.png,90%,10 %\n");
    const [example] = await csvDataset(file, ["joy", "sadness"], { normalize: true });
    expect(example!.annotation).toEqual({ joy: 0.9, sadness: 0.1 });
  });

  const votes = (text: string, options: CsvOptions = {}) =>
    writeFile(file, text).then(() => csvDataset(file, ["joy", "sadness"], { normalize: true, ...options }));

  it("gives the shares that labels have of the votes, whatever its columns are called", async () => {
    // As fer2013new.csv is laid out: votes of ten, a last column for pictures that show no face, and rows that have lost their picture.
    const fixture = fileURLToPath(new URL("fixtures/tables/D5a-votes.csv", import.meta.url));
    const omissions: Omission[] = [];
    const options = {
      image: "Picture name",
      normalize: true,
      onOmission: (omission: Omission) => omissions.push(omission),
    };
    const [example, ...others] = await csvDataset(fixture, ["anger", "joy", "sadness"], options);
    expect(example).toMatchObject({
      id: "a.jpg",
      annotation: { anger: 1 / 9, joy: 7 / 9, sadness: 1 / 9 },
      metadata: { Split: "train", unclear: "1" },
    });
    expect(others).toEqual([]);
    expect(omissions).toEqual([{ where: `${fixture}:3`, reason: "expected an image and an id, got an empty cell" }]);
  });

  it.each([
    [";", "image;joy;sadness\nimages/1.png;3;1\n"],
    ["\t", "image\tjoy\tsadness\r\nimages/1.png\t3\t1\r\n"],
    [";", '\uFEFF"image";"joy";"sadness"\n"images/café, 2.png";"3";"1"'],
  ] as const)("is read with %j between cells", async (delimiter, text) => {
    const [example] = await votes(text, { delimiter });
    expect(example!.annotation).toEqual({ joy: 0.75, sadness: 0.25 });
  });

  it.each([
    [";", '";"'],
    ["\t", '"\\\\t"'],
  ])("says which delimiter its heading seems to have: %j", async (delimiter, shown) => {
    await expect(votes(["image", "joy", "sadness"].join(delimiter))).rejects.toThrow(
      new RegExp(`:1: expected columns image, joy, sadness, got .*; pass delimiter: ${shown}$`),
    );
  });

  it("leaves out rows without votes by name, and refuses them otherwise", async () => {
    const text = "image,joy,sadness,NF\nimages/1.png,0,0,10\nimages/1.png,2.5,2.5,0";
    await expect(votes(text)).rejects.toThrow(
      /ratings\.csv:2: no votes for joy, sadness; pass onOmission to leave it out$/,
    );
    const omissions: Omission[] = [];
    const dataset = await votes(text, { onOmission: (omission) => omissions.push(omission) });
    expect(dataset.map(({ annotation }) => annotation)).toEqual([{ joy: 0.5, sadness: 0.5 }]);
    expect(omissions).toEqual([{ where: `${file}:2`, reason: "no votes for joy, sadness" }]);
  });

  it("may name columns of ids and subjects, and the folder of its images", async () => {
    const options = { ...{ image: "file", id: "nr", subject: "what" }, root: join(folder, "data", "images") };
    expect((await votes("nr,file,what,joy,sadness,id\n7,1.png,a dog,1,0,x", options))[0]).toEqual({
      ...{ id: "7", subject: "a dog", image: join(folder, "data", "images", "1.png") },
      ...{ annotation: { joy: 1, sadness: 0 }, metadata: { id: "x" } },
    });
    await expect(votes("file,joy,sadness\n1.png,1,0", options)).rejects.toThrow(
      /:1: expected columns nr, what, got file/,
    );
  });

  it.each([
    ["a negative count", "-1,3", /:2: joy: expected a decimal number of at least 0, got "-1"/],
    ["percents with a comma", '"50,5 %","49,5 %"', /:2: joy: .*got "50,5 %"; write a decimal point/],
    ["both marks", '"1.234,5",3', /:2: joy: .*got "1\.234,5"; write a decimal point, and no mark for thousands/],
    ["a decimal comma", '"0,5",3', /:2: joy: .*got "0,5"; write a decimal point/],
    ["an empty cell", ",3", /:2: joy: .*got ""/],
    ["a word", "3,many", /:2: sadness: .*got "many"/],
    ["a count without end", "1e400,1", /:2: joy: .*got "1e400"/],
    ["a percentage among votes", "50%,3", /:2: expected percents in all cells or in none, got 50% beside others/],
  ])("refuses %s", async (_, cells, message) => {
    await expect(votes(`image,joy,sadness\nimages/1.png,${cells}`)).rejects.toThrow(message);
  });

  it.each([
    [{ delimiter: "|" }, /csvDataset: expected delimiter to be one of ",", ";", "\\t", got "\|"/],
    [{ normalise: true }, /csvDataset: unknown option "normalise"; did you mean "normalize"\?/],
    [{ normalize: "yes" }, /csvDataset: expected normalize to be true or false, got "yes"/],
  ])("refuses the options %j at once", (options, message) => {
    expect(() => csvDataset(file, ["joy"], options as never)).toThrow(ConfigError);
    expect(() => csvDataset(file, ["joy"], options as never)).toThrow(message);
  });
});

describe("a table with a column of label names", () => {
  const named = async (...lines: readonly string[]) => {
    await writeFile(file, lines.join("\n"));
    return csvDataset(file, ["joy", "sadness"], { label: "mood" });
  };

  it("gives all the mass to the label that a row names", async () => {
    expect(await named("image,mood", "images/1.png,joy", '"images/café, 2.png", sadness ')).toMatchObject([
      { annotation: { joy: 1, sadness: 0 }, metadata: { category: "joy" } },
      { annotation: { joy: 0, sadness: 1 }, metadata: { category: "sadness" } },
    ]);
    const [own] = await named("image,mood,category", "images/1.png,joy,indoors");
    expect(own!.metadata).toEqual({ category: "indoors" });
  });

  it("names the line, the column and the labels when a row has another name", async () => {
    await expect(named("image,mood", "images/1.png,Joy")).rejects.toThrow(
      /ratings\.csv:2: expected column mood to be one of joy, sadness, got "Joy"$/,
    );
    await expect(named("image,joy", "images/1.png,1")).rejects.toThrow(/:1: expected columns mood, got image, joy$/);
  });
});

describe("a table in rows of JSON", () => {
  const readRows = async (name: string, text: string, options: CsvOptions = {}) => {
    await writeFile(join(folder, "data", name), text);
    return csvDataset(join(folder, "data", name), ["joy", "sadness"], options);
  };

  it("is read as a CSV with the same cells is, by lines or as an array", async () => {
    const rows = [
      { image: "images/1.png", joy: 0.9, sadness: 0.1, rater: 7, box: [1, 2] },
      { image: "images/café, 2.png", joy: "0.25", sadness: "0.75", rater: null },
    ];
    const same = await read(
      "image,joy,sadness,rater,box",
      'images/1.png,0.9,0.1,7,"[1,2]"',
      '"images/café, 2.png",0.25,0.75,,',
    );
    expect(await readRows("rows.jsonl", rows.map((row) => JSON.stringify(row)).join("\n"))).toEqual(same);
    expect(await readRows("rows.json", JSON.stringify(rows))).toEqual(same);
  });

  it("names the column that a row has not", async () => {
    await expect(readRows("a.jsonl", '{"image":"images/1.png","joy":1}')).rejects.toThrow(
      /a\.jsonl:1: expected columns sadness, got image, joy$/,
    );
    const rows = '{"image":"images/1.png","joy":1,"sadness":0}\n{"image":"images/1.png","joy":1}';
    await expect(readRows("b.jsonl", rows)).rejects.toThrow(/b\.jsonl:2: sadness: expected a decimal number .* got ""/);
    await expect(readRows("c.jsonl", "[1]")).rejects.toThrow(DataError);
    await expect(readRows("d.json", "[[1]]")).rejects.toThrow(
      /d\.json: row 0: expected an object, such as .* got \[1\]/,
    );
  });

  it("leaves out and lists a row whose id or image is missing", async () => {
    const omissions: Omission[] = [];
    const rows =
      '{"id":"a","image":"images/1.png","label":"joy"}\n{"image":"images/1.png","label":"joy"}\n{"id":"c","label":"joy"}';
    const onOmission = (omission: Omission) => void omissions.push(omission);
    const examples = await readRows("e.jsonl", rows, { label: "label", onOmission });
    expect(examples.map(({ id }) => id)).toEqual(["a"]);
    expect(omissions).toHaveLength(2);
  });
});
