import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../../../src/errors";
import { loadConfig } from "../../../src/models/families/qwen2-vl/config";
import { qwen2VlArchitecture } from "../../../src/models/families/qwen2-vl/family";
import { imageSize, loadImage } from "../../../src/models/inputs/image";
import { loadImageProcessor, smartResize } from "../../../src/models/inputs/image-processor";
import { resizeBicubic } from "../../../src/models/inputs/resize";
import type { RawImage } from "../../../src/types";
import resizes from "../../reference/data/resize.json" with { type: "json" };
import { checkpointDir, imagePath, promptOf, reference, referenceArrays, sha256 } from "../reference";

const config = await loadConfig(checkpointDir);
const architecture = qwen2VlArchitecture(config);
const { process, gridOf } = await loadImageProcessor(checkpointDir, architecture);
type Pair = [width: number, height: number];
const photographs = fileURLToPath(new URL("../../reference/data/photographs", import.meta.url));
const scratch = await mkdtemp(join(tmpdir(), "image-processor-"));
// JPEG decoders may differ by a unit; every other format has one reading.
const lossless = reference.pictures.filter(({ file }) => !file.endsWith(".jpg"));
afterAll(() => rm(scratch, { recursive: true }));

describe("the size a picture is resized to", () => {
  const side = fc.integer({ min: 1, max: 5000 });

  it("has sides that are multiples of the factor, and an area within the limits", () => {
    fc.assert(
      fc.property(side, side, (height, width) => {
        fc.pre(Math.max(height, width) / Math.min(height, width) <= 200);
        const [min, max] = [56 * 56, 401_408];
        const size = smartResize(height, width, 28, min, max);
        expect(size.height % 28).toBe(0);
        expect(size.width % 28).toBe(0);
        expect(Math.min(size.height, size.width)).toBeGreaterThanOrEqual(28);
        expect(size.height * size.width).toBeGreaterThanOrEqual(min);
        // A side of at least one factor may push a long thin picture over the limit, and only that.
        if (Math.min(size.height, size.width) > 28) expect(size.height * size.width).toBeLessThanOrEqual(max);
      }),
    );
  });

  it("is turned when the picture is turned", () => {
    fc.assert(
      fc.property(side, side, (height, width) => {
        fc.pre(Math.max(height, width) / Math.min(height, width) <= 200);
        const [a, b] = [smartResize(height, width, 28, 3136, 401_408), smartResize(width, height, 28, 3136, 401_408)];
        expect([a.height, a.width]).toEqual([b.width, b.height]);
      }),
    );
  });

  it("is left alone when it already fits", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 20 }), fc.integer({ min: 2, max: 20 }), (rows, columns) => {
        const size = { height: rows * 28, width: columns * 28 };
        expect(smartResize(size.height, size.width, 28, 3136, 401_408)).toEqual(size);
      }),
    );
  });

  it("rounds halves to even: 70 × 70 becomes 56 × 56, and 98 becomes 112", () => {
    expect(smartResize(70, 70, 28, 3136, 401_408)).toEqual({ height: 56, width: 56 });
    expect(smartResize(98, 98, 28, 3136, 401_408)).toEqual({ height: 112, width: 112 });
  });

  it.each(reference.smartResize)("is transformers' for $arguments", ({ arguments: given, size }) => {
    if (size === null) expect(() => smartResize(...given)).toThrow(DataError);
    else expect(Object.values(smartResize(...given))).toEqual(size);
  });
});

describe("bicubic resampling", () => {
  const flat = (width: number, height: number, value: number): RawImage => ({
    width,
    height,
    data: new Uint8Array(width * height * 3).fill(value),
  });

  it("keeps a picture of one colour", () => {
    fc.assert(
      fc.property(
        fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 })),
        fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 })),
        fc.integer({ min: 0, max: 255 }),
        ([w, h], [newW, newH], value) => {
          expect(new Set(resizeBicubic(flat(w, h, value), newW, newH).data)).toEqual(new Set([value]));
        },
      ),
      { numRuns: 50 },
    );
  });

  it("returns the same pixels at the same size", async () => {
    const image = await loadImage(imagePath("wide.png"));
    expect(resizeBicubic(image, image.width, image.height).data).toBe(image.data);
  });

  it("stays within a byte where the kernel overshoots an edge", () => {
    const edge = { width: 4, height: 1, data: new Uint8Array([0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255]) };
    const { data } = resizeBicubic(edge, 16, 1);
    expect(Math.min(...data.slice(0, 18))).toBe(0);
    expect(Math.max(...data.slice(-18))).toBe(255);
  });

  it.each(resizes.cases)("gives torchvision's bytes from $from to $to", ({ from, to, sha256: expected }) => {
    const [[width, height], [newWidth, newHeight]] = [from, to] as [Pair, Pair];
    const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => 97 * i + 31 * Math.floor(i / 16));
    expect(sha256(resizeBicubic({ width, height, data }, newWidth, newHeight).data)).toBe(expected);
  });

  it.each(resizes.photographs)("gives torchvision's bytes of a photograph from $from to $to", async (recorded) => {
    const [[width, height], [newWidth, newHeight]] = [recorded.from, recorded.to] as [Pair, Pair];
    const photograph = await loadImage(`${photographs}/${recorded.file}`);
    const rows = Array.from({ length: height }, (_, y) => photograph.data.subarray(3 * y * photograph.width));
    const data = Buffer.concat(rows.map((row) => row.subarray(0, 3 * width)));
    expect(sha256(resizeBicubic({ width, height, data }, newWidth, newHeight).data)).toBe(recorded.sha256);
  });

  it.each(lossless)(
    "gives torchvision's bytes of $file",
    async ({ file, resizedTo: [width, height], resizedSha256 }) => {
      expect(sha256(resizeBicubic(await loadImage(imagePath(file)), width, height).data)).toBe(resizedSha256);
    },
  );
});

describe("pixel values", () => {
  it.each(lossless)("are transformers', bit for bit, for $file", async ({ file, grid, pixelValuesSha256 }) => {
    const image = process(await loadImage(imagePath(file)));
    expect(image.grid).toEqual(grid);
    expect(sha256(image.pixelValues)).toBe(pixelValuesSha256);
  });

  it.each(lossless)("are as many as a look at the header says, for $file", async ({ file, grid }) => {
    expect(gridOf(await imageSize(imagePath(file)))).toEqual(grid);
  });

  it.each(reference.cases)("of a prompt's pictures stand one after another: $name", async (recorded) => {
    const sources = promptOf(recorded).flatMap(({ content }) =>
      content.flatMap((part) => (part.type === "image" ? [part.image] : [])),
    );
    const images = await Promise.all(sources.map(async (source) => process(await loadImage(source))));
    expect(images.map(({ grid }) => grid)).toEqual(recorded.grids);
    if (recorded.pixelValuesSha256 !== null)
      expect(sha256(...images.map(({ pixelValues }) => pixelValues))).toBe(recorded.pixelValuesSha256);
  });

  it("are the recorded numbers", async () => {
    const expected = (await referenceArrays()).get("one picture/pixelValues")!;
    const { pixelValues, grid } = process(await loadImage(imagePath("square.png")));
    expect(expected.shape).toEqual([grid[1] * grid[2], 3 * 2 * 14 * 14]);
    expect(pixelValues).toEqual(expected.data);
  });

  it("repeat a still picture in every frame", async () => {
    const { pixelValues } = process(await loadImage(imagePath("square.png")));
    expect(pixelValues.slice(0, 196)).toEqual(pixelValues.slice(196, 392));
  });
});

describe("an image processor's settings", () => {
  const edited = async (change: Record<string, unknown>) => {
    const json = JSON.parse(await readFile(join(checkpointDir, "preprocessor_config.json"), "utf8"));
    await writeFile(join(scratch, "preprocessor_config.json"), JSON.stringify({ ...json, ...change }));
    return loadImageProcessor(scratch, architecture);
  };

  it("may come as min_pixels and max_pixels, which win over size", async () => {
    const small = await edited({ min_pixels: 56 * 56, max_pixels: 56 * 56 });
    expect(small.process(await loadImage(imagePath("wide.png"))).grid).toEqual([1, 2, 6]);
  });

  it("are refused when they belong to another image processor", async () => {
    await expect(edited({ image_processor_type: "CLIPImageProcessor" })).rejects.toThrow(
      /image_processor_type: .*Qwen2VLImageProcessor.*got "CLIPImageProcessor"/,
    );
    for (const image_processor_type of [null, "Qwen2VLImageProcessorFast"])
      expect(await edited({ image_processor_type })).toBeDefined();
  });

  it.each(reference.settings)("give transformers' pixel values, bit for bit: $settings", async (recorded) => {
    const other = await edited(recorded.settings);
    expect(sha256(other.process(await loadImage(imagePath("wide.png"))).pixelValues)).toBe(recorded.pixelValuesSha256);
  });

  it("may come inside processor_config.json", async () => {
    const dir = await mkdtemp(join(scratch, "nested-"));
    const json = JSON.parse(await readFile(join(checkpointDir, "preprocessor_config.json"), "utf8"));
    await writeFile(join(dir, "processor_config.json"), JSON.stringify({ image_processor: json }));
    const nested = await loadImageProcessor(dir, architecture);
    const image = await loadImage(imagePath("wide.png"));
    expect(nested.process(image)).toEqual(process(image));
    // transformers reads that one where there are both.
    await writeFile(join(dir, "preprocessor_config.json"), JSON.stringify({ ...json, patch_size: 16 }));
    expect((await loadImageProcessor(dir, architecture)).process(image)).toEqual(process(image));
    await writeFile(join(dir, "processor_config.json"), JSON.stringify({ processor_class: "Qwen2VLProcessor" }));
    await expect(loadImageProcessor(dir, architecture)).rejects.toThrow("preprocessor_config.json: patch_size");
  });

  it.each([
    [{ patch_size: 16 }, "patch_size"],
    [{ merge_size: 4 }, "merge_size"],
    [{ do_resize: false }, "do_resize"],
    [{ size: { height: 224, width: 224 } }, "shortest_edge"],
    [{ min_pixels: null, size: { longest_edge: 3136 } }, "shortest_edge"],
    [{ resample: 2 }, "resample"],
  ])("are refused when they are %j", async (change, key) => {
    await expect(edited(change)).rejects.toThrow(ConfigError);
    await expect(edited(change)).rejects.toThrow(key);
  });

  it("are asked for by name when they are missing", async () => {
    const empty = await mkdtemp(join(scratch, "empty-"));
    await copyFile(join(checkpointDir, "config.json"), join(empty, "config.json"));
    await expect(loadImageProcessor(empty, architecture)).rejects.toThrow(
      "preprocessor_config.json or processor_config.json",
    );
  });
});
