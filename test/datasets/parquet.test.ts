import { ChildProcess } from "node:child_process";
import { copyFile, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { openParquet } from "../../src/datasets/formats/parquet-file";
import { type ParquetOptions, type ParquetRow, parquetDataset, parquetLabels } from "../../src/datasets/parquet";
import { ConfigError, DataError } from "../../src/errors";
import { createRng } from "../../src/rng";
import { classification, oneHot } from "../../src/tasks/classification";
import type { LabelDistribution } from "../../src/types";
import { temporaryFolder } from "./temporary";

const fixtureAt = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
/** Written by hub.py beside it; parquet.py wrote the others. */
const fixture = fixtureAt("hub.parquet");
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
      /expected an id of its own, got "train\.parquet#0"/,
    );
  });

  it("names the labels of a column", async () => {
    expect(await parquetLabels(file, "label")).toEqual(labels);
    await expect(parquetLabels(file, "question")).rejects.toThrow(
      /expected a ClassLabel with names for column "question"/,
    );
    await expect(parquetLabels(file, "none")).rejects.toThrow(/for column "none", got undefined/);
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

  it("refuses an annotation that is not the task's, and a column without pictures, naming the row", async () => {
    const wrong = { ...options, example: () => ({ annotation: { cat: 3, "naïve dog": 0 } }) };
    await expect(parquetDataset(file, wrong)).rejects.toThrow(
      /train\.parquet: row 0: the annotation: expected a sum of 1/,
    );
    for (const [image, got] of [["label", 0]] as const)
      await expect(parquetDataset(file, { ...options, image })).rejects.toThrow(
        `row 0: ${image}: expected an image as { bytes, path }, bytes or text, got ${got}`,
      );
    await expect(parquetDataset(file, { ...options, image: "question" })).rejects.toThrow(
      /row 0: question: expected an image file at .*Où\?, got none/,
    );
  });

  it("refuses a picture that is not there, or a link out of the folder", async () => {
    await rm(join(folder, "green.png"));
    await expect(parquetDataset(file, options)).rejects.toThrow(
      /row 2: image: expected an image file at .*green\.png, got none/,
    );
    await symlink(fixture, join(folder, "green.png"));
    await expect(parquetDataset(file, options)).rejects.toThrow(
      /row 2: image: expected an image inside .*green\.png, a link to/,
    );
  });

  it("reads pages of every codec that writers choose", async () => {
    const read = (codec: string) => parquetDataset(fixtureAt(`codec-${codec}.parquet`), options);
    const plain = await read("none");
    expect(plain.map(({ metadata }) => String(metadata!.text).length)).toEqual([1000, 1000]);
    for (const codec of ["snappy", "gzip", "brotli", "lz4", "zstd"])
      expect((await read(codec)).map(({ image, metadata }) => [image, metadata])).toEqual(
        plain.map(({ image, metadata }) => [image, metadata]),
      );
  });

  it("takes an image from a list of one, from base64 and from a path of text", async () => {
    const path = fixtureAt("image-columns.parquet");
    const read = async (image: string, more: object = {}) =>
      (await parquetDataset(path, { ...options, image, ...more })).map((example) => example.image);
    const images = await read("image");
    expect(await read("list")).toEqual(images);
    expect(await read("base64", { imageText: "base64" })).toEqual(images);
    await copyFile(path, join(folder, "columns.parquet"));
    for (const name of ["red.png", "blue.png"]) await writeFile(join(folder, name), "image");
    const beside = await parquetDataset(join(folder, "columns.parquet"), { ...options, image: "path" });
    expect(beside.map(({ image }) => image)).toEqual([join(folder, "red.png"), join(folder, "blue.png")]);
  });

  it.each([
    ["two", {}, "row 0: two: expected one image, got a list of 2"],
    ["null", {}, "row 1: null: expected an image as { bytes, path }, bytes or text, got null"],
    ["neither", {}, "row 1: neither: expected an image as { bytes, path }, bytes or text, got {"],
    ["path", { imageText: "base64" as const }, 'row 0: path: expected an image in base64, got "red.png"'],
  ])("refuses a cell of column %s that is not one image, naming row and column", async (image, more, message) => {
    const columns: ParquetOptions<LabelDistribution> = { ...options, image, ...more };
    await expect(parquetDataset(fixtureAt("image-columns.parquet"), columns)).rejects.toThrow(message);
  });

  it("names the labels of a column inside another, however the file describes it", async () => {
    for (const file of ["nested-lists.parquet", "nested-structs.parquet"]) {
      const path = fixtureAt(file);
      expect(await parquetLabels(path, "objects.category")).toEqual(["coat", "dress"]);
      for (const column of ["objects", "objects.bbox", "objects.colour", "objects.category.names", "constructor"])
        await expect(parquetLabels(path, column)).rejects.toThrow(`with names for column "${column}"`);
    }
  });

  it("refuses options and values of them that it does not have", () => {
    expect(() => parquetDataset(file, { ...options, imageTxt: "path" } as never)).toThrow(/did you mean "imageText"/);
    expect(() => parquetDataset(file, { ...options, imageText: "url" as "path" })).toThrow(/imageText to be one of/);
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

  it("names what stands in place of a Parquet file, and one that is cut short", async () => {
    for (const [text, found] of [
      ["version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12\n", "a Git-LFS pointer; run git lfs pull"],
      ["<!DOCTYPE html>\n", "a web page (HTML); download the file itself"],
      [`PAR1${"x".repeat(100)}`, "one that is cut short; download or copy it again"],
    ] as const) {
      const path = join(folder, "other.parquet");
      await writeFile(path, text);
      await expect(parquetDataset(path, options)).rejects.toThrow(
        new DataError(`${path}: expected a Parquet file, got ${found}`),
      );
    }
  });

  it("says what to do about columns and rows that it cannot use", async () => {
    const path = join(folder, "columns.parquet");
    const write = async (name: string, value: string) =>
      writeFile(path, Buffer.from(parquetWriteBuffer({ columnData: [{ name, data: [value], type: "STRING" }] })));
    await write("img", "a.jpg");
    await expect(parquetDataset(path, options)).rejects.toThrow(
      /expected a column "image", got img; pass image: "NAME"/,
    );
    await expect(parquetLabels(path, "label")).rejects.toThrow(
      /expected the names of a ClassLabel, got a file without/,
    );
    await expect(parquetDataset(file, { ...options, image: "none" })).rejects.toThrow(
      /expected a column "none", got image, label, objects, question; pass image/,
    );
    await write("image", `/9j/${"4AAQ".repeat(100)}`);
    await expect(parquetDataset(path, options)).rejects.toThrow(
      /row 0: image: expected the path .*, got base64; write/,
    );
    await write("image", `data:image/png;base64,${Buffer.from("picture").toString("base64")}`);
    for (const [example, message] of [
      [() => oneHot(labels, "no label"), /row 0: example: expected a result, got an error: ConfigError: oneHot/],
      [(row: ParquetRow) => (row.x as { y: never }).y, /row 0: example: expected a result, got an error: TypeError/],
      [() => undefined, /row 0: example: expected an object, got undefined/],
    ] as const)
      await expect(parquetDataset(path, { ...options, example: example as never })).rejects.toThrow(message);
  });

  it("refuses what is no Parquet file, or the half of one, and a split without parts", async () => {
    await expect(parquetDataset([], options)).rejects.toThrow("expected at least one Parquet file, got none");
    await writeFile(join(folder, "text.parquet"), "image,label\n");
    await expect(parquetDataset(join(folder, "text.parquet"), options)).rejects.toThrow(
      /text\.parquet: expected a Parquet file, got text$/,
    );
    await writeFile(join(folder, "empty.parquet"), "");
    await expect(parquetDataset(join(folder, "empty.parquet"), options)).rejects.toThrow(
      /empty\.parquet: expected a Parquet file, got an empty file; download or copy it again$/,
    );
    await expect(parquetLabels(join(folder, "none.parquet"), "label")).rejects.toThrow(
      /none\.parquet: expected a Parquet file, got nothing/,
    );
  });
});

describe("the process that decodes Parquet", () => {
  it("ends when a loop over the rows is left in the middle of a row group", async () => {
    const path = join(folder, "long.parquet");
    // Three batches of 16 MiB.
    const data = Array.from({ length: 12 }, (_, i) => new Uint8Array(2 ** 22).fill(i));
    await writeFile(
      path,
      Buffer.from(parquetWriteBuffer({ columnData: [{ name: "image", data, type: "BYTE_ARRAY" }] })),
    );
    const ended = vi.spyOn(ChildProcess.prototype, "kill");
    for await (const { id } of parquetDataset(path, {
      ...options,
      example: () => ({ annotation: oneHot(labels, "cat") }),
    }))
      if (id === "long.parquet#1") break;
    expect(ended).toHaveBeenCalledWith("SIGKILL");
    ended.mockClear();
    let count = 0;
    for await (const { image } of parquetDataset(path, {
      ...options,
      example: () => ({ annotation: oneHot(labels, "cat") }),
    }))
      expect((image as Uint8Array)[0]).toBe(count++);
    expect(count).toBe(12);
    expect(ended).not.toHaveBeenCalled();
    ended.mockRestore();
  });
});

describe("a damaged Parquet file", () => {
  const unheard: unknown[] = [];
  const listen = (reason: unknown) => unheard.push(reason);
  beforeAll(() => void process.on("unhandledRejection", listen));
  afterAll(() => void process.off("unhandledRejection", listen));
  const read = async (path: string) => {
    try {
      for await (const _ of parquetDataset(path, {
        ...options,
        example: () => ({ annotation: oneHot(labels, "cat") }),
      }));
      await parquetLabels(path, "objects.category");
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      return error.message;
    }
    return undefined;
  };
  /** Rejections are reported a turn of the event loop later. */
  const settled = () => new Promise((resolve) => setTimeout(resolve, 20));

  it("is an error that is caught: no column that is still being read ends the process", async () => {
    // A bit of the name of one column is flipped, and the pages of an earlier one are damaged.
    expect(await read(fixtureAt("damaged.parquet"))).toMatch(/schema element not found/);
    await settled();
    expect(unheard).toEqual([]);
  });

  it("is read or refused whatever bytes are changed, cut or doubled", async () => {
    const random = createRng(0);
    const mutant = join(folder, "mutant.parquet");
    for (const name of ["hub", "codec-zstd", "codec-gzip", "image-columns", "nested-structs"]) {
      const whole = await readFile(fixtureAt(`${name}.parquet`));
      const at = () => random.integer(whole.length);
      for (let i = 0; i < 150; i++) {
        const bytes = Buffer.from(whole);
        for (let flips = 1 + random.integer(4); flips > 0; flips--) bytes[at()] = random.integer(256);
        const [a, b] = [at(), at()].sort((x, y) => x - y) as [number, number];
        const parts =
          i % 3 === 0 ? [bytes.subarray(0, a), bytes.subarray(b)] : [bytes.subarray(0, b), bytes.subarray(a)];
        await writeFile(mutant, i % 5 === 0 ? Buffer.concat(parts) : bytes);
        await read(mutant);
      }
    }
    await settled();
    expect(unheard).toEqual([]);
  });

  it("is refused when a run of it claims more values than memory holds", async () => {
    expect(await read(fixtureAt("long-run.parquet"))).toMatch(
      // V8 ends the process, or not, as it has compiled the loop.
      /long-run\.parquet: (row group 0: expected to be decoded in 4096 MiB|expected .* fails with "Invalid array length")/,
    );
    expect(await read(fixtureAt("changed-run.parquet"))).toMatch(/expected a readable Parquet file/);
    expect(await read(fixture)).toMatch(/green\.png, got none/);
  });

  it("is refused when a run of it never ends", async () => {
    const { rows, close } = await openParquet(fixtureAt("endless-run.parquet"), 200);
    await expect(rows().next()).rejects.toThrow(
      /endless-run\.parquet: row group 0: expected to be decoded in 1 s of processor time, got a decoder that needs more/,
    );
    await close();
  });

  it("is refused when a row takes more than 512 MiB, which the caller never holds", async () => {
    // Compressed to a few hundred bytes: a row of 300 million letters takes 600 MB as text.
    const path = join(folder, "large.parquet");
    const columnData = [{ name: "text", data: ["x".repeat(3e8)], type: "STRING" as const }];
    const codecs = { GZIP: (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes)) };
    await writeFile(path, Buffer.from(parquetWriteBuffer({ columnData, codec: "GZIP", compressors: codecs })));
    const { rows, close } = await openParquet(path);
    await expect(rows().next()).rejects.toThrow(/row group 0: expected rows of at most 536870912 bytes, got one of/);
    await close();
  });

  it("is a folder, a link to one, or missing", async () => {
    expect(await read(folder)).toMatch(/expected a Parquet file, got a folder/);
    expect(await read(join(folder, "missing.parquet"))).toMatch(/expected a Parquet file, got nothing at that path/);
  });
});
