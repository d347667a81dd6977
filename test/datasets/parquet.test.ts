import { copyFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ParquetRow, parquetDataset, parquetLabels } from "../../src/datasets/parquet";
import { ConfigError, DataError } from "../../src/errors";
import { classification, oneHot } from "../../src/tasks/classification";
import { temporaryFolder } from "./temporary";

/** Written by hub.py beside it. */
const fixture = fileURLToPath(new URL("fixtures/hub.parquet", import.meta.url));
const labels = ["cat", "naïve dog"];
const options = {
  task: classification({ labels }),
  example: (row: ParquetRow) => ({ annotation: oneHot(labels, labels[Number(row.label)]!), metadata: row }),
};

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  file = join(folder, "train.parquet");
  await copyFile(fixture, file);
  await writeFile(join(folder, "green.png"), "picture");
});
afterAll(() => rm(folder, { recursive: true }));

describe("a Parquet file from the Hub", () => {
  it("gives an example for each row: pictures still encoded, 64-bit integers as numbers", async () => {
    const examples = await parquetDataset(file, options);
    expect(examples.map(({ id, annotation }) => [id, annotation])).toEqual([
      ["train.parquet#0", { cat: 1, "naïve dog": 0 }],
      ["train.parquet#1", { cat: 0, "naïve dog": 1 }],
      ["train.parquet#2", { cat: 0, "naïve dog": 1 }],
    ]);
    expect(examples[0]!.metadata).toEqual({
      label: 0,
      objects: [{ bbox: [0, 0, 2, 1], category: 3 }],
      question: "Où?",
    });
    const { data } = await sharp(examples[1]!.image as Uint8Array)
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([...data.subarray(0, 3)]).toEqual([0, 0, 255]);
  });

  it("takes a path where there are no bytes", async () => {
    expect((await parquetDataset(file, options))[2]!.image).toBe(join(folder, "green.png"));
  });

  it("holds pictures of their own, not the page they were read from", async () => {
    for (const { image } of (await parquetDataset(file, options)).slice(0, 2))
      expect((image as Uint8Array).buffer.byteLength).toBe((image as Uint8Array).length);
  });

  it("may have several parts, and ids of its own", async () => {
    await copyFile(file, join(folder, "more.parquet"));
    const examples = await parquetDataset([file, join(folder, "more.parquet")], options);
    expect(examples.map(({ id }) => id)).toEqual(
      ["train", "more"].flatMap((name) => [0, 1, 2].map((row) => `${name}.parquet#${row}`)),
    );
    const named = { ...options, example: (row: ParquetRow) => ({ ...options.example(row), id: String(row.question) }) };
    expect((await parquetDataset(file, named)).map(({ id }) => id)).toEqual(["Où?", "Where?", ""]);
    await expect(parquetDataset([file, file], options)).rejects.toThrow(
      /expected an id of its own, found "train\.parquet#0"/,
    );
  });

  it("names the labels of a column", async () => {
    expect(await parquetLabels(file, "label")).toEqual(labels);
    await expect(parquetLabels(file, "question")).rejects.toThrow(
      /expected names of a ClassLabel for column "question"/,
    );
    await expect(parquetLabels(file, "none")).rejects.toThrow(/for column "none", found undefined/);
  });

  it("is read a row group at a time: what is wrong in the second shows after the first has come", async () => {
    const failing = {
      ...options,
      example: (row: ParquetRow) => {
        if (row.question === "") throw new DataError("third");
        return options.example(row);
      },
    };
    const seen: string[] = [];
    const iterate = async () => {
      for await (const { id } of parquetDataset(file, failing)) seen.push(id);
    };
    await expect(iterate()).rejects.toThrow("third");
    expect(seen).toEqual(["train.parquet#0", "train.parquet#1"]);
  });

  it("refuses an annotation that is not the task's, and a column of pictures that is none, naming the row", async () => {
    const wrong = { ...options, example: () => ({ annotation: { cat: 3, "naïve dog": 0 } }) };
    await expect(parquetDataset(file, wrong)).rejects.toThrow(/train\.parquet: row 0: the annotation must sum to 1/);
    for (const image of ["question", "none"])
      await expect(parquetDataset(file, { ...options, image })).rejects.toThrow(
        new RegExp(`row 0: ${image}: expected an object`),
      );
  });

  it("refuses a picture that is not there, or a link out of the folder", async () => {
    await rm(join(folder, "green.png"));
    await expect(parquetDataset(file, options)).rejects.toThrow(
      /row 2: image: expected an image file at .*green\.png, found none/,
    );
    await symlink(fixture, join(folder, "green.png"));
    await expect(parquetDataset(file, options)).rejects.toThrow(
      /row 2: image: expected an image inside .*green\.png is a link to/,
    );
  });

  it("wants files, a task and what of a row is an example, and says so at once", () => {
    for (const [files, wrong] of [
      [undefined, options],
      [[7], options],
      [file, { ...options, task: undefined }],
      [file, { task: options.task }],
      [file, undefined],
    ] as const)
      expect(() => parquetDataset(files as never, wrong as never)).toThrow(ConfigError);
  });

  it("refuses what is no Parquet file, or the half of one, and a split without parts", async () => {
    await expect(parquetDataset([], options)).rejects.toThrow("expected at least one Parquet file, found none");
    await writeFile(join(folder, "text.parquet"), "image,label\n");
    await expect(parquetDataset(join(folder, "text.parquet"), options)).rejects.toThrow(
      /text\.parquet: expected a readable Parquet file: /,
    );
    await writeFile(join(folder, "empty.parquet"), "");
    await expect(parquetDataset(join(folder, "empty.parquet"), options)).rejects.toThrow(
      /empty\.parquet: expected a readable Parquet file: /,
    );
    await expect(parquetLabels(join(folder, "none.parquet"), "label")).rejects.toThrow(
      /none\.parquet: expected a readable Parquet file: /,
    );
  });
});
