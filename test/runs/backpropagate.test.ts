import { expect, it } from "vitest";
import { imagePrompt } from "../../src/prompts/template";
import { backpropagate } from "../../src/runs/backpropagate";
import type { Trainer, TrainSequence } from "../../src/trainer";

const [cat, dog] = ["cat", "dog"].map((name) => imagePrompt(`${name}.png`, "What is this?"));
const sequence = (prompt: TrainSequence["prompt"], length: number): TrainSequence => ({
  prompt,
  completion: new Array<number>(length).fill(7),
});
const { signal } = new AbortController();

/** The passes that sequences with these gradients are taken in. */
async function passesOf(sequences: readonly TrainSequence[], gradient: readonly Float64Array[], microBatch?: number) {
  const passes: TrainSequence[][] = [];
  const trainer: Pick<Trainer, "backward"> = {
    async backward(chunk) {
      passes.push([...chunk]);
      return { logProbs: chunk.map(({ completion }) => new Float64Array(completion.length).fill(-1)) };
    },
  };
  const { logProbs } = await backpropagate(trainer, sequences, gradient, { microBatch, signal });
  return { passes, logProbs };
}

it("takes completions of one prompt together, then those of similar length", async () => {
  const sequences = [sequence(cat!, 5), sequence(dog!, 3), sequence(cat!, 2), sequence(dog!, 4), sequence(dog!, 1)];
  const ones = sequences.map(({ completion }) => new Float64Array(completion.length).fill(1));
  const { passes } = await passesOf(sequences, ones, 2);
  expect(passes).toEqual([[sequences[2], sequences[0]], [sequences[4], sequences[1]], [sequences[3]]]);
});

it("leaves out what teaches nothing, and says of which sequence each row is", async () => {
  const sequences = [sequence(cat!, 2), sequence(dog!, 1), sequence(cat!, 3)];
  const gradient = [Float64Array.of(0, 0), Float64Array.of(1), Float64Array.of(0, 0, -1)];
  const { passes, logProbs } = await passesOf(sequences, gradient);
  expect(passes).toEqual([[sequences[1], sequences[2]]]);
  expect(logProbs.map((row) => row?.length)).toEqual([undefined, 1, 3]);
});

it("keeps sequences of different temperatures apart, and those with a gradient of the entropy alone", async () => {
  const temperatures = [1, 0.7, undefined, 0.7];
  const sequences = temperatures.map((temperature, i) => ({ ...sequence(cat!, i + 1), temperature }));
  const zeros = sequences.map(({ completion }) => new Float64Array(completion.length));
  const entropyGradient = zeros.map((row, i) => (i === 0 ? row : row.map(() => -1)));
  const passes: unknown[] = [];
  const trainer: Pick<Trainer, "backward"> = {
    async backward(chunk, cotangents, { temperature, entropyCotangents } = {}) {
      passes.push([temperature, chunk.map(({ completion }) => completion.length), entropyCotangents]);
      const rows = cotangents.map((row) => Float64Array.from(row, () => -row.length));
      return { logProbs: rows, entropies: rows };
    },
  };
  const { entropies } = await backpropagate(trainer, sequences, zeros, { entropyGradient, signal });
  expect(passes).toEqual([
    [0.7, [2, 4], [entropyGradient[1], entropyGradient[3]]],
    [1, [3], [entropyGradient[2]]],
  ]);
  expect(entropies.map((row) => row?.[0])).toEqual([undefined, -2, -3, -4]);
});
