import { strict as assert } from "node:assert";
import { ShapeError, TrainingError } from "../../errors";
import type { LossFn } from "../../trainer";
import type { Laws } from "./laws";
import { raise, scaled, type TrainerSubject, using } from "./trainer-subject";

export const refusalLaws: Laws<TrainerSubject> = {
  "forgets what was accumulated when a pass back, or the loss behind it, fails": ({
    create,
    learningRate,
    sequencesOf,
  }) =>
    using(create, async (trainer) => {
      const sequences = sequencesOf(trainer);
      await trainer.forwardBackward(sequences, raise);
      await assert.rejects(trainer.backward(sequences, []), ShapeError);
      await assert.rejects(trainer.optimStep({ learningRate }), TrainingError);
      let calls = 0;
      const failing: LossFn = (rows) => {
        if (++calls > 1) throw new Error("the loss failed");
        return raise(rows);
      };
      await assert.rejects(trainer.forwardBackward(sequences, failing), /the loss failed/);
      await assert.rejects(trainer.optimStep({ learningRate }), TrainingError);
    }),

  "refuses a gradient that is not shaped like the log-probs": ({ create, sequencesOf }) =>
    using(create, async (trainer) => {
      const sequences = sequencesOf(trainer);
      const shapedLike = (gradient: Float64Array[]) =>
        trainer.forwardBackward(sequences, () => ({ loss: 0, gradient }));
      await assert.rejects(shapedLike([new Float64Array(sequences[0].completion.length)]), ShapeError);
      const oneShort = sequences.map(({ completion }) => new Float64Array(completion.length - 1));
      await assert.rejects(shapedLike(oneShort), ShapeError);
      const whole = sequences.map(({ completion }) => new Float64Array(completion.length));
      await assert.rejects(trainer.backward(sequences, oneShort), /cotangents, row 0: expected/);
      await assert.rejects(
        trainer.backward(sequences, whole, { entropyCotangents: oneShort }),
        /entropyCotangents, row 0: expected/,
      );
    }),

  "refuses a gradient that is not a number": ({ create, sequencesOf }) =>
    using(create, async (trainer) => {
      await assert.rejects(trainer.forwardBackward(sequencesOf(trainer), scaled(Number.NaN)), TrainingError);
    }),

  "refuses a step without a gradient": ({ create, learningRate, sequencesOf, step }) =>
    using(create, async (trainer) => {
      await assert.rejects(trainer.optimStep({ learningRate }), TrainingError);
      await step(trainer, sequencesOf(trainer));
      await assert.rejects(trainer.optimStep({ learningRate }), TrainingError);
    }),

  "refuses to begin under an aborted signal": ({ create, sequencesOf }) =>
    using(create, async (trainer) => {
      const signal = AbortSignal.abort(new Error("enough"));
      await assert.rejects(trainer.forwardBackward(sequencesOf(trainer), raise, { signal }), /enough/);
    }),
};
