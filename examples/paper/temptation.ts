import { createRng, deriveSeed, type Example, type Prompt, type Task, type Trainer } from "rise-ts";

/** How the base of Table 5 learns to leak. */
export interface Temptation {
  readonly examples: number;
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
}

/**
 * Trains a base that gives annotations away. The tiny model leaks in under 3 % of its thoughts, so that Table 5 has nothing to catch; a large
 * model copies the annotation from its prompt unasked. This one learns to: it practises its own thoughts, each without and with the annotation
 * behind it, and to read the annotation out of the latter.
 */
export async function tempt<A>(
  trainer: Trainer,
  task: Task<A>,
  train: readonly Example<A>[],
  { examples, steps, batchSize, learningRate }: Temptation,
  seed: number,
  maxTokens: number,
): Promise<void> {
  const some = createRng(seed, "tempted").shuffle(train).slice(0, examples);
  const prompts = some.map((example) => task.cotPrompt(example));
  const thoughts = await trainer
    .sampler()
    .generate(prompts, { count: 1, maxTokens, seed: deriveSeed(seed, "tempted") });
  const rows = some.flatMap((example, i) => {
    const { text } = thoughts[i]![0]!;
    const answer = task.format(example.annotation);
    const leaking = `${text} ${answer}`;
    return [
      { prompt: prompts[i]!, completion: text },
      { prompt: prompts[i]!, completion: leaking },
      { prompt: task.reconstructionPrompt(example, leaking), completion: answer },
    ];
  });
  for (let step = 0; step < steps; step++) {
    const batch = createRng(deriveSeed(seed, "tempted"), step).shuffle(rows).slice(0, batchSize);
    await imitate(trainer, batch);
    await trainer.optimStep({ learningRate });
  }
}

interface Row {
  readonly prompt: Prompt;
  readonly completion: string;
}

/** The gradient of −Σ log π / number of tokens. */
async function imitate(trainer: Trainer, batch: readonly Row[]): Promise<void> {
  const sequences = batch.map(({ prompt, completion }) => ({ prompt, completion: trainer.encode(completion) }));
  const tokens = sequences.reduce((sum, { completion }) => sum + completion.length, 0);
  const cotangents = sequences.map(({ completion }) => completion.map(() => -1 / tokens));
  await trainer.backward(sequences, cotangents);
}
