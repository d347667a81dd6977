import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadArchitecture } from "../../../src/models/families";
import { readSafetensors } from "../../../src/models/files/safetensors";
import { loadImage } from "../../../src/models/inputs/image";
import { type ImageProcessor, loadImageProcessor } from "../../../src/models/inputs/image-processor";
import { type Comparison, worst } from "../compare";
import type { Python } from "../python";

/**
 * The whole way from a file to pixel values, beside both back ends of transformers: `AutoProcessor`'s is torchvision, and is to be met to the bit wherever
 * a format has one reading (JPEG has several). Pillow's resizes in another order: the rows about it say how far apart the two are.
 */
export async function comparePixels(python: Python, scratch: string): Promise<Comparison[]> {
  const here = fileURLToPath(new URL(".", import.meta.url));
  const out = join(scratch, "pixels");
  await python(join(here, "pixels.py"), join(here, "../data"), out);
  const arrays = await readSafetensors(join(out, "arrays.safetensors"));
  const processor = async (dir: string) => loadImageProcessor(join(out, dir), await loadArchitecture(join(out, dir)));
  const [qwen2, qwen3] = [await processor("checkpoint"), await processor("qwen3-vl")];
  const comparisons = {
    torchvision: differences(qwen2, clip),
    pillow: differences(qwen2, clip),
    "qwen3-vl": differences(qwen3, half),
  };
  for (const file of (await readdir(join(out, "pictures"))).sort()) {
    const image = await loadImage(join(out, "pictures", file));
    for (const [backEnd, found] of Object.entries(comparisons)) {
      const { pixelValues } = found.processor.process(image);
      const theirs = arrays.get(`${backEnd}/${file}`)!.data;
      const apart = theirs.map((x, i) => Math.abs(pixelValues[i]! - x) * found.byte);
      const alike = theirs.length === pixelValues.length;
      found.mean.set(file, alike ? apart.reduce((sum, x) => sum + x, 0) / apart.length : Number.POSITIVE_INFINITY);
      found.most.set(
        file,
        apart.reduce((most, x) => Math.max(most, x), 0),
      );
      if (!file.endsWith(".jpg")) found.share.set(file, apart.filter((x) => x > 0).length / apart.length);
    }
  }
  const { torchvision, pillow, "qwen3-vl": settings } = comparisons;
  const rows = [
    ["torchvision: share of bytes that differ, lossless", torchvision.share, 0],
    ["torchvision, of 255: mean difference", torchvision.mean, 1],
    ["torchvision, of 255: largest difference", torchvision.most, 3],
    ["Qwen3-VL: share of bytes that differ, lossless", settings.share, 0],
    ["Qwen3-VL, of 255: mean difference", settings.mean, 1],
    ["Qwen3-VL, of 255: largest difference", settings.most, 3],
    ["Pillow, of 255: mean difference", pillow.mean, 2.5],
    ["Pillow, of 255: largest difference", pillow.most, 40],
  ] as const;
  return rows.map(([what, found, tolerance]) => ({ ...worst(`pixels, ${what} (${found.size})`, found), tolerance }));
}

/** @param byte a step of a byte, of a normalised value */
const differences = (processor: ImageProcessor, byte: number) => ({
  processor,
  byte,
  mean: new Map<string, number>(),
  most: new Map<string, number>(),
  share: new Map<string, number>(),
});

/** With the largest deviation of CLIP, so that no channel's difference is understated. */
const clip = 255 * 0.27577711;
const half = 255 * 0.5;
