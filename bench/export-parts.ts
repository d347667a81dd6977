/**
 * Claim: the head's matrix alone makes an int8 export write other words; in float16 it does not, and the others cost nothing.
 * The tiny model annotates with some of its matrices rounded as an export rounds them, and everything else as it is.
 *
 *   npx tsx bench/export-parts.ts [IMAGES] [PRECISION]          1000 int8: 2 minutes on two quiet cores
 */
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { detectionDemo } from "../examples/demo/tasks";
import { onnxBackend } from "../src/backends/onnx";
import { compareEvaluations } from "../src/evaluation/compare";
import { evaluate } from "../src/evaluation/evaluate";
import { blockRoundings, blockSize } from "../src/models/checkpoint/quantize";
import { readSafetensors, type WritableTensor, writeSafetensors } from "../src/models/files/safetensors";

const [images = "1000", precision = "int8"] = process.argv.slice(2) as [string?, ("int8" | "int4")?];
const model = fileURLToPath(new URL("../examples/tiny-vlm/checkpoint", import.meta.url));
const head = "lm_head.weight";
const parts: Readonly<Record<string, RegExp>> = {
  nothing: /^$/,
  everything: /./,
  "the vision tower": /^visual/,
  "the decoder's layers": /^model\.layers/,
  "the head": /^lm_head/,
  "all but the head": /^(?!lm_head)/,
};

const { task, data } = detectionDemo;
const { test: dataset } = await data({ seed: 21, train: 0, test: Number(images), unseen: 0 });
console.log(`${images} detections; rounded to ${precision}; similarity and its difference with the 95 % interval\n`);
let first: Awaited<ReturnType<typeof measure>> | undefined;
for (const [name, rounded] of Object.entries(parts)) {
  const evaluation = await measure(rounded);
  first ??= evaluation;
  const same = evaluation.records.filter(({ text }, i) => text === first!.records[i]!.text).length;
  const { difference, interval } = compareEvaluations(evaluation, first).similarity;
  const [change, low, high] = [difference, interval.low, interval.high].map((value) => value.toFixed(4));
  const cells = [`${same} the same`, evaluation.metrics.similarity.toFixed(4), `${change} [${low}, ${high}]`];
  console.log(`${name.padEnd(22)}${cells.join("  ")}`);
}

/** Annotates with the matrices whose names fit in `precision`. */
async function measure(rounded: RegExp) {
  const dir = await mkdtemp(join(tmpdir(), "rise-export-parts-"));
  await cp(model, dir, { recursive: true });
  const tensors = new Map<string, WritableTensor>();
  for (const [name, { shape, data }] of await readSafetensors(join(model, "model.safetensors"))) {
    if (name === "model.embed_tokens.weight") tensors.set(head, { shape, data: maybeRounded(head, shape, data) });
    tensors.set(name, { shape, data: name.includes("embed_tokens") ? data : maybeRounded(name, shape, data) });
  }
  await writeSafetensors(join(dir, "model.safetensors"), tensors);
  const config = JSON.parse(await readFile(join(dir, "config.json"), "utf8"));
  const untied = { ...config, tie_word_embeddings: false };
  untied.text_config = { ...config.text_config, tie_word_embeddings: false };
  await writeFile(join(dir, "config.json"), JSON.stringify(untied));
  const backend = await onnxBackend({ model: dir, device: "cpu" });
  const evaluation = await evaluate({ task, dataset, backend, maxTokens: 160, batchSize: 50, log: false });
  await backend.dispose();
  await rm(dir, { recursive: true });
  return evaluation;

  function maybeRounded(name: string, shape: readonly number[], data: Float32Array): Float32Array {
    return shape.length === 2 && rounded.test(name) ? throughBlocks(data, shape[0]!, shape[1]!) : data;
  }
}

/** The meaning of a rounded matrix's blocks. */
function throughBlocks(matrix: Float32Array, outputs: number, inputs: number): Float32Array {
  const rounding = blockRoundings[precision!];
  const numbers = new Uint8Array(rounding.numbers(outputs, inputs).reduce((a, b) => a * b, 1));
  const scale = new Float32Array(rounding.scales(outputs, inputs));
  rounding.round(matrix, inputs, 0, { numbers, scale });
  const blocks = Math.ceil(inputs / blockSize);
  const numberAt = (place: number) => {
    if (precision === "int8") return numbers[place]! - 128;
    const pair = numbers[place >> 1]!;
    return (place % 2 ? pair >> 4 : pair & 15) - 8;
  };
  return matrix.map((_, i) => {
    const [row, column] = [Math.floor(i / inputs), i % inputs];
    return numberAt(row * blocks * blockSize + column) * scale[row * blocks + Math.floor(column / blockSize)]!;
  });
}
