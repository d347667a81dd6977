import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { imageSize, loadImage } from "../../../src/models/inputs/image";
import type { RawImage } from "../../../src/types";
import { referenceDir } from "../../models/reference";
import { mutated } from "../mutate";
import type { Target } from "../target";

const mostPixels = 2 ** 20;

const svg =
  '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9"><image xlink:href="../outside.png" width="9" height="9"/></svg>';

export const imagesTarget: Target = {
  name: "images",
  share: 40_000,
  inTest: 120,
  limitMs: 5000,
  async open(folder) {
    const { default: sharp } = await import("sharp");
    const images = join(referenceDir, "images");
    const seeds: Buffer[] = [];
    for (const name of await readdir(images)) seeds.push(await readFile(join(images, name)));
    const small = () => sharp({ create: { width: 9, height: 7, channels: 3, background: "teal" } });
    for (const other of [small().webp(), small().tiff(), small().avif(), small().gif()])
      seeds.push(await other.toBuffer());
    seeds.push(Buffer.from(svg));
    const path = join(folder, "image");
    return {
      make: (rng) => ({ file: "image", bytes: mutated(rng, seeds) }),
      async read({ bytes }) {
        // Every other one as a file: a decoder reads both by other ways.
        if (bytes.length % 2 === 0) await writeFile(path, bytes);
        const source = bytes.length % 2 === 0 ? path : bytes;
        const size = await imageSize(source, mostPixels);
        return { size, image: await loadImage(source, mostPixels) };
      },
      problem({ size, image }: { size: { width: number; height: number }; image: RawImage }) {
        const { width, height, data } = image;
        if (data.length !== 3 * width * height) return `${data.length} bytes for ${width}×${height}`;
        if (width * height > mostPixels) return `${width * height} pixels`;
        return size.width === width && size.height === height
          ? undefined
          : `a header of ${size.width}×${size.height}, and pixels of ${width}×${height}`;
      },
    };
  },
};
