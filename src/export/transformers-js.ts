import { copyFile, mkdir, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ConfigError, DataError } from "../errors";
import { filesBelow } from "../files/below";
import { requireNewFolder, writeWholeFolder } from "../files/whole-folder";
import type { Precision } from "../models/checkpoint/quantize";
import { openModel, type VisionLanguageModel } from "../models/open-model";
import { choice, count, having, readArgument, readOptions, specOf, text } from "../options/spec";
import { type BuiltGraph, decoderGraph, embeddingGraph, visionGraph } from "./graphs";
import { browserLimits, type FileLimits, writeModelFile } from "./model-file";
import { fileTypeOf, type GraphName, graphNames, settingsOf, transformersJsFamilies } from "./settings";
import { exportedWeights } from "./tensors";

/** Options of `exportTransformersJs`. */
export interface ExportOptions {
  /**
   * How matrices are stored: "float32"; "half", float16; "int8" or "int4", quantized in blocks of 32, the head in
   * float16 for "int8" ("int8"). All arithmetic is float32. A WebGPU device needs its f16 feature for "half".
   */
  readonly precision?: Precision;
  /**
   * Width times height of the largest image; larger ones are scaled down (262 144, 512 × 512). A browser's memory grows
   * with its square. A checkpoint's own limit is kept if it is lower.
   */
  readonly maxPixels?: number;
  /** Ends the export; the call rejects with the signal's reason, and nothing is left. */
  readonly signal?: AbortSignal;
}

export const exportSpec = specOf<ExportOptions>()(() => ({
  precision: choice(["float32", "half", "int8", "int4"]).default("int8").describe("How matrices are stored"),
  maxPixels: count()
    .default(512 * 512)
    .describe("Width times height of the largest image; larger ones are scaled down"),
  signal: having("an AbortSignal", "throwIfAborted").optional().describe("Ends the export, and leaves nothing"),
}));

/** The files of an export. */
export interface Exported {
  /** Bytes of each file, by its path inside the folder. */
  readonly files: Readonly<Record<string, number>>;
  /** Bytes of all files. */
  readonly bytes: number;
}

/**
 * Writes a checkpoint as transformers.js 4 loads it, in Node and in browsers: three ONNX graphs and their settings. The
 * folder appears whole or not at all. Memory holds a piece of one tensor at a time. Tensors of more than 1 GB in one
 * graph go into files of their own, each below 2 GB.
 *
 * Generation is greedy and never writes image tokens, as at temperature 0 here. A batch has one row.
 * @param model a Qwen2-VL, Qwen2.5-VL or Qwen3-VL checkpoint: a Hugging Face directory, or a hub id; `mergeAdapter`
 * makes one of an adapter
 * @param dir folder to make; an empty one is taken
 * @throws ConfigError for a family that transformers.js or this export lacks; DataError for an unusable checkpoint, or
 * a folder that is not empty
 * @example
 * const { bytes } = await exportTransformersJs("runs/moods/final", "site/model", { precision: "int8" });
 */
export async function exportTransformersJs(model: string, dir: string, options: ExportOptions = {}): Promise<Exported> {
  const settings = readOptions("exportTransformersJs", options, exportSpec);
  const folder = resolve(readArgument("exportTransformersJs", "dir", dir, text("the path of a folder")));
  return exportModel(model, folder, settings, browserLimits);
}

interface Settings {
  readonly precision: Precision;
  readonly maxPixels: number;
  readonly signal?: AbortSignal | undefined;
}

/** `exportTransformersJs` with other limits on the files. */
export async function exportModel(
  name: string,
  dir: string,
  settings: Settings,
  limits: FileLimits,
): Promise<Exported> {
  await requireNewFolder(dir, DataError);
  settings.signal?.throwIfAborted();
  const model = await openModel(name);
  let files: Record<string, number> = {};
  await writeWholeFolder(dir, async (folder) => {
    await writeFiles(model, folder, settings, limits);
    files = await sizesIn(folder);
    settings.signal?.throwIfAborted();
  });
  return { files, bytes: Object.values(files).reduce((a, b) => a + b, 0) };
}

async function writeFiles(
  model: VisionLanguageModel,
  dir: string,
  { precision, maxPixels, signal }: Settings,
  limits: FileLimits,
): Promise<void> {
  const { architecture, checkpoint } = model;
  const { modelType } = architecture;
  const family = Object.hasOwn(transformersJsFamilies, modelType) ? transformersJsFamilies[modelType] : undefined;
  if (!family)
    throw new ConfigError(
      `exportTransformersJs: expected a model of type ${Object.keys(transformersJsFamilies).join(" or ")}, got ${modelType}, which this export does not write`,
    );
  const builders: Readonly<Record<GraphName, (...[bind]: [Parameters<typeof decoderGraph>[1]]) => BuiltGraph>> = {
    embed_tokens: (bind) => embeddingGraph(architecture, bind),
    vision_encoder: (bind) => visionGraph(architecture, family.gridsName, bind),
    decoder_model_merged: (bind) => decoderGraph(architecture, bind),
  };
  const onnx = join(dir, "onnx");
  await mkdir(onnx, { recursive: true });
  const chunks: Record<string, number> = {};
  // They may be refused, so they come first; and again when the number of files is known.
  const write = async () => {
    for (const [file, json] of Object.entries(await settingsOf(model, family, precision, maxPixels, chunks)))
      await writeFile(join(dir, file), `${JSON.stringify(json, null, 2)}\n`);
  };
  await write();
  await copyFile(join(model.dir, "tokenizer.json"), join(dir, "tokenizer.json"));
  for (const graph of graphNames) {
    const file = `${graph}${fileTypeOf(graph, precision)[1]}.onnx`;
    const bindTo: Parameters<typeof writeModelFile>[3] = (g, place) =>
      exportedWeights(g, checkpoint, { precision, head: architecture.head }, place);
    const further = await writeModelFile(onnx, file, builders[graph], bindTo, limits, signal);
    if (further > 0) chunks[file] = further;
  }
  await write();
}

async function sizesIn(dir: string): Promise<Record<string, number>> {
  const files = await filesBelow(dir);
  const sizes = await Promise.all(files.map(async (file) => [file, (await stat(join(dir, file))).size] as const));
  return Object.fromEntries(sizes.sort(([a], [b]) => (a < b ? -1 : 1)));
}
