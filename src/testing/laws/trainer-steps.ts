import { strict as assert } from "node:assert";
import type { Laws } from "./laws";
import {
  expectAtMost,
  expectClose,
  expectLess,
  logProbsOf,
  raise,
  scaled,
  sum,
  type TrainerSubject,
  using,
} from "./trainer-subject";

export const stepLaws: Laws<TrainerSubject> = {
  "makes a completion likelier by a step on its log-prob": ({ create, sequencesOf, step }) =>
    using(create, async (trainer) => {
      const [sequence] = sequencesOf(trainer);
      const before = sum(await logProbsOf(trainer, [sequence]));
      const { gradNorm } = await step(trainer, [sequence]);
      expectLess(0, gradNorm);
      expectLess(before, sum(await logProbsOf(trainer, [sequence])));
    }),

  "makes a completion less likely by a step the other way": ({ create, sequencesOf, step }) =>
    using(create, async (trainer) => {
      const [sequence] = sequencesOf(trainer);
      const before = sum(await logProbsOf(trainer, [sequence]));
      await step(trainer, [sequence], scaled(-1));
      expectLess(sum(await logProbsOf(trainer, [sequence])), before);
    }),

  "learns nothing from a gradient of zero": ({ create, sequencesOf, step }) =>
    using(create, (silent) =>
      using(create, async (trainer) => {
        const sequences = sequencesOf(trainer);
        await silent.forwardBackward(sequences, scaled(0));
        assert.equal((await silent.optimStep({ learningRate: 0 })).gradNorm, 0);

        await silent.forwardBackward(sequences.slice(1), scaled(0));
        const [a, b] = [await step(silent, sequences.slice(0, 1)), await step(trainer, sequences.slice(0, 1))];
        expectAtMost(Math.abs(a.gradNorm - b.gradNorm), 0.5e-6);
      }),
    ),

  "adds up what two halves of a batch teach": ({ create, learningRate, tolerance, sequencesOf, step }) =>
    using(create, (halves) =>
      using(create, async (whole) => {
        const sequences = sequencesOf(whole);
        for (const sequence of sequences) await halves.forwardBackward([sequence], raise);
        const a = await halves.optimStep({ learningRate });
        const b = await step(whole, sequences);
        expectAtMost(Math.abs(a.gradNorm / b.gradNorm - 1), tolerance);
        expectClose(await logProbsOf(halves, sequences), await logProbsOf(whole, sequences), tolerance);
      }),
    ),

  "adds up what log-probs and entropies teach, in one pass or in two": ({
    create,
    learningRate,
    tolerance,
    sequencesOf,
  }) =>
    using(create, (once) =>
      using(create, async (twice) => {
        const sequences = sequencesOf(once);
        const [ones, zeros] = [1, 0].map((value) => sequences.map(({ completion }) => completion.map(() => value)));
        await once.backward(sequences, ones!, { entropyCotangents: ones });
        await twice.backward(sequences, zeros!, { entropyCotangents: ones });
        await twice.backward(sequences, ones!);
        const [a, b] = [await once.optimStep({ learningRate }), await twice.optimStep({ learningRate })];
        expectAtMost(Math.abs(a.gradNorm / b.gradNorm - 1), tolerance);
        expectClose(await once.logProbs(sequences), await twice.logProbs(sequences), tolerance);
      }),
    ),
};
