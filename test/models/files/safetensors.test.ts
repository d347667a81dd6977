import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { DataError, ShapeError } from "../../../src/errors";
import { readHeader, readSafetensors, type StoredDtype, writeSafetensors } from "../../../src/models/files/safetensors";

const scratch = await mkdtemp(join(tmpdir(), "safetensors-"));
afterAll(() => rm(scratch, { recursive: true }));
const path = join(scratch, "file.safetensors");

async function stored(values: readonly number[], dtype: StoredDtype): Promise<number[]> {
  await writeSafetensors(path, new Map([["x", { shape: [values.length], data: Float32Array.from(values) }]]), dtype);
  return [...(await readSafetensors(path)).get("x")!.data];
}

describe("a safetensors file", () => {
  const shape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 });
  const tensor = shape.chain((dims) => {
    const length = dims.reduce((a, b) => a * b, 1);
    return fc.float32Array({ minLength: length, maxLength: length }).map((data) => ({ shape: dims, data }));
  });
  const name = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => text !== "__metadata__");

  it("gives back the float32 tensors it was written with, bit for bit", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(name, tensor), { maxLength: 5 }), async (entries) => {
        const tensors = new Map(entries);
        await writeSafetensors(path, tensors);
        const read = await readSafetensors(path);
        expect([...read.keys()].sort()).toEqual([...tensors.keys()].sort());
        for (const [key, { shape, data }] of tensors) {
          expect(read.get(key)!.shape).toEqual(shape);
          expect(new Uint8Array(read.get(key)!.data.buffer)).toEqual(new Uint8Array(data.slice().buffer));
        }
      }),
      { numRuns: 50 },
    );
  });

  it("begins its data at a multiple of eight, and says it is PyTorch's", async () => {
    await writeSafetensors(path, new Map([["ü", { shape: [1], data: Float32Array.of(1) }]]));
    const bytes = await readFile(path);
    const length = Number(bytes.readBigUInt64LE());
    expect(length % 8).toBe(0);
    expect(JSON.parse(bytes.toString("utf8", 8, 8 + length)).__metadata__).toEqual({ format: "pt" });
    expect((await readHeader(path)).get("ü")).toEqual({ dtype: "F32", shape: [1], offset: 8 + length, bytes: 4 });
  });

  it("is the same when its numbers are asked for one tensor at a time", async () => {
    const tensors = { a: [1, 2, 3], b: [], c: [-0.5] };
    const asked: string[] = [];
    const written = async (late: boolean) => {
      const entries = Object.entries(tensors).map(([name, values]) => {
        const data = Float32Array.from(values);
        const read = () => {
          asked.push(name);
          return data;
        };
        return [name, { shape: [values.length], data: late ? read : data }] as const;
      });
      await writeSafetensors(path, new Map(entries), "BF16");
      return readFile(path);
    };
    expect(await written(true)).toEqual(await written(false));
    expect(asked).toEqual(["a", "b", "c"]);
  });

  it("leaves nothing behind when it cannot be written", async () => {
    const folder = await mkdtemp(join(scratch, "full-"));
    await expect(writeSafetensors(join(folder, "no", "x.safetensors"), new Map())).rejects.toThrow();
    const wrong = new Map([["x", { shape: [2], data: Float32Array.of(1) }]]);
    await expect(writeSafetensors(join(folder, "x.safetensors"), wrong)).rejects.toThrow(ShapeError);
    const late = new Map([["x", { shape: [2], data: () => Float32Array.of(1) }]]);
    await expect(writeSafetensors(join(folder, "x.safetensors"), late)).rejects.toThrow(ShapeError);
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("a header", () => {
  it("may name an empty tensor after the one that begins at the same place", async () => {
    const data = (data_offsets: readonly number[], shape: readonly number[]) => ({ dtype: "F32", shape, data_offsets });
    const header = JSON.stringify({ full: data([0, 4], [1]), empty: data([0, 0], [0]) });
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    await writeFile(path, Buffer.concat([length, Buffer.from(header), Buffer.from(Float32Array.of(7).buffer)]));
    const found = await readSafetensors(path);
    expect(found.get("full")!.data).toEqual(Float32Array.of(7));
    expect(found.get("empty")!.data.length).toBe(0);
  });

  it("may hold any name, also one that objects have already", async () => {
    const tensors = new Map([["__proto__", { shape: [1], data: Float32Array.of(3) }]]);
    await writeSafetensors(path, tensors);
    expect(await readSafetensors(path)).toEqual(tensors);
  });
});

describe("bfloat16", () => {
  it("keeps the upper half, rounding halves to even", async () => {
    // One unit in the last place of 1 is 2⁻⁷.
    const values = [1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20, -1 - 2 ** -8];
    expect(await stored(values, "BF16")).toEqual([1, 1, 1 + 2 ** -6, 1 + 2 ** -7, -1]);
  });

  it("keeps infinities and NaN, and overflows to infinity", async () => {
    const [up, down, nan, large] = await stored([Infinity, -Infinity, Number.NaN, 3.4028234e38], "BF16");
    expect([up, down, nan, large]).toEqual([Infinity, -Infinity, Number.NaN, Infinity]);
  });
});

describe("float16", () => {
  it("holds its own numbers exactly: every one of them survives", async () => {
    const halves = Array.from({ length: 0x10000 }, (_, bits) => halfToNumber(bits)).filter((x) => !Number.isNaN(x));
    expect(await stored(halves, "F16")).toEqual(halves);
  });

  it("rounds to the nearest, halves to even, also among subnormals", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 0x7bfe }), fc.constantFrom(0.25, 0.5, 0.75), async (bits, part) => {
        const [low, high] = [halfToNumber(bits), halfToNumber(bits + 1)];
        const expected = part < 0.5 || (part === 0.5 && bits % 2 === 0) ? low : high;
        expect(await stored([low + part * (high - low)], "F16")).toEqual([expected]);
      }),
      { numRuns: 200 },
    );
  });

  it("overflows to infinity from 65 520 on, and keeps NaN", async () => {
    expect(await stored([65519.996, 65520, -1e9, Number.NaN], "F16")).toEqual([65504, Infinity, -Infinity, Number.NaN]);
  });
});

describe("a hostile file", () => {
  const tensor = (start: number, end: number, shape = [(end - start) / 4], dtype = "F32") => ({
    dtype,
    shape,
    data_offsets: [start, end],
  });
  const write = async (header: unknown, dataBytes = 8, length?: bigint) => {
    const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(length ?? BigInt(text.length));
    await writeFile(path, Buffer.concat([prefix, text, Buffer.alloc(dataBytes)]));
  };

  it.each([
    ["whose header is longer than the file", () => write({}, 8, 1000n)],
    ["whose header is 2⁶⁴ − 1 bytes long", () => write({}, 8, 2n ** 64n - 1n)],
    ["that is shorter than its length field", () => writeFile(path, "abc")],
    ["that is empty", () => writeFile(path, "")],
    ["whose header is no JSON", () => write("{not json")],
    ["whose header is no object", () => write("null")],
    ["whose header is a list", () => write([1])],
    ["with a tensor without offsets", () => write({ x: { dtype: "F32", shape: [1] } })],
    ["with a negative size", () => write({ x: tensor(0, 8, [-2]) })],
    ["with a fractional offset", () => write({ x: tensor(0.5, 4.5, [1]) })],
    ["with a tensor beyond its end", () => write({ x: tensor(8, 16) }, 8)],
    ["with a tensor of another size than its shape", () => write({ x: tensor(0, 8, [3]) })],
    ["with a tensor that ends before it begins", () => write({ x: tensor(8, 4, [0]) })],
    ["with a tensor of another type beyond its end", () => write({ x: tensor(0, 16, [2], "I64") }, 8)],
    ["with overlapping tensors", () => write({ x: tensor(0, 8), y: tensor(4, 8) })],
    [
      "with a tensor over one of a type that is not read",
      () => write({ x: tensor(0, 8, [1], "I64"), y: tensor(4, 8) }),
    ],
  ])("%s is a DataError that names it", async (_, make) => {
    await make();
    await expect(readHeader(path)).rejects.toThrow(DataError);
    await expect(readHeader(path)).rejects.toThrow(path);
  });

  it.each([
    ["a million sizes", { x: { dtype: "F32", shape: new Array(1e6).fill(1), data_offsets: [0, 4] } }],
    [
      "a hundred thousand malformed tensors",
      Object.fromEntries(Array.from({ length: 1e5 }, (_, i) => [`x${i}`, { i }])),
    ],
    ["sizes that are no array", { x: { dtype: "F32", shape: "1", data_offsets: [0, 4] } }],
    ["a name of a million letters", { ["x".repeat(1e6)]: tensor(0, 12) }],
  ])("with %s is a DataError of a few words", async (_, header) => {
    await write(header);
    const error: Error = await readHeader(path).then(
      () => expect.fail("it was read"),
      (error) => error,
    );
    expect(error).toBeInstanceOf(DataError);
    expect(error.message.length).toBeLessThan(11_000);
  });

  it("with a tensor larger than any memory is a DataError when it is read", async () => {
    const bytes = 3e12;
    await write({ x: tensor(0, bytes) }, 0);
    const { size } = await stat(path);
    // Sparse: it takes no room on the disk.
    await truncate(path, size + bytes);
    await expect(readSafetensors(path)).rejects.toThrow(DataError);
    await rm(path);
  });

  it("that is another file is called what it is", async () => {
    await writeFile(path, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3988609112\n");
    await expect(readHeader(path)).rejects.toThrow(`${path}: expected a safetensors file, got a Git-LFS pointer`);
    await writeFile(path, "<!doctype html><html><body>Not found</body></html>");
    await expect(readHeader(path)).rejects.toThrow("got a web page");
    await expect(readHeader(scratch)).rejects.toThrow(`${scratch}: expected a safetensors file, got a folder`);
  });

  it("never makes the reader throw anything but a DataError", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.json(), fc.string()), fc.integer({ min: 0, max: 16 }), async (header, dataBytes) => {
        await write(header, dataBytes);
        await readHeader(path).catch((error) => expect(error).toBeInstanceOf(DataError));
      }),
      { numRuns: 100 },
    );
  });

  it("that does not exist is a DataError too", async () => {
    await expect(readHeader(join(scratch, "none.safetensors"))).rejects.toThrow(DataError);
  });

  it("may hold tensors of other types, which are named and not read", async () => {
    await write({ ids: tensor(0, 8, [1], "I64"), x: tensor(8, 16) }, 16);
    expect([...(await readHeader(path)).values()].map(({ dtype }) => dtype)).toEqual(["I64", "F32"]);
    expect([...(await readSafetensors(path)).keys()]).toEqual(["x"]);
  });
});

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? Number.NaN : sign * Infinity;
  return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -14 * (fraction / 1024);
}
