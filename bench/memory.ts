/**
 * Claim: memory does not grow. After 10 000 steps the process is no more than 5 % larger than it was after 500.
 *
 *   node --expose-gc --import tsx bench/memory.ts [STEPS]          five minutes
 *
 * A step of GRPO as the pipelines make it, at its smallest: four completions of one prompt are sampled, rewarded by their length, and learned from,
 * so that every part that could hold on to something runs: tokenizer, picture, sessions, feeds, gradients, optimiser.
 */
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { grpoPresets } from "../src/grpo/presets";
import { grpoStep } from "../src/rise/grpo-step";
import { onnxTrainer } from "../src/trainers/onnx";
import { picturePrompts } from "./model";

const steps = Number(process.argv[2] ?? 10_000);
const [settled, rolloutsPerGroup, pictures] = [Math.min(500, steps / 2), 4, 16];
const model = fileURLToPath(new URL("../test/reference/data/qwen2-vl-tiny/checkpoint", import.meta.url));
const trainer = await onnxTrainer({ model, device: "cpu" });
const prompts = picturePrompts(pictures);
const { signal } = new AbortController();

let before = 0;
for (let step = 1; step <= steps; step++) {
  const prompt = prompts[step % pictures]!;
  const [completions] = await trainer
    .sampler()
    .generate([prompt], { count: rolloutsPerGroup, maxTokens: 12, seed: step });
  const sampled = completions!.map((completion) => ({
    rollout: step,
    truth: null,
    reward: {
      ...{ similarity: 0, leaks: [], format: { ok: true } as const },
      reward: completion.tokenIds!.filter((id) => id % 2 === 0).length,
    },
    segments: [{ prompt, completion }],
  }));
  const options = {
    rolloutsPerGroup,
    grpo: grpoPresets["rise-paper"],
    learningRate: 1e-6,
    credit: "all",
    signal,
  } as const;
  await grpoStep(trainer, sampled, options);
  if (step === settled) before = resident();
  if (step % Math.max(1, Math.floor(steps / 10)) === 0)
    console.log(`step ${step}  ${resident().toFixed(1)} MiB resident`);
}
const after = resident();
await trainer.dispose();
console.log(
  JSON.stringify({
    ...{ bench: "memory", cores: availableParallelism(), node: process.version, steps, settled },
    ...{ beforeMiB: before, afterMiB: after, ratio: after / before },
  }),
);

/** MiB, after what can be collected is collected where `--expose-gc` allows it. */
function resident(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss() / 2 ** 20;
}
