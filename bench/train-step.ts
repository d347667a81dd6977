/**
 * Claim: a training step of the tiny model, all 2.7 million weights, costs no more here than with PyTorch.
 *
 *   RISE_PYTHON=… npx tsx bench/train-step.ts          one minute
 *
 * 16 rows of 144 tokens, each with a picture; log-probs of the completions, gradient, clipping, AdamW, in float32 on all cores. Both sides take
 * turns in one run, step for step, and their log-probs have to agree. Ours is what a user calls, `forwardBackward` and `optimStep`: chat template, layout and copies are in it. PyTorch gets tokens, pixels and positions ready-made,
 * computes logits only where they are scored, and the faster of its attentions and optimisers counts.
 */
import { onnxTrainer } from "../src/trainers/onnx";
import { reportRounds } from "./measure";
import { withTinyModel } from "./model";
import { inTurn, withPeer } from "./peer";
import { randomRows, trainingStep } from "./step";

const [rows, rowLength, learningRate] = [16, 144, 1e-5];

await withTinyModel(async (model) => {
  const work = await randomRows(model, rows, rowLength);
  const { encoded, sequences } = work;
  const pixels = encoded.flatMap(({ images }) => images);
  const patches = new Float32Array(pixels.reduce((n, { pixelValues }) => n + pixelValues.length, 0));
  let at = 0;
  for (const { pixelValues } of pixels) {
    patches.set(pixelValues, at);
    at += pixelValues.length;
  }
  const settings = {
    ...{ model: model.dir, learningRate },
    tokens: sequences.map(({ completion }, i) => [...encoded[i]!.tokens, ...completion]),
    promptLengths: encoded.map(({ tokens }) => tokens.length),
    grids: pixels.map(({ grid }) => grid),
  };
  const arrays = new Map([["pixelValues", { shape: [at / 1176, 1176], data: patches }]]);
  const trainer = await onnxTrainer({ model: model.dir, device: "cpu", rowsAtOnce: rows });
  await withPeer("train_step.py", settings, arrays, async (peer) => {
    const ways = ["eager", "sdpa"].flatMap((attention) => [`${attention}, fused`, `${attention}, foreach`]);
    const step = await inTurn(peer, {
      what: `${rows} rows of ${rowLength} tokens`,
      ours: () => trainingStep(trainer, work, learningRate),
      requests: Object.fromEntries(ways.map((way) => [way, { way }])),
      check(ours, { logProbs }) {
        if (!(Math.abs(logProbs! / ours - 1) < 1e-5))
          throw new Error(`not the same work: log-probs sum to ${ours} here and to ${logProbs} in PyTorch`);
      },
    });
    reportRounds("train-step", ["rise-ts", "PyTorch"], [step], peer.facts);
  });
  await trainer.dispose();
});
