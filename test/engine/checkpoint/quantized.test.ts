import { cp, mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { roundedCheckpoint, roundedFor } from "../../../src/engine/checkpoint/quantized";
import { DataError } from "../../../src/errors";
import { type Checkpoint, openCheckpoint } from "../../../src/models/checkpoint/weights";
import { loadArchitecture } from "../../../src/models/families";
import { readTensorBytes } from "../../../src/models/files/safetensors";
import { checkpointDir } from "../../models/reference";

const root = await mkdtemp(join(tmpdir(), "rise-rounded-checkpoint-"));
const cacheBefore = process.env.HF_ASSETS_CACHE;
const architecture = await loadArchitecture(checkpointDir);
let runs = 0;
let dir = "";
let checkpoint: Checkpoint;
const cache = () => join(process.env.HF_ASSETS_CACHE!, "rise-ts", "rounded");

beforeEach(async () => {
  const run = join(root, String(runs++));
  process.env.HF_ASSETS_CACHE = join(run, "assets");
  dir = join(run, "model");
  await cp(checkpointDir, dir, { recursive: true });
  checkpoint = await openCheckpoint(dir, architecture);
});
afterAll(async () => {
  if (cacheBefore === undefined) delete process.env.HF_ASSETS_CACHE;
  else process.env.HF_ASSETS_CACHE = cacheBefore;
  await rm(root, { recursive: true });
});

const files = async () =>
  (await readdir(cache(), { recursive: true, withFileTypes: true })).flatMap((entry) =>
    entry.isFile() ? [entry.name] : [],
  );
const pathOf = ({ folder, rounded }: Checkpoint) => join(folder, [...rounded!.values()][0]!.numbers.file);

describe("a rounded checkpoint", () => {
  it("has every matrix of the language model in whole numbers, and all else of it as it is stored", async () => {
    const rounded = await roundedCheckpoint(checkpoint, architecture, "int8");
    const matrices = [...checkpoint.tensors].filter(
      ([name, { shape }]) => name.startsWith("model.") && shape.length === 2,
    );
    expect([...rounded.rounded!.keys()].sort()).toEqual(matrices.map(([name]) => name.replace(/\.weight$/, "")).sort());
    for (const [name, { shape }] of matrices) {
      const { numbers, scale } = rounded.rounded!.get(name.replace(/\.weight$/, ""))!;
      expect(numbers).toMatchObject({ dtype: "U8", shape: [shape[1], shape[0]] });
      expect(scale).toMatchObject({ dtype: "F32", shape: [shape[0]] });
    }
    const others = [...checkpoint.tensors].filter(
      ([name, { shape }]) => name.startsWith("model.") && (shape.length !== 2 || name === "model.embed_tokens.weight"),
    );
    expect([...rounded.tensors.keys()].sort()).toEqual(others.map(([name]) => name).sort());
    for (const [name, tensor] of others) {
      const copy = rounded.tensors.get(name)!;
      expect(copy.shape).toEqual(tensor.shape);
      const [expected, found] = await Promise.all([
        readTensorBytes(join(checkpoint.folder, tensor.file), tensor),
        readTensorBytes(join(rounded.folder, copy.file), copy),
      ]);
      expect(found).toEqual(expected);
    }
  });

  it("is made once, also when two ask at the same time, and made again when the weights have changed", async () => {
    const [one, two] = await Promise.all([
      roundedCheckpoint(checkpoint, architecture, "int4"),
      roundedCheckpoint(checkpoint, architecture, "int4"),
    ]);
    expect(pathOf(one)).toBe(pathOf(two));
    const made = await stat(pathOf(one));
    await roundedCheckpoint(checkpoint, architecture, "int4");
    expect((await stat(pathOf(one))).ino).toBe(made.ino);

    await utimes(join(dir, "model.safetensors"), new Date(0), new Date(0));
    const again = await roundedCheckpoint(await openCheckpoint(dir, architecture), architecture, "int4");
    expect(pathOf(again)).not.toBe(pathOf(one));
    // Its source is gone, and so is the file.
    expect(await files()).toEqual([again.rounded!.get("model.embed_tokens")!.numbers.file]);
  });

  it("of another precision is another file", async () => {
    const both = [
      await roundedCheckpoint(checkpoint, architecture, "int8"),
      await roundedCheckpoint(checkpoint, architecture, "int4"),
    ];
    expect((await files()).length).toBe(2);
    const sizes = await Promise.all(both.map(async (made) => (await stat(pathOf(made))).size));
    expect(sizes[1]).toBeLessThan(sizes[0]!);
  });

  it("leaves nothing where it could not be made", async () => {
    const broken: Checkpoint = {
      ...checkpoint,
      tensors: new Map([...checkpoint.tensors].map(([name, tensor]) => [name, { ...tensor, offset: 1e9 }])),
    };
    await expect(roundedCheckpoint(broken, architecture, "int8")).rejects.toThrow(DataError);
    expect(await files()).toEqual([]);
    await roundedCheckpoint(checkpoint, architecture, "int8");
    expect((await files()).length).toBe(1);
  });

  it("clears up after processes that ended in the middle, and leaves to living ones what they write", async () => {
    const { folder } = await roundedCheckpoint(checkpoint, architecture, "int8");
    await mkdir(folder, { recursive: true });
    // No process has so high a number.
    const [dead, living] = [`int4-0.safetensors.${2 ** 30}-0.partial`, `int4-0.safetensors.${process.ppid}-0.partial`];
    for (const name of [dead, living]) await writeFile(join(folder, name), "");
    await roundedCheckpoint(checkpoint, architecture, "int4");
    expect(await files()).toContain(living);
    expect(await files()).not.toContain(dead);
  });
});

it("nothing is rounded for a precision of the checkpoint's own", async () => {
  for (const precision of ["float32", "half"] as const)
    expect(await roundedFor({ checkpoint, architecture }, precision)).toBeUndefined();
  await expect(stat(dirname(cache()))).rejects.toThrow();
});
