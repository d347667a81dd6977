import { expect, it } from "vitest";
import { backpropagate } from "../../src/pipelines/backpropagate";
import { imagePrompt } from "../../src/prompts/template";
import type { Trainer, TrainSequence } from "../../src/trainers/trainer";

const [cat, dog] = ["cat", "dog"].map((name) => imagePrompt(`${name}.png`, "What is this?"));
const sequence = (prompt: TrainSequence["prompt"], length: number): TrainSequence => ({
  prompt,
  completion: new Array<number>(length).fill(7),
});
const { signal } = new AbortController();

/** The passes that sequences with these gradients are taken in. */
async function passesOf(sequences: readonly TrainSequence[], gradient: readonly Float64Array[], microBatch?: number) {
  const passes: TrainSequence[][] = [];
  const trainer: Pick<Trainer, "forwardBackward"> = {
    async forwardBackward(chunk) {
      passes.push([...chunk]);
      return { loss: 0, logProbs: chunk.map(({ completion }) => new Float64Array(completion.length).fill(-1)) };
    },
  };
  const logProbs = await backpropagate(trainer as Trainer, sequences, gradient, { microBatch, signal });
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
