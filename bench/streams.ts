/**
 * Claim: a million examples stream through a heap of 64 MiB, and the heap does not grow with their number. COCO's file is read whole first,
 * without its polygons: what is alive of it grows, by 60 bytes an annotation and some 150 an image. The header of each image is read.
 *
 *   npx tsx bench/streams.ts [EXAMPLES [FORMAT]]          seven minutes; 0.6 GiB of files in the system's temporary folder
 *
 * Each format is read by a process of its own, from a file that is written first, a tenth of the examples and then all of them. All examples
 * share one picture, so what is measured is the reading of rows.
 */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import type { ExampleStream } from "../src/dataset";
import { cocoDataset } from "../src/datasets/coco";
import { csvDataset } from "../src/datasets/csv";
import { jsonlDataset } from "../src/datasets/jsonl";
import { classification } from "../src/tasks/classification";

const labels = ["joy", "sadness"];

interface Format {
  readonly file: string;
  readonly heapMiB: number;
  readonly lines: (count: number) => Iterable<string>;
  readonly read: (path: string, folder: string) => ExampleStream<unknown>;
}

const formats: Readonly<Record<string, Format>> = {
  jsonl: {
    file: "examples.jsonl",
    heapMiB: 64,
    *lines(count) {
      for (let i = 0; i < count; i++)
        yield `{"id": "${i}", "image": "1.jpg", "annotation": {"joy": 0.25, "sadness": 0.75}}\n`;
    },
    read: (path) => jsonlDataset(path, classification({ labels })),
  },
  csv: {
    file: "examples.csv",
    heapMiB: 64,
    *lines(count) {
      yield "id,image,joy,sadness\n";
      for (let i = 0; i < count; i++) yield `${i},1.jpg,0.25,0.75\n`;
    },
    read: (path) => csvDataset(path, labels),
  },
  coco: {
    file: "instances.json",
    heapMiB: 128,
    // One image with seven annotations of as many categories, as often as needed; polygons of 30 corners.
    *lines(count) {
      const images = Math.ceil(count / 7);
      yield `{"images": [`;
      for (let i = 0; i < images; i++)
        yield `${i ? "," : ""}{"id": ${i}, "file_name": "1.jpg", "width": 640, "height": 480}\n`;
      yield `], "annotations": [`;
      const polygon = Array.from({ length: 60 }, (_, i) => (i * 7.25) % 480);
      for (let i = 0; i < count; i++)
        yield `${i ? "," : ""}{"id": ${i}, "image_id": ${i % images}, "category_id": ${Math.floor(i / images)}, "bbox": [1.5, 2.5, 30.25, 40], "iscrowd": 0, "segmentation": [[${polygon}]]}\n`;
      yield `], "categories": [${Array.from({ length: 7 }, (_, i) => `{"id": ${i}, "name": "c${i}"}`)}]}`;
    },
    read: (path, folder) => cocoDataset(path, folder),
  },
};

const [, , first = "1000000", name, folder] = process.argv;
if (folder === undefined) await measureAll(Number(first), name);
else await readOne(formats[name!]!, Number(first), folder);

async function measureAll(examples: number, only?: string): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "rise-streams-"));
  const create = { width: 640, height: 480, channels: 3, background: "teal" } as const;
  await writeFile(join(dir, "1.jpg"), await sharp({ create }).jpeg().toBuffer());
  const script = fileURLToPath(import.meta.url);
  for (const [format, { file, heapMiB, lines }] of Object.entries(formats)) {
    if (only !== undefined && format !== only) continue;
    for (const count of [examples / 10, examples]) {
      await write(join(dir, file), lines(count));
      const node = [`--max-old-space-size=${heapMiB}`, "--expose-gc", "--import", "tsx"];
      const output = execFileSync(process.execPath, [...node, script, String(count), format, dir], {
        encoding: "utf8",
      });
      console.log(JSON.stringify({ bench: "streams", format, heapLimitMiB: heapMiB, ...JSON.parse(output) }));
    }
  }
  await rm(dir, { recursive: true });
}

async function write(path: string, lines: Iterable<string>): Promise<void> {
  const stream = createWriteStream(path);
  for (const line of lines) if (!stream.write(line)) await once(stream, "drain");
  stream.end();
  await once(stream, "close");
}

/** Reads a file to its end, and looks ten times on the way at what is alive. */
async function readOne({ file, read }: Format, count: number, dir: string): Promise<void> {
  const start = performance.now();
  let examples = 0;
  let alive = 0;
  for await (const _ of read(join(dir, file), dir)) {
    if (examples++ % Math.ceil(count / 10) === 0) {
      globalThis.gc?.();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      alive = Math.max(alive, heapUsed + arrayBuffers);
    }
  }
  const seconds = (performance.now() - start) / 1000;
  console.log(
    JSON.stringify({ examples, aliveMiB: Math.round((alive / 2 ** 20) * 10) / 10, seconds: Math.round(seconds) }),
  );
}
