/**
 * Claim: a training step of the tiny model, all 2.6 million weights, costs about as much here as with PyTorch, and a GRPO step, where completions
 * share their prompt, at most 0.8 times as much.
 *
 *   RISE_PYTHON=… npx tsx bench/train-step.ts [cpu|cuda]          two minutes
 *
 * 16 rows of 144 tokens: of as many prompts, each with a picture of its own, and of two prompts with eight completions each. Log-probs of the completions, gradient,
 * clipping, AdamW, in float32 on all cores (on a GPU, both may round factors to TF32). Both sides take turns in one run, step for step, and their log-probs have to agree. Ours is what a user calls, `forwardBackward` and
 * `optimStep`: chat template, layout and copies are in it. PyTorch gets tokens, pixels and positions ready-made, for each row its own, as TRL's
 * trainer hands them to the model; it computes logits only where they are scored, and the faster of its attentions and optimisers counts.
 */

import type { Provider } from "../src/onnx/runtime/providers";
import { onnxTrainer } from "../src/trainers/onnx";
import { type Rounds, reportRounds } from "./measure";
import { withTinyModel } from "./model";
import { inTurn, withPeer } from "./peer";
import { randomRows, trainingStep } from "./step";

const device = (process.argv[2] ?? "cpu") as Provider;
const [rows, rowLength, learningRate] = [16, 144, 1e-5];
const tolerance = device === "cpu" ? 1e-5 : 1e-3;

await withTinyModel(async (model) => {
  const steps: Rounds[] = [];
  let facts = {};
  for (const [what, completions] of [
    [`${rows} prompts`, 1],
    ["2 prompts × 8 completions", 8],
  ] as const) {
    const work = await randomRows(model, rows, rowLength, completions);
    const trainer = await onnxTrainer({ model: model.dir, device, rowsAtOnce: rows });
    const { settings, arrays } = forPyTorch(work);
    await withPeer("train_step.py", { model: model.dir, device, learningRate, ...settings }, arrays, async (peer) => {
      const ways = ["eager", "sdpa"].flatMap((attention) => [`${attention}, fused`, `${attention}, foreach`]);
      const step = await inTurn(peer, {
        what,
        ours: () => trainingStep(trainer, work, learningRate),
        requests: Object.fromEntries(ways.map((way) => [way, { way }])),
        check(ours, { logProbs }) {
          if (!(Math.abs(logProbs! / ours - 1) < tolerance))
            throw new Error(`not the same work: log-probs sum to ${ours} here and to ${logProbs} in PyTorch`);
        },
      });
      steps.push(step);
      facts = peer.facts;
    });
    await trainer.dispose();
  }
  reportRounds("train-step", ["rise-ts", "PyTorch"], steps, { device, ...facts });
});

/** Tokens, and the pixels of each row's picture. */
function forPyTorch({ encoded, sequences }: Awaited<ReturnType<typeof randomRows>>) {
  const pixels = encoded.flatMap(({ images }) => images);
  const patches = new Float32Array(pixels.reduce((n, { pixelValues }) => n + pixelValues.length, 0));
  let at = 0;
  for (const { pixelValues } of pixels) {
    patches.set(pixelValues, at);
    at += pixelValues.length;
  }
  return {
    settings: {
      tokens: sequences.map(({ completion }, i) => [...encoded[i]!.tokens, ...completion]),
      promptLengths: encoded.map(({ tokens }) => tokens.length),
      grids: pixels.map(({ grid }) => grid),
    },
    arrays: new Map([["pixelValues", { shape: [at / 1176, 1176], data: patches }]]),
  };
}
