import type { VisionLanguageModel } from "../src/models/open-model";
import { createRng } from "../src/rng";
import type { LossFn, Trainer } from "../src/trainer";
import type { Prompt } from "../src/types";
import { picturePrompts } from "./model";

/** Rows of equal length, each a picture, a question and random tokens that are scored; `completions` of each prompt one after the other. */
export async function randomRows(model: VisionLanguageModel, rows: number, rowLength: number, completions = 1) {
  const prompts = picturePrompts(rows / completions).flatMap((prompt) => new Array<Prompt>(completions).fill(prompt));
  const encoded = await Promise.all(prompts.map(model.encodePrompt));
  const rng = createRng(0, "completions");
  const sequences = prompts.map((prompt, i) => ({
    prompt,
    completion: Array.from({ length: rowLength - encoded[i]!.tokens.length }, () => rng.integer(1000)),
  }));
  return { encoded, sequences };
}

/** A training step on L = −Σ log-probs, forward and backward in one pass; gives the sum of log-probs before it. */
export async function trainingStep(
  trainer: Trainer,
  { sequences }: Awaited<ReturnType<typeof randomRows>>,
  learningRate = 1e-5,
): Promise<number> {
  const assumedLogProbs = sequences.map(({ completion }) => completion.map(() => -1));
  const { logProbs } = await trainer.forwardBackward(sequences, raise, { assumedLogProbs });
  await trainer.optimStep({ learningRate });
  return logProbs.reduce((sum, row) => sum + row.reduce((a, b) => a + b, 0), 0);
}

function raise(logProbs: Parameters<LossFn>[0]): ReturnType<LossFn> {
  const loss = -logProbs.reduce((sum, row) => sum + row.reduce((a, b) => a + b, 0), 0);
  return { loss, gradient: logProbs.map((row) => new Float64Array(row.length).fill(-1)) };
}
