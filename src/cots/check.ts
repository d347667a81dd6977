import { formatThinkAnswer, parseThinkAnswer } from "../checks/think-answer";
import { ConfigError, DataError } from "../errors";
import { shown } from "../options/display";
import type { RatedCot } from "../rollouts";
import type { Task } from "../task";
import type { Example, Prompt } from "../types";
import { selectHighQuality } from "./select";

/** Checks that each entry is a cot of an example. @throws ConfigError if it is not a list; DataError naming an entry */
export function checkCots(cots: readonly Pick<RatedCot<unknown>, "exampleId" | "cot">[]): void {
  if (!Array.isArray(cots))
    throw new ConfigError(
      `expected cots to be an array, such as the dataset of what riseCot returns; got ${shown(cots)}`,
    );
  for (const [i, row] of cots.entries())
    if (typeof row?.exampleId !== "string" || typeof row.cot !== "string")
      throw new DataError(`cots: expected { exampleId, cot } with texts, but number ${i} is ${shown(row)}`);
}

/**
 * Selects D_high from D_RISE.
 *
 * @throws DataError for a cot without a reward, and as `sftSamples`; ConfigError if no cot is good enough
 */
export function keptCots<A>(
  cots: readonly RatedCot<A>[],
  { threshold, ...known }: Known<A> & { readonly threshold: number },
): readonly RatedCot<A>[] {
  for (const [i, { exampleId, reward }] of cots.entries())
    if (!Number.isFinite(reward))
      throw new DataError(
        `cots: expected a number as the reward of number ${i}, of example ${exampleId}, got ${shown(reward)}`,
      );
  const kept = selectHighQuality(cots, { threshold });
  if (kept.length === 0) {
    const best = cots.reduce((most, { reward }) => Math.max(most, reward), Number.NEGATIVE_INFINITY);
    throw new ConfigError(
      `sft: no cot reaches the threshold, ${threshold}: ${cots.length === 0 ? "the list is empty" : `the best of ${cots.length} has ${best}`}; lower it, train stage 1 for longer, or pass sft: false`,
    );
  }
  sftSamples(kept, known);
  return kept;
}

interface Known<A> {
  readonly task: Task<A>;
  readonly dataset: readonly Example<A>[];
}

/**
 * A sample to imitate: the policy learns to answer `prompt` with `target`, `<think>R</think><answer>A</answer>`.
 */
export interface SftSample<A> {
  readonly example: Example<A>;
  readonly cot: RatedCot<A>;
  readonly prompt: Prompt;
  readonly target: string;
}

/**
 * Makes the sample of each cot, in order.
 *
 * @throws DataError for a cot without an example, with tags in it, or with another annotation than its example's:
 * imitation would teach the one, and reinforcement reward the other
 */
export function sftSamples<A>(cots: readonly RatedCot<A>[], { task, dataset }: Known<A>): readonly SftSample<A>[] {
  const examples = new Map(dataset.map((example) => [example.id, example]));
  return cots.map((row) => {
    const { exampleId, cot, annotation } = row;
    const example = examples.get(exampleId);
    if (!example) throw new DataError(`cots: no example of the dataset has the id "${exampleId}"`);
    // An empty cot is legal: SFT of answers alone.
    if (parseThinkAnswer(formatThinkAnswer(cot, "")) === null)
      throw new DataError(
        `cots: expected text without <think> and <answer> tags for example ${exampleId}, got ${shown(cot)}; leave it out`,
      );
    task.validate(annotation, `the annotation of the cot of example ${exampleId}`);
    const [justified, present] = [annotation, example.annotation].map((each) => task.format(each));
    if (justified !== present)
      throw new DataError(
        `cots: expected the annotation that example ${exampleId} has in the dataset, ${present}, but its cot was written for ${justified}`,
      );
    return {
      example,
      cot: row,
      prompt: task.answerPrompt(example),
      target: formatThinkAnswer(cot, task.format(annotation)),
    };
  });
}
