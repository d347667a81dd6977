import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../errors";
import type { Weights } from "../models/parts/layers";
import type { ExternalData, Graph } from "../onnx/graph/graph";
import { appendedTensor, serialiseModel } from "../onnx/runtime/serialise";
import type { BuiltGraph } from "./graphs";
import type { ExportedTensor } from "./tensors";

export interface FileLimits {
  /** A graph with more bytes of tensors has them in files of their own. */
  readonly inline: number;
  /** The most bytes of such a file; browsers take about 2 GB in one piece. */
  readonly chunk: number;
}

export const browserLimits: FileLimits = { inline: 2 ** 30, chunk: 1.9e9 };

interface Bound {
  readonly weights: Weights;
  readonly tensors: ReadonlyMap<string, ExportedTensor>;
}

/**
 * Writes one graph: a file with everything in it, or, if that is too large, `name` and its tensors in `name_data`,
 * `name_data_1`, … Memory holds a piece of one tensor at a time.
 * @returns the number of those further files
 * @throws ConfigError for a tensor that no file can hold; the signal's reason
 */
export async function writeModelFile(
  folder: string,
  name: string,
  build: (bind: (g: Graph) => Weights) => BuiltGraph,
  bindTo: (g: Graph, place: (bytes: number) => ExternalData) => Bound,
  limits: FileLimits,
  signal?: AbortSignal,
): Promise<number> {
  const place = placing(name, limits.chunk);
  let tensors: ReadonlyMap<string, ExportedTensor> = new Map();
  const { graph, outputs } = build((g) => {
    const bound = bindTo(g, place);
    tensors = bound.tensors;
    return bound.weights;
  });
  const all = [...tensors.values()];
  const isInline = all.reduce((sum, tensor) => sum + tensor.place.bytes, 0) <= limits.inline;
  const model = serialiseModel(graph, outputs, { namedSizes: true, withoutExternal: isInline });
  await withFile(join(folder, name), async (file) => {
    await file.writeFile(model);
    if (!isInline) return;
    for (const tensor of all) {
      await file.writeFile(appendedTensor(tensor.value, tensor.place.bytes));
      await writePieces(file, tensor, signal);
    }
  });
  if (isInline) return 0;
  const files = [...new Set(all.map((tensor) => tensor.place.file))];
  for (const chunk of files)
    await withFile(join(folder, chunk), async (file) => {
      let written = 0;
      for (const tensor of all.filter((each) => each.place.file === chunk)) {
        await file.writeFile(new Uint8Array(tensor.place.offset - written));
        await writePieces(file, tensor, signal);
        written = tensor.place.offset + tensor.place.bytes;
      }
    });
  return files.length;
}

/** Some readers view numbers in place, which needs them aligned. */
const alignment = 64;

/** Gives tensors their places, one after the other, in as few files as hold them. */
function placing(name: string, most: number): (bytes: number) => ExternalData {
  let [chunk, end] = [0, 0];
  return (bytes) => {
    if (bytes > most)
      throw new ConfigError(
        `exportTransformersJs: expected tensors of at most ${most} bytes, as a browser can load them, got one of ${bytes}; use a lower precision`,
      );
    let offset = Math.ceil(end / alignment) * alignment;
    if (offset + bytes > most) {
      chunk++;
      offset = 0;
    }
    end = offset + bytes;
    return { file: `${name}_data${chunk === 0 ? "" : `_${chunk}`}`, offset, bytes };
  };
}

async function writePieces(file: FileHandle, { pieces }: ExportedTensor, signal?: AbortSignal): Promise<void> {
  for await (const piece of pieces()) {
    signal?.throwIfAborted();
    await file.writeFile(piece);
  }
}

async function withFile(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, "w");
  try {
    await write(file);
  } finally {
    await file.close();
  }
}
