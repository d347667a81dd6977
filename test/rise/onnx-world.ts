import { type RiseR1Options, riseR1 } from "../../src/rise/rise-r1";
import { onnxTrainer } from "../../src/trainers/onnx";
import type { LabelDistribution } from "../../src/types";
import { checkpointDir, imagePath, reference } from "../models/reference";
import { cots, dataset, moods } from "./world";

export const tinyTrainer = () => onnxTrainer({ model: checkpointDir, device: "cpu" });

/** Two steps of imitation and one of reinforcement with a real network, with a checkpoint after each. */
export const onnxRun = (
  options: Partial<RiseR1Options<LabelDistribution>> & Pick<RiseR1Options<LabelDistribution>, "trainer">,
) =>
  riseR1({
    ...{ task: moods, cots, checkpointEvery: 1, threshold: 0.5 },
    dataset: dataset.map((example, i) => ({ ...example, image: imagePath(reference.pictures[i]!.file) })),
    sft: { steps: 2, batchSize: 2, learningRate: 1e-3 },
    rft: {
      ...{ steps: 1, groupSize: 4, examplesPerStep: 1, learningRate: 1e-3, sampling: { maxTokens: 8 } },
      // A random network's answers earn nothing; what they happen to be made of does, so that there is something to learn.
      reward: function letters(_, { text }) {
        const sum = [...text].reduce((total, letter) => total + letter.codePointAt(0)!, 0);
        const reward = { reward: (sum % 11) / 10, similarity: 0, leaks: [], format: { ok: true } } as const;
        return { prediction: null, reward };
      },
    },
    ...options,
  });
