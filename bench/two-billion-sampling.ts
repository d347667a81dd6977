/**
 * Claim: with its matrices rounded to int8, Qwen2-VL-2B's shape writes 40 tokens a second, 8 completions side by side, on two cores. Random weights: what
 * it costs does not depend on them.
 *
 *   npx tsx bench/two-billion-sampling.ts float32|half|int8|int4 [DIR] [ROWS] [cpu|cuda]        minutes; 4.4 GB in DIR, and 2 more in Hugging Face's assets cache
 *
 * A prompt of a picture of 401 408 pixels and text, 540 tokens. A token's time is the difference of two generations of one length and another, so that the
 * prompt is not in it. Resident memory counts mapped files as far as they have been read.
 */
import { availableParallelism } from "node:os";
import { onnxBackend } from "../src/backends/onnx";
import type { Precision } from "../src/models/checkpoint/quantize";
import type { Provider } from "../src/onnx/runtime/providers";
import { clocked, lines, picturePrompt, say, timed, twoBillionModel } from "./two-billion-model";

const [, , precision = "int8", folder, rows = "8", device = "cpu"] = process.argv;
const { dir } = await twoBillionModel(folder);
const count = Number(rows);
// A token without rounded weights takes seconds. Both lengths run the same graphs: the prompt's with 8 tokens behind it, and the one that continues.
const [short, long, times] = precision === "float32" && device === "cpu" ? [9, 13, 1] : [9, 73, 3];

const backend = await timed("ready to run, matrices rounded the first time", () =>
  onnxBackend({ model: dir, device: device as Provider, precision: precision as Precision }),
);
const prompt = picturePrompt();
const foreseen = (await backend.checkMemory?.({ prompt, prompts: 1, count, maxTokens: long }))?.total;
// As the pipelines ask: it may be aborted, so that it comes in stretches.
const { signal } = new AbortController();
const generate = (maxTokens: number) => backend.generate([prompt], { maxTokens, count, seed: 0, signal });
await timed(`${short} tokens: picture encoded, graphs compiled`, () => generate(short));
if (times > 1) await timed(`${long} tokens, graphs compiled`, () => generate(long));
const rates: number[] = [];
for (let i = 0; i < times; i++) {
  const [, before] = await clocked(() => generate(short));
  const [completions, seconds] = await clocked(() => generate(long));
  const longest = Math.max(...completions[0]!.map(({ tokenIds }) => tokenIds!.length));
  if (longest < long) throw new Error(`expected ${long} tokens, got ${longest}`);
  say(`${short} tokens`, before);
  say(`${long} tokens, ${count} completions`, seconds);
  rates.push(((long - short) * count) / (seconds - before));
}
await backend.dispose();
const rate = rates.sort((a, b) => a - b)[Math.floor(times / 2)]!;
console.log(
  `${precision}, ${count} completions: ${rate.toFixed(1)} tokens a second${foreseen ? `; foreseen ${(foreseen / 2 ** 30).toFixed(2)} GiB` : ""}`,
);
console.log(
  JSON.stringify({
    bench: "two-billion-sampling",
    ...{ precision, device, count },
    cores: availableParallelism(),
    node: process.version,
    rates,
    foreseen,
    lines,
  }),
);
