import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, describe, expect, it } from "vitest";
import { readData } from "../../src/config/data";
import { dataFormats } from "../../src/config/data-files";
import { readConfig } from "../../src/config/read";
import { DataError } from "../../src/errors";
import { checkHeldOut } from "../../src/runs/examples/check-examples";
import type { Task } from "../../src/task";
import { classification } from "../../src/tasks/classification";
import { jpeg } from "../datasets/temporary";

const scratch = await mkdtemp(join(tmpdir(), "rise-config-data-"));
afterAll(() => rm(scratch, { recursive: true }));

const labels = ["cat", "dog"];
const task = classification({ labels }) as unknown as Task<never>;

/** Reads a Parquet file with these numbers of a ClassLabel column. */
async function read(numbers: readonly (number | null)[]) {
  const image = await jpeg(8, 8);
  const file = join(scratch, "train.parquet");
  const features = { label: { names: labels, _type: "ClassLabel" } };
  const buffer = parquetWriteBuffer({
    columnData: [
      { name: "image", data: numbers.map(() => new Uint8Array(image)), type: "BYTE_ARRAY" },
      { name: "label", data: [...numbers], type: "INT32" },
    ],
    kvMetadata: [{ key: "huggingface", value: JSON.stringify({ info: { features } }) }],
  });
  await writeFile(file, new Uint8Array(buffer));
  return dataFormats.parquet!.read(file, { label: "label" }, { task, labels, space: undefined });
}

describe("a config's Parquet file with a column of classes", () => {
  it("has the class of each row, by its number", async () => {
    expect(await read([1, 0])).toMatchObject([
      { annotation: { cat: 0, dog: 1 }, metadata: { category: "dog" } },
      { annotation: { cat: 1, dog: 0 } },
    ]);
  });

  it.each([null, -1, 2])("is refused for a row of class %j", async (value) => {
    await expect(read([0, value])).rejects.toThrow(DataError);
    await expect(read([0, value])).rejects.toThrow(/row 1: expected label to be one of cat, dog, got (null|-1|2)/);
  });
});

describe("a config's second folder", () => {
  const parts = ["train", "validation"];
  const read = async (validation: string, part: "validation" | "test" = "validation") => {
    for (const [i, part] of parts.entries())
      for (const label of labels) {
        await mkdir(join(scratch, part, label), { recursive: true });
        await writeFile(join(scratch, part, label, "1.jpg"), await jpeg(8 + i, 8));
      }
    const options = { "task.kind": "classification", "task.labels": "cat,dog", "data.format": "folder" };
    const flags = new Map(Object.entries({ ...options, "data.path": "train", [`data.${part}`]: validation }));
    const data = await readData(await readConfig({ folder: scratch, flags }));
    checkHeldOut(data.task, data.validation, data.train);
    return [data.train, data[part]].map((examples) => examples.map(({ id }) => id));
  };

  it("may have files of the same names as the one to learn from", async () => {
    expect(await read("validation")).toEqual([
      ["cat/1.jpg", "dog/1.jpg"],
      ["validation/cat/1.jpg", "validation/dog/1.jpg"],
    ]);
  });

  it("is refused if it is the one to learn from", async () => {
    await expect(read("train")).rejects.toThrow(/expected examples that the dataset does not have, got "cat\/1\.jpg"/);
  });

  it("is refused for the test if it is the one to learn from", async () => {
    expect((await read("validation", "test"))[1]).toHaveLength(2);
    await expect(read("train", "test")).rejects.toThrow(
      /^data\.test: expected images that training does not have, got .*1\.jpg in both; leave it out of one of them$/,
    );
  });
});
