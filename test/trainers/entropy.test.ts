import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { GradientTransform } from "../../src/optim";
import { onnxTrainer } from "../../src/trainers/onnx";
import { checkpointDir, largestError, promptOf, reference } from "../models/reference";

// Recorded by test/reference/entropy/make.py in float64; the file names the versions of TRL, transformers and torch.
const recorded: {
  readonly temperature: number;
  readonly cases: readonly {
    readonly name: string;
    readonly logProbs: readonly number[];
    readonly entropies: readonly number[];
    readonly byLogProb: readonly number[];
    readonly byEntropy: readonly number[];
    readonly gradient: Readonly<Record<string, { readonly norm: number; readonly first: readonly number[] }>>;
  }[];
} = JSON.parse(readFileSync(new URL("../reference/data/entropy.json", import.meta.url), "utf8"));

describe.each(recorded.cases)("the entropies of a trainer, $name", (of) => {
  it("are TRL's, and their gradient is PyTorch's", async () => {
    const seen = new Map<string, Float32Array>();
    const optimizer: GradientTransform = {
      init: () => ({ step: 0, tensors: new Map() }),
      update(gradients) {
        for (const [name, gradient] of gradients) seen.set(name, gradient.slice());
      },
    };
    const example = reference.cases.find(({ name }) => name === of.name)!;
    const sequences = [{ prompt: promptOf(example), completion: example.completionIds }];
    const trainer = await onnxTrainer({ model: checkpointDir, device: "cpu", optimizer });
    try {
      const { temperature } = recorded;
      const [alone] = await trainer.entropies(sequences, { temperature });
      const { logProbs, entropies } = await trainer.backward(sequences, [of.byLogProb], {
        temperature,
        entropyCotangents: [of.byEntropy],
      });
      expect(largestError(logProbs[0]!, of.logProbs)).toBeLessThan(1e-5);
      for (const row of [alone!, entropies![0]!]) expect(largestError(row, of.entropies)).toBeLessThan(1e-5);
      await trainer.optimStep({ learningRate: 0 });
      for (const [name, gradient] of seen) {
        const { norm, first } = of.gradient[name] ?? { norm: 0, first: [] };
        // Without an image, PyTorch has no gradient of the vision tower; here it is zero.
        expect(Math.abs(Math.hypot(...gradient) - norm), name).toBeLessThanOrEqual(1e-4 * norm);
        expect(largestError(gradient.slice(0, first.length), first), name).toBeLessThan(1e-4);
      }
    } finally {
      await trainer.dispose();
    }
  });
});
