import type { Trainer } from "../../trainer";
import type { Prompt } from "../../types";
import { describeLaws, type Skipping, type TestRunner } from "../laws/laws";
import { checkpointLaws } from "../laws/trainer-checkpoints";
import { refusalLaws } from "../laws/trainer-refusals";
import { scoringLaws } from "../laws/trainer-scoring";
import { stepLaws } from "../laws/trainer-steps";
import { raise, type TrainerSubject } from "../laws/trainer-subject";

/** A trainer's facts that the laws of `Trainer` need. */
export interface TrainerContract extends Skipping {
  readonly prompts: readonly [Prompt, Prompt];
  /** Two completions that the trainer can encode, with different beginnings. */
  readonly texts: readonly [string, string];
  /** A prompt without an image ("Say something."). */
  readonly words?: Prompt;
  /** Learning rate, small enough that a step along the gradient goes uphill (1e-3). */
  readonly learningRate?: number;
  /** Largest difference of the same weights' log-probs, in nats, when computed in different ways (1e-9). */
  readonly tolerance?: number;
}

/**
 * Holds a trainer to what `Trainer` promises: gradients at the temperature it scores at, sums over passes, a sampler
 * with the weights of the last step, checkpoints to the bit, and errors that leave no gradient behind. Each law creates
 * trainers of its own and disposes of them.
 * @param create makes a new trainer, the same each time
 * @throws ConfigError when `skip` names a law that does not exist
 * @example
 * import { describe, it } from "vitest";
 * import { describeTrainer } from "rise-ts/testing";
 * const texts = ["A calm lake.", "Two dogs"] as const;
 * describeTrainer({ describe, it }, "my trainer", () => myTrainer(), { prompts, texts, tolerance: 1e-4 });
 */
export function describeTrainer(
  runner: TestRunner,
  name: string,
  create: () => Promise<Trainer>,
  contract: TrainerContract,
): void {
  const { prompts, texts, learningRate = 1e-3, tolerance = 1e-9, skip = {} } = contract;
  const { words = [{ role: "user", content: [{ type: "text", text: "Say something." }] }] } = contract;
  const subject: TrainerSubject = {
    create,
    prompts,
    texts,
    words,
    learningRate,
    tolerance,
    sequencesOf: (trainer) => [
      { prompt: prompts[0], completion: trainer.encode(texts[0]) },
      { prompt: prompts[1], completion: trainer.encode(texts[1]) },
    ],
    async step(trainer, sequences, lossFn = raise) {
      await trainer.forwardBackward(sequences, lossFn);
      return trainer.optimStep({ learningRate });
    },
  };
  const laws = { ...stepLaws, ...scoringLaws, ...checkpointLaws, ...refusalLaws };
  describeLaws(runner, `trainer ${name}`, laws, subject, skip);
}
