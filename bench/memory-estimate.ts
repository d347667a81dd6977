/**
 * Claim: the memory of a workload is foreseen, with at most two fifths to spare.
 *
 *   npx tsx bench/memory-estimate.ts [MODEL]          two minutes
 *
 * Each workload in a process of its own, whose peak of resident memory is compared with what `checkMemory` foresaw: 8 completions of one prompt with a
 * picture of 896 × 448 pixels are sampled and, where the row says so, learned from.
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createRng } from "../src/rng";
import { onnxTrainer } from "../src/trainers/onnx";
import type { RawImage } from "../src/types";

const workloads = {
  "all weights, 8 at once": { rowsAtOnce: 8 },
  "all weights, 1 at once": { rowsAtOnce: 1 },
  "all weights, 8 at once, checkpointing": { rowsAtOnce: 8, gradientCheckpointing: true },
  "LoRA, 8 at once": { rowsAtOnce: 8, lora: { rank: 16 } },
  "LoRA, 1 at once": { rowsAtOnce: 1, lora: { rank: 16 } },
} as const;

const tiny = fileURLToPath(new URL("../examples/tiny-vlm/checkpoint", import.meta.url));
const [, self, model = tiny, name] = process.argv;
if (name !== undefined) await measure(workloads[name as keyof typeof workloads]);
else {
  const results = [];
  for (const workload of Object.keys(workloads)) {
    const printed = execFileSync(process.execPath, ["--import", "tsx", self!, model, workload], { encoding: "utf8" });
    const { foreseen, peak } = JSON.parse(printed.trim().split("\n").at(-1)!) as { foreseen: number; peak: number };
    const line = `${workload.padEnd(40)} foreseen ${gigabytes(foreseen)}  peak ${gigabytes(peak)}  ${(foreseen / peak).toFixed(2)}`;
    console.log(line);
    results.push({ workload, foreseen, peak });
  }
  console.log(JSON.stringify({ bench: "memory-estimate", node: process.version, results }));
}

async function measure(options: (typeof workloads)[keyof typeof workloads]): Promise<void> {
  const [count, maxTokens] = [8, 256];
  const trainer = await onnxTrainer({ model, device: "cpu", ...options });
  const rng = createRng(0, "memory estimate");
  const data = Uint8Array.from({ length: 448 * 896 * 3 }, () => rng.integer(256));
  const image: RawImage = { width: 896, height: 448, data };
  const text = "Which mood do people connect with this image?";
  const prompt = [
    {
      role: "user" as const,
      content: [
        { type: "image" as const, image },
        { type: "text" as const, text },
      ],
    },
  ];
  const { total, graphs = 0 } = await trainer.checkMemory!({ prompt, prompts: 1, count, maxTokens });
  // All prompts have one length here.
  const foreseen = total - graphs;
  await trainer.sampler().generate([prompt], { count, maxTokens, seed: 0 });
  const sequences = Array.from({ length: count }, () => ({
    prompt,
    completion: Array.from({ length: maxTokens }, () => rng.integer(100)),
  }));
  const raise = (logProbs: readonly Float64Array[]) => ({
    loss: 0,
    gradient: logProbs.map((row) => row.map(() => -1)),
  });
  const assumedLogProbs = sequences.map(({ completion }) => completion.map(() => -1));
  for (let step = 0; step < 2; step++) {
    await trainer.forwardBackward(sequences, raise, { assumedLogProbs });
    await trainer.optimStep({ learningRate: 1e-6 });
  }
  // Kilobytes.
  console.log(JSON.stringify({ foreseen, peak: process.resourceUsage().maxRSS * 1024 }));
  await trainer.dispose();
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
