/**
 * Claim: an export in int8 annotates as well as the model itself; int4 changes the words of a small model.
 *
 *   npx tsx bench/export-loss.ts [IMAGES] [PRECISION …]          200 float32 half int8 int4: 20 minutes on two quiet cores
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { detectionDemo, moodsDemo } from "../examples/demo/tasks";
import { transformersJsBackend } from "../src/backends/transformers-js";
import { parseThinkAnswer } from "../src/checks/think-answer";
import { exportTransformersJs } from "../src/export";

const [images = "200", ...asked] = process.argv.slice(2);
const precisions = (asked.length > 0 ? asked : ["float32", "half", "int8", "int4"]) as ["float32"];
const model = fileURLToPath(new URL("../examples/tiny-vlm/checkpoint", import.meta.url));
const scratch = await mkdtemp(join(tmpdir(), "rise-export-loss-"));

/** The texts of the first precision, by task: what the others are compared with. */
const first = new Map<string, string[]>();
console.log(`${images} images a task, greedily; the same text as ${precisions[0]}; the mean similarity to the truth\n`);
for (const precision of precisions) {
  const dir = join(scratch, precision);
  const { bytes } = await exportTransformersJs(model, dir, { precision });
  const backend = await transformersJsBackend({ model: dir, device: "cpu", session: { intraOpNumThreads: 1 } });
  for (const { name, task, data } of [moodsDemo, detectionDemo] as (typeof moodsDemo)[]) {
    const { test } = await data({ seed: 21, train: 0, test: Number(images), unseen: 0 });
    const prompts = test.map((example) => task.answerPrompt(example));
    const groups = await backend.generate(prompts, { temperature: 0, maxTokens: 160, seed: 0 });
    const texts = groups.map(([completion]) => completion!.text);
    const answers = texts.map((text) => task.parse(parseThinkAnswer(text)?.answer ?? ""));
    const readable = answers.filter((answer) => answer !== null);
    const similarity = answers.map((answer, i) => (answer === null ? 0 : task.similarity(test[i]!.annotation, answer)));
    if (!first.has(name)) first.set(name, texts);
    const same = texts.filter((text, i) => text === first.get(name)![i]).length;
    const mean = similarity.reduce((a, b) => a + b, 0) / similarity.length;
    const cells = [`${readable.length} readable`, `${same} the same`, `similarity ${mean.toFixed(4)}`];
    console.log(
      `${precision.padEnd(9)}${(bytes / 1e6).toFixed(2).padStart(6)} MB  ${name.padEnd(11)}${cells.join("  ")}`,
    );
  }
  await backend.dispose();
}
await rm(scratch, { recursive: true });
