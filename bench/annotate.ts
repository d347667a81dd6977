/**
 * Prints the images per second of processor time that `annotateDataset` annotates, beside `evaluate` and a loop of
 * `annotate`, with the tiny model on images of 640 × 480.
 *
 *   npx tsx bench/annotate.ts [IMAGES]
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { annotate, annotateDataset, classification, createRng, evaluate } from "rise-ts";
import { onnxBackend } from "rise-ts/backends/onnx";
import sharp from "sharp";

const count = Number(process.argv[2] ?? 64);
const folder = await mkdtemp(join(tmpdir(), "rise-bench-"));
const photos = join(folder, "photos");
await mkdir(photos);
const rng = createRng(0, "bench");
for (let i = 0; i < count; i++) {
  const pixels = Uint8Array.from({ length: 40 * 30 * 3 }, () => rng.integer(256));
  const image = sharp(pixels, { raw: { width: 40, height: 30, channels: 3 } }).resize(640, 480);
  await writeFile(join(photos, `${String(i).padStart(5, "0")}.jpg`), await image.jpeg().toBuffer());
}

const task = classification({ labels: ["joy", "sadness"] });
const annotation = { joy: 1, sadness: 0 };
const names = Array.from({ length: count }, (_, i) => `${String(i).padStart(5, "0")}.jpg`);
const dataset = names.map((id) => ({ id, image: join(photos, id), annotation }));
const ways = {
  evaluate: (backend) => evaluate({ task, dataset, backend, maxTokens: 64 }),
  annotateDataset: async (backend) =>
    annotateDataset({ task, images: photos, backend, maxTokens: 64, runDir: join(folder, `run-${runs++}`), sheet: 0 }),
  "annotateDataset, with its page": async (backend) =>
    annotateDataset({ task, images: photos, backend, maxTokens: 64, runDir: join(folder, `run-${runs++}`) }),
  "annotate, one by one": async (backend) => {
    for (const { image } of dataset) await annotate({ task, image, backend, maxTokens: 64 });
  },
} satisfies Readonly<Record<string, (backend: Awaited<ReturnType<typeof onnxBackend>>) => Promise<unknown>>>;
let runs = 0;

const model = new URL("../examples/tiny-vlm/checkpoint", import.meta.url);
for (const [name, run] of Object.entries(ways)) {
  // A backend of its own, so that none profits from what another has compiled or decoded.
  const backend = await onnxBackend({ model: model.pathname, device: "cpu" });
  const [before, started] = [process.cpuUsage(), performance.now()];
  await run(backend);
  const { user, system } = process.cpuUsage(before);
  const seconds = (performance.now() - started) / 1000;
  const perSecond = count / ((user + system) / 1e6);
  console.log(`${name}: ${perSecond.toFixed(1)} images per second of processor time, ${seconds.toFixed(1)} s in all`);
  await backend.dispose();
}
await rm(folder, { recursive: true });
