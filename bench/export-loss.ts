/**
 * Claim: an export in int8 annotates as well as the model itself; int4 changes the words of a small model.
 *
 *   npx tsx bench/export-loss.ts [IMAGES] [PRECISION …]          200 float32 half int8 int4: 20 minutes on two quiet cores
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type DemoTask, detectionDemo, moodsDemo } from "../examples/demo/tasks";
import type { VlmBackend } from "../src/backend";
import { transformersJsBackend } from "../src/backends/transformers-js";
import { compareEvaluations } from "../src/evaluation/compare";
import { evaluate } from "../src/evaluation/evaluate";
import type { Evaluation } from "../src/evaluation/records";
import { exportTransformersJs } from "../src/export";

const [images = "200", ...asked] = process.argv.slice(2);
const precisions = (asked.length > 0 ? asked : ["float32", "half", "int8", "int4"]) as ["float32"];
const model = fileURLToPath(new URL("../examples/tiny-vlm/checkpoint", import.meta.url));
const scratch = await mkdtemp(join(tmpdir(), "rise-export-loss-"));

/** The evaluations of the first precision, by task: what the others are compared with. */
const first = new Map<string, Evaluation<unknown, never>>();
console.log(
  `${images} images a task, greedily; the same text as ${precisions[0]}; the mean similarity to the truth, and`,
);
console.log(`its difference to ${precisions[0]} with the 95 % interval; processor time an image\n`);
for (const precision of precisions) {
  const dir = join(scratch, precision);
  const { bytes } = await exportTransformersJs(model, dir, { precision });
  const backend = await transformersJsBackend({ model: dir, device: "cpu", session: { intraOpNumThreads: 1 } });
  const head = `${precision.padEnd(9)}${(bytes / 1e6).toFixed(2).padStart(6)} MB`;
  for (const demo of [moodsDemo, detectionDemo] as (typeof moodsDemo)[])
    console.log(`${head}  ${demo.name.padEnd(11)}${(await measured(demo, backend)).join("  ")}`);
  await backend.dispose();
}
await rm(scratch, { recursive: true });

async function measured<A>({ name, task, data }: DemoTask<A>, backend: VlmBackend): Promise<string[]> {
  const { test } = await data({ seed: 21, train: 0, test: Number(images), unseen: 0 });
  const before = process.cpuUsage();
  const evaluation = await evaluate({ task, dataset: test, backend, maxTokens: 160, log: false });
  const { user } = process.cpuUsage(before);
  const base = (first.get(name) ?? evaluation) as typeof evaluation;
  first.set(name, base);
  const same = evaluation.records.filter(({ text }, i) => text === base.records[i]!.text).length;
  const { difference, interval } = compareEvaluations(evaluation, base).similarity;
  return [
    `${evaluation.records.filter(({ failure }) => failure === undefined).length} readable`,
    `${same} the same`,
    `similarity ${evaluation.metrics.similarity.toFixed(4)}`,
    `${difference.toFixed(4)} [${interval.low.toFixed(4)}, ${interval.high.toFixed(4)}]`,
    `${(user / 1e6 / test.length).toFixed(2)} s`,
  ];
}
