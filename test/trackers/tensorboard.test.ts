import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { tensorboard } from "../../src/trackers";
import { crc32c } from "../../src/trackers/crc32c";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "rise-tensorboard-"));
});
afterEach(() => rm(dir, { recursive: true }));

/** The records of an event file, each checksum verified. */
function recordsOf(bytes: Buffer): Buffer[] {
  const masked = (data: Buffer) => {
    const crc = crc32c(data);
    return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
  };
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(bytes.readUInt32LE(at + 8)).toBe(masked(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(bytes.readUInt32LE(at + 12 + length)).toBe(masked(data));
    records.push(data);
    at += 16 + length;
  }
  return records;
}

describe("crc32c", () => {
  // RFC 3720, appendix B.4, and the check value of the CRC catalogue.
  it.each([
    [Buffer.alloc(32), 0x8a9136aa],
    [Buffer.alloc(32, 0xff), 0x62a8ab43],
    [Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
    [Buffer.from("123456789"), 0xe3069283],
  ])("gives the published value, %#", (data, expected) => {
    expect(crc32c(data)).toBe(expected);
  });
});

describe("tensorboard", () => {
  it("writes a version, the session's start, and a summary for each step", async () => {
    const tracker = tensorboard(join(dir, "deep", "cot"));
    tracker.record({ stage: "rise-cot", step: 3, reward: 0.5, "rise/leak_rate": 0.25 });
    tracker.record({ stage: "rise-cot", step: 4, reward: Number.NaN });
    await tracker.close();
    const [file] = await readdir(join(dir, "deep", "cot"));
    expect(file).toMatch(/^events\.out\.tfevents\.\d+\./);
    const records = recordsOf(await readFile(join(dir, "deep", "cot", file!)));
    expect(records).toHaveLength(4);
    expect(records[0]!.toString("latin1")).toContain("brain.Event:2");
    expect(records[2]!.toString("latin1")).toContain("rise/leak_rate");
    const texts = records.map((record) => record.toString("latin1")).join();
    expect(texts).not.toContain("rise-cot");
    expect(texts).not.toContain("step");
  });

  it("gives two trackers of one directory a file each", async () => {
    for (const step of [1, 2]) {
      const tracker = tensorboard(dir);
      tracker.record({ stage: "sft", step, loss: 1 });
      await tracker.close();
    }
    expect(await readdir(dir)).toHaveLength(2);
  });

  it("says on closing why nothing could be written", async () => {
    await writeFile(join(dir, "file"), "");
    const tracker = tensorboard(join(dir, "file"));
    tracker.record({ stage: "sft", step: 1, loss: 1 });
    await expect(tracker.close()).rejects.toThrow(/EEXIST|ENOTDIR/);
  });
});
