import { inspect } from "node:util";
import type { VlmBackend } from "../backend";
import { ConfigError } from "../errors";
import { shown } from "../options/display";
import type { Names } from "../options/options";
import type { AnswerRewardFunction } from "../reward/paper";
import type { Judgement, RewardFunction } from "../reward/reward";
import { deriveSeed } from "../rng";
import type { AnswerRollout, Rollout, Sampled } from "../rollouts";
import { given } from "../runs/examples/check-examples";
import type { OnSampled } from "../runs/examples/failures";
import { generate, generateEach, type Outcome } from "../runs/generate";
import type { Task } from "../task";
import type { Completion, Example } from "../types";

/**
 * How completions are drawn. The policy that is trained is softmax(logits / temperature), as in TRL; what the other settings leave out or make less
 * likely is not part of it, and no importance ratio corrects for them: they choose what is learned from.
 */
export interface SamplingOptions {
  /** Above 0 (1). */
  readonly temperature?: number;
  /** Nucleus: the likeliest tokens whose probabilities sum to at least this, in (0, 1] (1). */
  readonly topP?: number;
  /** Only the likeliest tokens, at most this many (all). */
  readonly topK?: number;
  /** Makes tokens less likely that the prompt or the completion has already: above 1; 1 does nothing (1). */
  readonly repetitionPenalty?: number;
}

export interface RolloutSamplingOptions extends SamplingOptions {
  /** Tokens of a cot (256). */
  readonly cotMaxTokens?: number;
  /** Tokens of a reconstruction (256). */
  readonly reconstructionMaxTokens?: number;
  /** How reconstructions are drawn, where they are to be drawn in another way than cots (as cots); the published code has temperature 0.7, repetition penalty 1.2. */
  readonly reconstruction?: SamplingOptions;
  /** Reconstructions of each cot (1), each a rollout: more tell a good cot from a lucky one, and cost as much more sampling. */
  readonly reconstructionsPerCot?: number;
}

interface Sampling<A> {
  readonly task: Task<A>;
  readonly backend: VlmBackend;
  readonly examples: readonly Example<A>[];
  readonly groupSize: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Told of each example; one that fails has no rollouts then. Without it a failure throws. */
  readonly onSampled?: OnSampled | undefined;
}

/** How reconstructions are drawn: as cots, but for their own settings. */
export function reconstructionSampling({ reconstruction = {}, ...sampling }: RolloutSamplingOptions): SamplingOptions {
  const { temperature, topP, topK, repetitionPenalty } = { ...sampling, ...given(reconstruction) };
  return given({ temperature, topP, topK, repetitionPenalty }) as SamplingOptions;
}

/**
 * G cots for each example from π(R | I, A), and K reconstructions for each cot from π(Â | I, R); each pair with its reward.
 * All reconstructions are one `generate` call.
 *
 * @returns groups of G·K consecutive rollouts, those of one cot side by side, in the order of the examples
 * Source: RISE, stage 1, Eqs. 1 and 7.
 */
export async function sampleRollouts<A>({
  reward,
  sampling: { reconstruction, ...sampled },
  keepsParts = false,
  ...options
}: Sampling<A> & {
  readonly reward: RewardFunction<A>;
  readonly sampling: RolloutSamplingOptions;
  /** If some reconstructions of an example fail, keep the others' rollouts (false: all or none, as learning needs whole groups). */
  readonly keepsParts?: boolean;
}): Promise<Sampled<Rollout<A>>[]> {
  const { task, backend, examples, groupSize, seed, signal, onSampled } = options;
  const { cotMaxTokens = 256, reconstructionMaxTokens = 256, reconstructionsPerCot = 1, ...sampling } = sampled;
  const ofReconstruction = reconstructionSampling({ ...sampling, ...(reconstruction && { reconstruction }) });
  const cotPrompts = examples.map((example) => task.cotPrompt(example));
  const ask = onSampled ? generateEach : generate;
  const cots = await ask(backend, cotPrompts, {
    ...sampling,
    maxTokens: cotMaxTokens,
    count: groupSize,
    seed: deriveSeed(seed, "cot"),
    signal,
  });
  const asked = examples.flatMap((example, i) =>
    completionsOf(cots[i]!).map((cot, g) => ({
      example,
      first: g * reconstructionsPerCot,
      cotSegment: { prompt: cotPrompts[i]!, completion: cot, temperature: sampling.temperature },
      prompt: task.reconstructionPrompt(example, cot.text),
    })),
  );
  const reconstructions = await ask(
    backend,
    asked.map(({ prompt }) => prompt),
    {
      ...ofReconstruction,
      maxTokens: reconstructionMaxTokens,
      count: reconstructionsPerCot,
      seed: deriveSeed(seed, "reconstruction"),
      signal,
    },
  );
  const isKept = examples.map((example, i) => {
    const ofExample = reconstructions.filter((_, r) => asked[r]!.example === example);
    const failure = [cots[i]!, ...ofExample].find((outcome) => outcome instanceof Error);
    const arrived = ofExample.filter((outcome) => !(outcome instanceof Error)).length;
    const kept = failure && !keepsParts ? 0 : arrived;
    onSampled?.(example.id, failure, kept);
    return kept > 0;
  });
  const pairs = asked.flatMap((cot, i) =>
    isKept[examples.indexOf(cot.example)]
      ? completionsOf(reconstructions[i]!).map((reconstruction, k) => ({ ...cot, reconstruction, k }))
      : [],
  );
  const rollouts = pairs.map(async ({ example, first, cotSegment, prompt, reconstruction, k }) => {
    const cot = cotSegment.completion;
    const parts = { truth: example.annotation, cot: cot.text, reconstruction: reconstruction.text };
    const judged = checkJudgement(await reward(task, parts), reward.name, example);
    return {
      rollout: { exampleId: example.id, index: first + k, cot, reconstruction, ...judged },
      reward: judged.reward,
      truth: example.annotation,
      segments: [cotSegment, { prompt, completion: reconstruction, temperature: ofReconstruction.temperature }],
    };
  });
  return Promise.all(rollouts);
}

/** G completions of `answerPrompt` for each example, each with its reward. Source: RISE, stage 2, Eqs. 9 and 10. */
export async function sampleAnswers<A>({
  reward,
  sampling: { maxTokens = 512, ...sampling },
  ...options
}: Sampling<A> & {
  readonly reward: AnswerRewardFunction<A>;
  readonly sampling: SamplingOptions & { readonly maxTokens?: number };
}): Promise<Sampled<AnswerRollout<A>>[]> {
  const { task, backend, examples, groupSize, seed, signal, onSampled } = options;
  const prompts = examples.map((example) => task.answerPrompt(example));
  const answers = await (onSampled ? generateEach : generate)(backend, prompts, {
    ...sampling,
    maxTokens,
    count: groupSize,
    seed: deriveSeed(seed, "answer"),
    signal,
  });
  for (const [i, { id }] of examples.entries())
    onSampled?.(id, answers[i] instanceof Error ? answers[i] : undefined, completionsOf(answers[i]!).length);
  const rollouts = examples.flatMap((example, i) =>
    completionsOf(answers[i]!).map(async (completion, index) => {
      const parts = { truth: example.annotation, text: completion.text };
      const judged = checkJudgement(await reward(task, parts), reward.name, example);
      return {
        rollout: { exampleId: example.id, index, completion, ...judged },
        reward: judged.reward,
        truth: example.annotation,
        segments: [{ prompt: prompts[i]!, completion, temperature: sampling.temperature }],
      };
    }),
  );
  return Promise.all(rollouts);
}

const completionsOf = (outcome: Outcome): readonly Completion[] => (outcome instanceof Error ? [] : outcome);

/** @throws ConfigError naming the option, for what is no function */
export function checkReward(name: string, reward: unknown): void {
  if (typeof reward !== "function")
    throw new ConfigError(`expected ${name} to be a function, such as paperReward; got ${shown(reward)}`);
}

/** @throws ConfigError naming the reward function, and the example, for what is no judgement or has no finite reward */
function checkJudgement<A>(judged: Judgement<A>, name: string, { id }: Example<A>): Judgement<A> {
  const { reward, similarity, leaks, format } = judged?.reward ?? {};
  const isWhole =
    [reward, similarity].every(Number.isFinite) && Array.isArray(leaks) && typeof format?.ok === "boolean";
  if (isWhole) return judged;
  throw new ConfigError(
    `reward "${name}": expected { prediction, reward: { reward, similarity, leaks, format } } with finite numbers, got ${inspect(judged)} for example ${id}`,
  );
}

export const samplingNames: Names<SamplingOptions> = {
  temperature: true,
  topP: true,
  topK: true,
  repetitionPenalty: true,
};
