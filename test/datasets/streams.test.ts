import { rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { csvDataset } from "../../src/datasets/csv";
import { longestLine, splitLines } from "../../src/datasets/formats/lines";
import { jsonlDataset } from "../../src/datasets/jsonl";
import { DataError } from "../../src/errors";
import { classification } from "../../src/tasks/classification";
import { temporaryFolder, writeFiles } from "./temporary";

const labels = ["joy", "sadness"];
const moods = classification({ labels });
const row = (id: number) => JSON.stringify({ id: String(id), image: "1.png", annotation: { joy: 1, sadness: 0 } });
/** Longer than all that is read ahead: 16 pieces of 64 KiB. */
const count = 16_000;

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  await writeFiles(folder, { "1.png": "picture" });
});
afterAll(() => rm(folder, { recursive: true }));

describe("lines", () => {
  const pieces = (...texts: readonly (string | Uint8Array)[]) => {
    const taken: number[] = [];
    const chunks = (async function* () {
      for (const [i, text] of texts.entries()) {
        taken.push(i);
        yield typeof text === "string" ? Buffer.from(text) : text;
      }
    })();
    return { lines: splitLines(chunks, "file"), taken };
  };
  const texts = async (...parts: readonly (string | Uint8Array)[]) => {
    const found: string[] = [];
    for await (const { text } of pieces(...parts).lines) found.push(text);
    return found;
  };

  it("are the same however the bytes are cut", async () => {
    const text = "\uFEFFé1\r\n\n☕\uFEFF\r3\n4";
    const bytes = Buffer.from(text);
    for (let at = 0; at <= bytes.length; at++)
      expect(await texts(bytes.subarray(0, at), bytes.subarray(at))).toEqual(["é1", "", "☕\uFEFF\r3", "4"]);
  });

  it("are taken from no more pieces than they need", async () => {
    const { lines, taken } = pieces("1\n2\n3", "\n4\n", "5\n");
    for (let i = 0; i < 3; i++) await lines.next();
    expect(taken).toEqual([0, 1]);
  });

  it("have their place", async () => {
    const places: string[] = [];
    for await (const { where } of pieces("1\n", "2").lines) places.push(where);
    expect(places).toEqual(["file:1", "file:2"]);
  });

  it("are refused above 16 MiB as soon as they are, and may be as long as that", async () => {
    const mebibyte = Buffer.alloc(2 ** 20, "x");
    const { lines, taken } = pieces("1\n", ...Array<Uint8Array>(40).fill(mebibyte));
    await lines.next();
    await expect(lines.next()).rejects.toThrow(/^file:2: expected lines of at most 16 MiB, got a longer one/);
    expect(taken).toHaveLength(1 + 17);
    expect((await texts(...Array<Uint8Array>(16).fill(mebibyte)))[0]).toHaveLength(longestLine);
  });

  it("are refused where they are no UTF-8", async () => {
    await expect(texts("1\n", Buffer.from([0xff, 0x0a]))).rejects.toThrow(/^file:2: expected UTF-8/);
  });
});

describe("a stream of examples", () => {
  const file = () => join(folder, "train.jsonl");

  it("gives what came before a bad line, and does not read on when nobody asks", async () => {
    await writeFile(file(), `${Array.from({ length: count }, (_, i) => row(i)).join("\n")}\nbad`);
    let seen = 0;
    for await (const _ of jsonlDataset(file(), moods)) if (++seen === 10) break;
    expect(seen).toBe(10);
    const iterate = async () => {
      for await (const _ of jsonlDataset(file(), moods)) seen++;
    };
    seen = 0;
    await expect(iterate()).rejects.toThrow(
      new RegExp(`train\\.jsonl:${count + 1}: expected a JSON object, got bad, which JSON does not have`),
    );
    expect(seen).toBe(count);
  });

  it("does the same of a table", async () => {
    const lines = Array.from({ length: count }, (_, i) => `${i},1.png,1,0`);
    await writeFile(join(folder, "train.csv"), `id,image,joy,sadness\n${lines.join("\n")}\n${count},1.png,2,0\n`);
    let seen = 0;
    const iterate = async () => {
      for await (const _ of csvDataset(join(folder, "train.csv"), labels)) seen++;
    };
    await expect(iterate()).rejects.toThrow(
      new RegExp(`train\\.csv:${count + 2}: joy: expected a decimal number from 0 to 1`),
    );
    expect(seen).toBe(count);
  });

  it("is read once however often it is awaited, and from the start each time it is iterated", async () => {
    await writeFile(file(), [row(1), row(2)].join("\n"));
    const stream = jsonlDataset(file(), moods);
    expect(await stream).toBe(await stream);
    for (let i = 0; i < 2; i++) {
      const ids: string[] = [];
      for await (const { id } of stream) ids.push(id);
      expect(ids).toEqual(["1", "2"]);
    }
  });

  it("does not remember ids: that one is there twice shows when all are awaited", async () => {
    await writeFile(file(), [row(1), row(1)].join("\n"));
    let seen = 0;
    for await (const _ of jsonlDataset(file(), moods)) seen++;
    expect(seen).toBe(2);
    await expect(jsonlDataset(file(), moods)).rejects.toThrow(DataError);
  });

  it("ends at a line of a gigabyte, without reading it", async () => {
    await writeFile(file(), `${row(1)}\n`);
    await truncate(file(), 2 ** 30);
    await expect(jsonlDataset(file(), moods)).rejects.toThrow(/train\.jsonl:2: expected lines of at most 16 MiB/);
  });
});
