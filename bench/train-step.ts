/**
 * Claim: a training step of the tiny model, all 2.7 million weights, costs no more here than with PyTorch.
 *
 *   RISE_PYTHON=… npx tsx bench/train-step.ts          one minute
 *
 * 16 rows of 144 tokens, each with a picture; log-probs of the completions, gradient, clipping, AdamW, in float32 on all cores. Ours is what a
 * user calls, `forwardBackward` and `optimStep`: chat template, layout and copies are in it. PyTorch gets tokens, pixels and positions ready-made,
 * computes logits only where they are scored, and the faster of its attentions and optimisers counts.
 */
import { createRng } from "../src/rng";
import { onnxTrainer } from "../src/trainers/onnx";
import type { LossFn } from "../src/trainers/trainer";
import { fastest, measure, report } from "./measure";
import { picturePrompts, withTinyModel } from "./model";
import { yardstick } from "./yardstick";

const [rows, rowLength, learningRate] = [16, 144, 1e-5];

await withTinyModel(async (model) => {
  const prompts = picturePrompts(rows);
  const encoded = await Promise.all(prompts.map(model.encodePrompt));
  const rng = createRng(0, "completions");
  const sequences = prompts.map((prompt, i) => ({
    prompt,
    completion: Array.from({ length: rowLength - encoded[i]!.tokens.length }, () => rng.integer(1000)),
  }));
  const trainer = await onnxTrainer({ model: model.dir, device: "cpu", rowsAtOnce: rows });
  const assumedLogProbs = sequences.map(({ completion }) => completion.map(() => -1));
  const step = async () => {
    const { logProbs } = await trainer.forwardBackward(sequences, raise, { assumedLogProbs });
    await trainer.optimStep({ learningRate });
    return logProbs.reduce((sum, row) => sum + row.reduce((a, b) => a + b, 0), 0);
  };
  const first = await step();
  const ours = await measure(step);
  await trainer.dispose();

  const pixels = encoded.flatMap(({ images }) => images);
  const patches = new Float32Array(pixels.reduce((n, { pixelValues }) => n + pixelValues.length, 0));
  let at = 0;
  for (const { pixelValues } of pixels) {
    patches.set(pixelValues, at);
    at += pixelValues.length;
  }
  const theirs = await yardstick<{ first: number; times: Record<string, number[]>; torch: string }>(
    "train_step.py",
    {
      model: model.dir,
      learningRate,
      tokens: sequences.map(({ completion }, i) => [...encoded[i]!.tokens, ...completion]),
      promptLengths: encoded.map(({ tokens }) => tokens.length),
      grids: pixels.map(({ grid }) => grid),
    },
    new Map([["pixelValues", { shape: [at / 1176, 1176], data: patches }]]),
  );
  const gap = theirs && Math.abs(theirs.first / first - 1);
  if (gap !== undefined && !(gap < 1e-5))
    throw new Error(`not the same work: log-probs sum to ${first} here and to ${theirs!.first} in PyTorch`);
  report(
    "train-step",
    [{ what: `${rows} rows of ${rowLength} tokens`, ours, ...(theirs && { theirs: fastest(theirs.times) }) }],
    theirs && { torch: theirs.torch, logProbGap: gap },
  );
});

/** L = −Σ log-probs. */
function raise(logProbs: Parameters<LossFn>[0]): ReturnType<LossFn> {
  const loss = -logProbs.reduce((sum, row) => sum + row.reduce((a, b) => a + b, 0), 0);
  return { loss, gradient: logProbs.map((row) => new Float64Array(row.length).fill(-1)) };
}
