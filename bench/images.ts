/**
 * Claim: encoding a picture costs about as much here as with transformers on PyTorch. Making its file into pixel values costs more: the resampling, which
 * has to give Pillow's pixels, is vectorised C there.
 *
 *   RISE_PYTHON=… npx tsx bench/images.ts            four minutes; that Python has torch, transformers and Pillow, and torchvision if that is to be measured
 *
 * Processing is a file made into pixel values: decoding, smart resize, normalising, patches. Encoding is pixel values made into features, float32 on all
 * cores, with the tiny model's vision tower and a random one, 512 wide and eight layers deep; the faster of PyTorch's attentions counts. Both sides take
 * turns in one run, nothing is remembered between rounds, and the ratio is the median of seven rounds' ratios. Both sides' results have to agree each
 * time: pixel values bit for bit with Pillow's processor on a PNG, within a few steps of a byte where the JPEG decoders or the resampling differ.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { groupImages } from "../src/engine/batch";
import { createSampler } from "../src/engine/sampling/sampler";
import type { WritableTensor } from "../src/models/files/safetensors";
import { loadImage } from "../src/models/inputs/image";
import { loadImageProcessor, type ProcessedImage } from "../src/models/inputs/image-processor";
import type { VisionLanguageModel } from "../src/models/open-model";
import { createRng } from "../src/rng";
import { type Rounds, reportRounds } from "./measure";
import { withTinyModel } from "./model";
import { inTurn, type Work, withPeer } from "./peer";

/** Steps of a byte in pixel values, and parts of the largest feature. */
const [bytesOff, featuresOff] = [3, 1e-4];
const pictures = [
  { width: 112, height: 112, format: "png" },
  { width: 640, height: 480, format: "png" },
  { width: 640, height: 480, format: "jpeg" },
  { width: 1792, height: 896, format: "jpeg" },
] as const;

// libvips remembers files that it has read.
sharp.cache(false);

const dir = await mkdtemp(join(tmpdir(), "rise-bench-images-"));
try {
  await withTinyModel((tiny) =>
    withTinyModel(
      (wide) => bench({ tiny, wide }),
      (config) => ({ ...config, vision: { ...config.vision, embedDim: 512, heads: 8, depth: 8 } }),
    ),
  );
} finally {
  await rm(dir, { recursive: true });
}

async function bench(models: Readonly<Record<string, VisionLanguageModel>>): Promise<void> {
  const { dir: processor, architecture } = models.tiny!;
  const { process } = await loadImageProcessor(processor, architecture);
  const results = new Map<string, WritableTensor>();
  const works: Work[] = [];
  /** By grid: formats of one size are the same work. */
  const taken = new Map<string, { name: string; image: ProcessedImage }>();
  for (const { format, ...size } of pictures) {
    const name = `${size.width} × ${size.height} ${format.toUpperCase()}`;
    const file = join(dir, `${size.width}.${format}`);
    await sharp(photograph(size), { raw: { ...size, channels: 3 } }).toFile(file);
    const ours = async () => process(await loadImage(file));
    const image = await ours();
    const [, rows, columns] = image.grid;
    results.set(name, {
      shape: [rows * columns, image.pixelValues.length / (rows * columns)],
      data: image.pixelValues,
    });
    taken.set(image.grid.join(), { name, image });
    const request = { work: "process", file, result: name };
    const limit = (how: string) => (how === "Pillow" && format === "png" ? 0 : bytesOff);
    for (const how of ["Pillow", "torchvision"])
      works.push({
        what: `process ${name}, ${how}`,
        ours,
        requests: { [how]: { ...request, how } },
        check: (_, { gap }) => agree(gap!, limit(how)),
      });
  }
  const samplers = [];
  for (const [tower, { architecture, checkpoint }] of Object.entries(models)) {
    const sampler = createSampler(
      models[tower]!,
      { architecture, checkpoint, trainable: new Map() },
      { rowsAtOnce: 1 },
    );
    samplers.push(sampler);
    for (const { name, image } of taken.values()) {
      // A copy is a picture whose features nobody remembers.
      const ours = () => sampler.features(groupImages([{ tokens: [], images: [{ ...image }] }], architecture));
      const result = `${tower}, ${name}`;
      results.set(result, await ours());
      const request = { work: "encode", tower, pixels: name, grid: image.grid, result };
      const ways = ["eager", "sdpa"].map((how) => [how, { ...request, how }]);
      const what = `encode ${image.grid[1]} × ${image.grid[2]} patches, ${tower} tower`;
      works.push({ what, ours, requests: Object.fromEntries(ways), check: (_, { gap }) => agree(gap!, featuresOff) });
    }
  }
  const towers = Object.fromEntries(Object.entries(models).map(([tower, model]) => [tower, model.dir]));
  await withPeer("images.py", { processor, towers }, results, async (peer) => {
    const { ways, ...versions } = peer.facts as { ways: string[] };
    const rows: Rounds[] = [];
    for (const work of works)
      if (Object.keys(work.requests).some((how) => ways.includes(how))) rows.push(await inTurn(peer, work));
    reportRounds("images", ["rise-ts", "transformers"], rows, versions);
  });
  for (const sampler of samplers) await sampler.dispose();
}

function agree(gap: number, limit: number): void {
  if (!(gap <= limit)) throw new Error(`not the same work: results are ${gap} apart`);
}

/** Smooth waves, edges and some noise. */
function photograph({ width, height }: { readonly width: number; readonly height: number }): Uint8Array {
  const rng = createRng(0, "bench photograph", width, height);
  const waves = Array.from({ length: 12 }, (_, i) => ({
    across: (rng.normal() * 30) / width,
    down: (rng.normal() * 30) / height,
    phase: 6 * rng.uniform(),
    colour: [rng.normal(), rng.normal(), rng.normal()].map((x) => 16 * x),
    edges: i % 3 === 0,
  }));
  const data = new Uint8ClampedArray(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const heights = waves.map(({ across, down, phase, edges }) => {
        const wave = Math.sin(across * x + down * y + phase);
        return edges ? Math.sign(wave) : wave;
      });
      for (let c = 0; c < 3; c++)
        data[(y * width + x) * 3 + c] = waves.reduce(
          (sum, { colour }, i) => sum + colour[c]! * heights[i]!,
          128 + 3 * rng.normal(),
        );
    }
  return new Uint8Array(data.buffer);
}
