import { strict as assert } from "node:assert";
import type { LossFn } from "../../trainer";
import type { Laws } from "./laws";
import {
  expectAtMost,
  expectClose,
  expectLess,
  logProbsOf,
  raise,
  sum,
  type TrainerSubject,
  total,
  using,
} from "./trainer-subject";

/** Laws about log-probs, entropies and what the sampler draws from. */
export const scoringLaws: Laws<TrainerSubject> = {
  "gives log-probs of at most 0, one for each token, and the loss at them": ({ create, sequencesOf }) =>
    using(create, async (trainer) => {
      const sequences = sequencesOf(trainer);
      const { loss, logProbs } = await trainer.forwardBackward(sequences, raise);
      assert.deepEqual(
        logProbs.map(({ length }) => length),
        sequences.map(({ completion }) => completion.length),
      );
      for (const logProb of logProbs.flatMap((row) => [...row])) expectAtMost(logProb, 0);
      expectAtMost(Math.abs(loss - -sum(logProbs)), 0.5e-9);
    }),

  "remembers the policy it started as": ({ create, tolerance, sequencesOf, step }) =>
    using(create, async (trainer) => {
      const sequences = sequencesOf(trainer);
      const before = await trainer.logProbs(sequences);
      expectClose(before, await logProbsOf(trainer, sequences), tolerance);
      expectClose(await trainer.logProbs(sequences, { policy: "reference" }), before, tolerance);
      for (let i = 0; i < 3; i++) await step(trainer, sequences);
      expectClose(await trainer.logProbs(sequences, { policy: "reference" }), before, tolerance);
      expectLess(sum(before), sum(await trainer.logProbs(sequences)));
    }),

  "divides logits by the temperature: two tokens' log-probs are as much closer": ({
    create,
    prompts,
    texts,
    tolerance,
    sequencesOf,
    step,
  }) =>
    using(create, async (trainer) => {
      await step(trainer, sequencesOf(trainer).slice(0, 1));
      const rivals = texts.map((text) => ({ prompt: prompts[0], completion: trainer.encode(text).slice(0, 1) }));
      const gap = async (temperature: number) => {
        const [a, b] = await trainer.logProbs(rivals, { temperature });
        return a![0]! - b![0]!;
      };
      expectAtMost(Math.abs((await gap(2)) - (await gap(1)) / 2), tolerance);
      assert.notEqual(await gap(1), 0);
    }),

  "takes the gradient at the temperature it scores at": ({ create, learningRate, tolerance, sequencesOf }) =>
    using(create, async (trainer) => {
      const [sequence] = sequencesOf(trainer);
      const scored = async () => sum(await trainer.logProbs([sequence], { temperature: 0.5 }));
      const before = await scored();
      const { logProbs } = await trainer.forwardBackward([sequence], raise, { temperature: 0.5 });
      expectAtMost(Math.abs(sum(logProbs) - before), tolerance * sequence.completion.length);
      await trainer.optimStep({ learningRate });
      expectLess(before, await scored());
    }),

  "samples the policy as it is after the last update, with the log-probs that training sees": ({
    create,
    prompts,
    tolerance,
    step,
  }) =>
    using(create, async (trainer) => {
      const options = { temperature: 0, maxTokens: 8, seed: 0 };
      const sampled = async () => (await trainer.sampler().generate([prompts[0]], options))[0]![0]!;
      const first = await sampled();
      await step(trainer, [{ prompt: prompts[0], completion: first.tokenIds! }]);
      const second = await sampled();
      const [logProbs] = await logProbsOf(trainer, [{ prompt: prompts[0], completion: second.tokenIds! }]);
      assert.deepEqual(second.tokenIds, first.tokenIds);
      expectLess(total(first.logProbs!), total(second.logProbs!));
      expectClose([Float64Array.from(second.logProbs!)], [logProbs!], tolerance);
    }),

  "samples with the log-probs that training sees at the temperature, whatever else decides what is drawn": ({
    create,
    prompts,
    tolerance,
    sequencesOf,
    step,
  }) =>
    using(create, async (trainer) => {
      await step(trainer, sequencesOf(trainer));
      const options = {
        temperature: 0.7,
        topP: 0.4,
        topK: 3,
        repetitionPenalty: 1.3,
        count: 3,
        maxTokens: 8,
        seed: 1,
      };
      const [completions] = await trainer.sampler().generate([prompts[0]], options);
      const sampled = completions!.map(({ tokenIds }) => ({ prompt: prompts[0], completion: tokenIds! }));
      const logProbs = await trainer.logProbs(sampled, { temperature: 0.7 });
      expectClose(
        completions!.map(({ temperedLogProbs }) => Float64Array.from(temperedLogProbs!)),
        logProbs,
        tolerance,
      );
      // The sampling distribution differs from the tempered one.
      assert.notDeepEqual(completions![0]!.samplingLogProbs, completions![0]!.temperedLogProbs);
    }),

  "gives entropies at the temperature it scores at, where they are asked for, and raises them by a step": ({
    create,
    learningRate,
    tolerance,
    sequencesOf,
    step,
  }) =>
    using(create, async (trainer) => {
      const sequences = sequencesOf(trainer);
      // The step leads away from a uniform policy, whose entropy has no slope.
      await step(trainer, sequences);
      const scoring = { temperature: 0.7 };
      const before = await trainer.entropies(sequences, scoring);
      assert.deepEqual(
        before.map(({ length }) => length),
        sequences.map(({ completion }) => completion.length),
      );
      for (const entropy of before.flatMap((row) => [...row])) expectAtMost(0, entropy);
      expectLess(sum(before), sum(await trainer.entropies(sequences)));

      const seen: (readonly Float64Array[] | undefined)[] = [];
      const uncertain: LossFn = (logProbs, entropies) => {
        seen.push(entropies);
        const zero = logProbs.map(({ length }) => new Float64Array(length));
        return { loss: 0, gradient: zero, entropyGradient: entropies?.map((row) => row.map(() => -1)) };
      };
      await trainer.forwardBackward(sequences, uncertain, { ...scoring, entropies: true });
      for (const entropies of seen) expectClose(entropies!, before, tolerance);
      expectLess(0, (await trainer.optimStep({ learningRate })).gradNorm);
      expectLess(sum(before), sum(await trainer.entropies(sequences, scoring)));

      await trainer.forwardBackward(sequences, uncertain);
      assert.equal(seen.at(-1), undefined);
      const cotangents = sequences.map(({ completion }) => completion.map(() => 1));
      assert.ok(!("entropies" in (await trainer.backward(sequences, cotangents))));
    }),

  "takes the gradient at assumed log-probs, and gives the log-probs of the weights": ({
    create,
    tolerance,
    sequencesOf,
  }) =>
    using(create, async (trainer) => {
      const [sequence] = sequencesOf(trainer);
      const [logProbs] = await logProbsOf(trainer, [sequence]);
      const seen: number[][] = [];
      const assumed = logProbs!.map(() => -7);
      const result = await trainer.forwardBackward(
        [sequence],
        (rows) => {
          seen.push([...rows[0]!]);
          return raise(rows);
        },
        { assumedLogProbs: [assumed] },
      );
      assert.deepEqual(seen[0], [...assumed]);
      expectClose(result.logProbs, [logProbs!], tolerance);
      expectAtMost(Math.abs(result.loss - -sum(result.logProbs)), 0.5e-9);
    }),
};
