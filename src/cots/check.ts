import { formatThinkAnswer, parseThinkAnswer } from "../checks/think-answer";
import { ConfigError, DataError } from "../errors";
import { shown } from "../options/display";
import type { RatedCot } from "../rollouts";
import type { Task } from "../task";
import type { Example, Prompt } from "../types";
import { selectHighQuality } from "./select";

/** @throws ConfigError for no list; DataError naming the first that is no cot of an example */
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
 * D_high, of D_RISE.
 *
 * @throws DataError for a cot without a reward, and as `sftSamples`; ConfigError where no cot is good enough
 */
export function keptCots<A>(
  cots: readonly RatedCot<A>[],
  { threshold, ...known }: Known<A> & { readonly threshold: number },
): readonly RatedCot<A>[] {
  for (const [i, { exampleId, reward }] of cots.entries())
    if (!Number.isFinite(reward))
      throw new DataError(
        `cots: expected a number as the reward of each, but that of number ${i}, of example ${exampleId}, is ${shown(reward)}`,
      );
  const kept = selectHighQuality(cots, { threshold });
  if (kept.length === 0) {
    const best = cots.reduce((most, { reward }) => Math.max(most, reward), Number.NEGATIVE_INFINITY);
    throw new ConfigError(
      `sft: no cot reaches the threshold, ${threshold}: ${cots.length === 0 ? "there is none" : `the best of ${cots.length} has ${best}`}; lower it, train stage 1 for longer, or pass sft: false`,
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
 * One lesson of imitation: to write `target`, which is `<think>R</think><answer>A</answer>`, when it is asked `prompt`.
 */
export interface SftSample<A> {
  readonly example: Example<A>;
  readonly cot: RatedCot<A>;
  readonly prompt: Prompt;
  readonly target: string;
}

/**
 * The sample of each cot, in their order.
 *
 * @throws DataError for a cot of no example, with tags in it, or with another annotation than its example: imitation
 * would teach the one, and reinforcement reward the other
 */
export function sftSamples<A>(cots: readonly RatedCot<A>[], { task, dataset }: Known<A>): readonly SftSample<A>[] {
  const examples = new Map(dataset.map((example) => [example.id, example]));
  return cots.map((row) => {
    const { exampleId, cot, annotation } = row;
    const example = examples.get(exampleId);
    if (!example) throw new DataError(`cots: no example of the dataset has the id "${exampleId}"`);
    // An empty one is legal: SFT of answers alone.
    if (parseThinkAnswer(formatThinkAnswer(cot, "")) === null)
      throw new DataError(
        `cots: expected text without <think> and <answer> tags, but the cot of example ${exampleId} is ${shown(cot)}; leave it out`,
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
