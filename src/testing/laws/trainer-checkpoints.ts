import { strict as assert } from "node:assert";
import { join } from "node:path";
import { ConfigError, TrainingError } from "../../errors";
import type { Laws } from "./laws";
import {
  digestsOf,
  expectClose,
  logProbsOf,
  raise,
  scaled,
  type TrainerSubject,
  using,
  withFolder,
} from "./trainer-subject";

/** Laws about save and load, about a share of what was learned, and about the state between two steps. */
export const checkpointLaws: Laws<TrainerSubject> = {
  "is the same after save and load, to the last bit, and learns on in the same way": ({ create, sequencesOf, step }) =>
    withFolder((folder) =>
      using(create, (trainer) =>
        using(create, async (restored) => {
          const sequences = sequencesOf(trainer);
          await step(trainer, sequences);
          await trainer.save(folder);
          await restored.load(folder);
          assert.deepEqual(await logProbsOf(restored, sequences), await logProbsOf(trainer, sequences));
          for (const one of [trainer, restored]) await step(one, sequences.slice(0, 1), scaled(-2));
          assert.deepEqual(await logProbsOf(restored, sequences), await logProbsOf(trainer, sequences));
        }),
      ),
    ),

  "keeps what it has learned with a share of 1, and is the policy it began as with a share of 0, if it interpolates": ({
    create,
    tolerance,
    sequencesOf,
    step,
  }) =>
    using(create, async (trainer) => {
      if (!trainer.interpolate) return;
      const sequences = sequencesOf(trainer);
      await step(trainer, sequences);
      const learned = await trainer.logProbs(sequences);
      await trainer.interpolate(1);
      expectClose(await trainer.logProbs(sequences), learned, tolerance);
      await trainer.interpolate(0);
      const begun = await trainer.logProbs(sequences, { policy: "reference" });
      expectClose(await trainer.logProbs(sequences), begun, tolerance);
      await assert.rejects(trainer.interpolate(1.5), ConfigError);
    }),

  "forgets on load what was accumulated before": ({ create, learningRate, sequencesOf }) =>
    withFolder((folder) =>
      using(create, async (trainer) => {
        await trainer.save(folder);
        await trainer.forwardBackward(sequencesOf(trainer), raise);
        await trainer.load(folder);
        await assert.rejects(trainer.optimStep({ learningRate }), TrainingError);
      }),
    ),

  "makes each step from what went backward since the last one, whichever weights that reaches": ({
    create,
    texts,
    words,
    sequencesOf,
    step,
  }) =>
    withFolder((folder) =>
      using(create, async (trainer) => {
        const [image] = sequencesOf(trainer);
        const text = { prompt: words, completion: trainer.encode(texts[1]) };
        const at = (name: string | number) => join(folder, String(name));
        await trainer.save(at(0));
        for (const [i, sequence] of [text, image, text].entries()) {
          const { gradNorm } = await step(trainer, [sequence]);
          await trainer.save(at(i + 1));
          await using(create, async (fresh) => {
            await fresh.load(at(i));
            assert.equal((await step(fresh, [sequence])).gradNorm, gradNorm);
            await fresh.save(at(`fresh ${i}`));
          });
          assert.deepEqual(await digestsOf(at(`fresh ${i}`)), await digestsOf(at(i + 1)));
        }
      }),
    ),
};
