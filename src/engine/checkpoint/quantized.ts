import { createHash } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { DataError } from "../../errors";
import { assetsFolder } from "../../files/optional-packages";
import { isRunning } from "../../files/whole-folder";
import { type Precision, type ReducedPrecision, roundings } from "../../models/checkpoint/quantize";
import { linearLayers } from "../../models/checkpoint/recorded";
import { type Checkpoint, type RoundedLayer, readRows } from "../../models/checkpoint/weights";
import { exists } from "../../models/files/directory";
import {
  inPieces,
  isStored,
  type RawTensor,
  readHeader,
  readTensorBytes,
  type StoredTensor,
  writeRawSafetensors,
} from "../../models/files/safetensors";
import type { VisionLanguageModel } from "../../models/open-model";
import type { Architecture } from "../../models/parts/architecture";

/** The quantized checkpoint that a sampler of this precision multiplies with; undefined for the checkpoint itself. */
export async function roundedFor(
  { checkpoint, architecture }: Pick<VisionLanguageModel, "checkpoint" | "architecture">,
  precision: Precision,
): Promise<Checkpoint | undefined> {
  return precision === "float32" || precision === "half"
    ? undefined
    : roundedCheckpoint(checkpoint, architecture, precision);
}

/**
 * A checkpoint's language model with quantized linear layers and head; embeddings, norms and biases stay as stored. The
 * vision tower is left out. The file is made once, in the cache, and again when the checkpoint's files change.
 */
export async function roundedCheckpoint(
  checkpoint: Checkpoint,
  architecture: Architecture,
  precision: ReducedPrecision,
): Promise<Checkpoint> {
  const folder = join(assetsFolder(), "rounded", `${basename(checkpoint.folder)}-${digest(checkpoint.folder)}`);
  const versions = [...(checkpoint.versions ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
  const file = `${precision}-${digest(JSON.stringify([formatVersion, versions]))}.safetensors`;
  const path = join(folder, file);
  if (!(await exists(path))) {
    await mkdir(folder, { recursive: true });
    await removeOthers(folder, file, precision);
    const partial = join(folder, `${file}.${process.pid}-${parts++}.partial`);
    await writeRawSafetensors(path, roundedTensors(checkpoint, architecture, precision), partial);
  }
  const found = new Map([...(await readHeader(path))].map(([name, tensor]) => [name, { ...tensor, file }]));
  const rounded = new Map<string, RoundedLayer>();
  for (const module of roundedModules(architecture)) {
    const [numbers, scale] = [found.get(numbersOf(module)), found.get(scaleOf(module))];
    if (!numbers || !scale) throw new DataError(`${path}: expected ${numbersOf(module)} and ${scaleOf(module)}`);
    rounded.set(module, { precision, numbers, scale });
  }
  const tensors = new Map<string, StoredTensor & { file: string }>();
  for (const name of checkpoint.tensors.keys()) {
    const tensor = found.get(name);
    if (tensor && isStored(tensor)) tensors.set(name, { ...tensor, file });
  }
  return { dir: checkpoint.dir, folder, tensors, rounded, read: checkpoint.read };
}

/** Bump when the file format changes. */
const formatVersion = 2;

let parts = 0;

const digest = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 16);

/** Removes files of older states of a checkpoint, and unfinished ones of dead processes. */
async function removeOthers(folder: string, file: string, precision: ReducedPrecision): Promise<void> {
  for (const other of await readdir(folder)) {
    const pid = /\.(\d+)-\d+\.partial$/.exec(other)?.[1];
    const isOld = pid === undefined ? other.startsWith(`${precision}-`) && other !== file : !isRunning(Number(pid));
    if (isOld) await rm(join(folder, other), { force: true });
  }
}

const numbersOf = (module: string) => `${module}.numbers`;
const scaleOf = (module: string) => `${module}.scale`;

/** The language model's linear layers, and its head under its matrix's name. */
export const roundedModules = (architecture: Architecture): string[] => [
  ...linearLayers(architecture).flatMap(({ name }) => (name.startsWith(architecture.languagePrefix) ? [name] : [])),
  architecture.head,
];

/** Orders tensors for writing: a matrix's scales are known once its numbers are. */
function roundedTensors(
  checkpoint: Checkpoint,
  architecture: Architecture,
  precision: ReducedPrecision,
): Map<string, RawTensor> {
  const modules = new Set(roundedModules(architecture));
  const all = new Map<string, RawTensor>();
  for (const [name, tensor] of checkpoint.tensors) {
    if (name.startsWith(architecture.visionPrefix)) continue;
    const module = name.replace(/\.weight$/, "");
    if (modules.has(module)) for (const part of roundedMatrix(checkpoint, module, precision)) all.set(...part);
    // The head's rows are also read directly if it doubles as the embedding.
    if (!modules.has(module) || module === architecture.embeddings)
      all.set(name, asStored(join(checkpoint.folder, tensor.file), tensor));
  }
  return all;
}

function roundedMatrix(checkpoint: Checkpoint, module: string, precision: ReducedPrecision): [string, RawTensor][] {
  const name = `${module}.weight`;
  const [outputs, inputs] = checkpoint.tensors.get(name)!.shape as [number, number];
  const { numbers, scales, round } = roundings[precision];
  const shape = numbers(outputs, inputs);
  const count = scales(outputs, inputs);
  const size = shape.reduce((a, b) => a * b, 1);
  const scale = new Float32Array(count);
  async function* numbersOfAll() {
    const into = { numbers: new Uint8Array(size), scale };
    for await (const { first, numbers } of readRows(checkpoint, name)) round(numbers, inputs, first, into);
    yield into.numbers;
  }
  async function* scaleOfAll() {
    yield new Uint8Array(scale.buffer);
  }
  return [
    [numbersOf(module), { dtype: "U8", shape, bytes: size, pieces: numbersOfAll }],
    [scaleOf(module), { dtype: "F32", shape: [count], bytes: scale.byteLength, pieces: scaleOfAll }],
  ];
}

function asStored(path: string, tensor: StoredTensor): RawTensor {
  const { dtype, shape, bytes } = tensor;
  async function* pieces() {
    for (const rows of inPieces(tensor)) yield await readTensorBytes(path, rows.tensor);
  }
  return { dtype, shape, bytes, pieces };
}
