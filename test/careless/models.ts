import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { onnxBackend } from "../../src/backends/onnx";
import { openaiBackend } from "../../src/backends/openai";
import { mergeAdapter } from "../../src/engine/checkpoint/merge";
import { annotate } from "../../src/evaluation/annotate";
import { scriptedBackend } from "../../src/testing";
import { onnxTrainer } from "../../src/trainers/onnx";
import { writeFiles } from "../datasets/temporary";
import { checkpointDir } from "../models/reference";
import { type Careless, root, task } from "./case";

const untied = join(root, "test/reference/data/shapes/untied");

const open = (model: string) => onnxBackend({ model, device: "cpu" });

function folderWith(files: Readonly<Record<string, string | object>>) {
  return async (folder: string) => {
    await writeFiles(folder, files);
    await open(folder);
  };
}

async function cutShort(folder: string): Promise<void> {
  await cp(checkpointDir, folder, { recursive: true });
  const file = join(folder, "model.safetensors");
  await writeFile(file, (await readFile(file)).subarray(0, -1000));
  await open(folder);
}

const models: readonly Careless[] = [
  { input: "a folder that is missing", call: (folder) => open(join(folder, "modle")) },
  { input: "an address of the hub", call: () => open("https://huggingface.co/Qwen/Qwen2-VL-2B-Instruct") },
  { input: "a path that begins with ~", call: () => open("~/models/qwen") },
  { input: "a file", call: (folder) => writeFiles(folder, { tiny: "x" }).then(() => open(join(folder, "tiny"))) },
  { input: "a folder of GGUF files", call: folderWith({ "model-q4.gguf": "GGUF" }) },
  { input: "a folder without a model", call: folderWith({ "notes.txt": "x" }) },
  { input: "a model of another family", call: folderWith({ "config.json": { model_type: "llava" } }) },
  { input: "an adapter as a model", call: () => open(join(untied, "adapter")) },
  { input: "weights that are cut short", call: cutShort },
  { input: "an adapter that is a whole model", call: () => onnxBackend({ adapter: checkpointDir, device: "cpu" }) },
  { input: "an adapter merged into its own folder", call: (folder) => merged(folder, folder) },
  { input: "`lora: true`", call: () => onnxTrainer({ model: checkpointDir, lora: true as never }) },
  { input: "`lora: { r: 16 }`", call: () => onnxTrainer({ model: checkpointDir, lora: { r: 16 } as never }) },
  {
    input: "`lora_alpha`",
    call: () => onnxTrainer({ model: checkpointDir, lora: { rank: 4, lora_alpha: 8 } as never }),
  },
  {
    input: "layers that LoRA does not know",
    call: () => onnxTrainer({ model: checkpointDir, lora: { rank: 4, targetModules: ["query"] } }),
  },
  { input: '`precision: "fp16"`', call: () => onnxBackend({ model: checkpointDir, precision: "fp16" as never }) },
  { input: '`device: "gpu"`', call: () => onnxBackend({ model: checkpointDir, device: "gpu" as never }) },
];

async function merged(folder: string, dir: string): Promise<void> {
  await cp(join(untied, "adapter"), folder, { recursive: true });
  await mergeAdapter(folder, dir, { model: join(untied, "checkpoint") });
}

const servers: readonly Careless[] = [
  { input: "an address without http", call: () => openaiBackend({ baseUrl: "localhost:8000", model: "m" }) },
  { input: "no model", call: () => openaiBackend({ baseUrl: "http://localhost:1/v1" } as never) },
];

/** Annotates an image that was written into the folder. */
function image(name: string, bytes: () => Promise<Uint8Array> | Uint8Array | string) {
  return async (folder: string) => {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, name), await bytes());
    await look(join(folder, name));
  };
}

async function look(path: unknown): Promise<void> {
  const backend = await onnxBackend({ model: checkpointDir, device: "cpu" });
  try {
    await annotate({ task, image: path as string, backend, maxTokens: 1 });
  } finally {
    await backend.dispose();
  }
}

const teal = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: "teal" } })
    .jpeg()
    .toBuffer();

const noise = () =>
  sharp({
    create: {
      width: 90,
      height: 70,
      channels: 3,
      background: "teal",
      noise: { type: "gaussian", mean: 128, sigma: 40 },
    },
  })
    .jpeg()
    .toBuffer();

const images: readonly Careless[] = [
  { input: "a path that is missing", call: (folder) => look(join(folder, "a.jpg")) },
  { input: "an address", call: () => look("https://example.org/a.jpg") },
  { input: "`new URL(…)`", call: () => look(new URL("file:///a.jpg")) },
  { input: "half a JPEG", call: image("a.jpg", async () => (await noise()).subarray(0, 2000)) },
  { input: "an empty file", call: image("a.jpg", () => "") },
  { input: "a PDF", call: image("a.pdf", () => "%PDF-1.4\n") },
  { input: "text", call: image("a.jpg", () => "hello") },
  { input: "a web page", call: image("a.jpg", () => "<!doctype html><p>Sign in") },
  { input: "a HEIC", call: image("a.heic", () => "\0\0\0\x18ftypheic\0\0\0\0mif1heic") },
  { input: "an SVG drawing", call: image("a.svg", () => "<svg xmlns='http://www.w3.org/2000/svg'/>") },
  { input: "a Git-LFS pointer", call: image("a.jpg", () => "version https://git-lfs.github.com/spec/v1\n") },
  { input: "4000 × 10 pixels", call: image("a.jpg", () => teal(4000, 10)) },
  { input: "RGBA in memory", call: () => look({ width: 2, height: 2, data: new Uint8Array(16) }) },
];

const tasks: readonly Careless[] = [
  { input: "a trainer for a backend", call: () => annotate({ task, image: "a.jpg", backend: {} as never }) },
  {
    input: "a promise for a backend",
    call: () => annotate({ task, image: "a.jpg", backend: Promise.resolve() as never }),
  },
  {
    input: "a misspelt option",
    call: () => annotate({ task, image: "a.jpg", backend: scriptedBackend(["x"]), maxToken: 3 } as never),
  },
];

export const compute = { models, servers, images, "single annotations": tasks };
