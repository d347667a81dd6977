import type { VlmBackend } from "../backend";
import { deriveSeed } from "../rng";
import type { Rollout } from "../rollouts";
import type { RunFailures } from "../runs/examples/failures";
import { generateEach } from "../runs/generate";
import type { InStep } from "../runs/stages";
import type { Example } from "../types";
import type { CotState } from "./best-cots";
import type { HeldOutSampling } from "./pipeline";
import type { Demand } from "./preflight";
import type { RiseCotSettings } from "./rise-cot-options";
import type { StageTrial } from "./rollout-stage";
import { sampleRollouts } from "./sample";
import { greedySampling, splitSampling } from "./sampling-options";

export interface Context<A> {
  readonly settings: RiseCotSettings<A>;
  readonly backend: VlmBackend;
  readonly state: CotState;
  readonly failures: RunFailures;
}

/** Reconstructs each annotation from the image with an empty cot, and records the similarity. */
export async function rateImagesAlone<A>(
  { settings: { task, sampling }, backend, state, failures }: Context<A>,
  examples: readonly Example<A>[],
  seed: number,
  signal: AbortSignal,
): Promise<Record<string, number>> {
  const prompts = examples.map((example) => task.reconstructionPrompt(example, ""));
  const answers = await generateEach(backend, prompts, {
    ...splitSampling(sampling).reconstructions,
    maxTokens: sampling.reconstructionMaxTokens,
    temperature: 0,
    seed,
    signal,
  });
  for (const [i, { id, annotation }] of examples.entries()) {
    const outcome = answers[i]!;
    if (outcome instanceof Error) {
      failures.onSampled(id, outcome, 0);
      continue;
    }
    const prediction = task.parse(outcome[0]!.text);
    state.imageOnly.set(id, prediction === null ? 0 : task.similarity(annotation, prediction));
  }
  const similarities = examples.flatMap(({ id }) => state.imageOnly.get(id) ?? []);
  if (similarities.length === 0) return {};
  return { "rise/image_only_similarity": similarities.reduce((sum, value) => sum + value, 0) / similarities.length };
}

export const sampleStep = <A>(
  { settings, backend, failures }: Context<A>,
  stage: "train" | "final",
  examples: readonly Example<A>[],
  step: number,
  signal: AbortSignal,
  at: InStep,
) =>
  sampleRollouts({
    ...settings,
    backend,
    examples,
    at,
    keepsParts: stage === "final",
    onSampled: failures.onSampled,
    seed: deriveSeed(settings.seed, stage, step),
    signal,
  });

/** Samples the likeliest cot of each example, and its likeliest reconstruction. */
export const sampleGreedily = <A>(
  { settings, backend }: Context<A>,
  examples: readonly Example<A>[],
  held: HeldOutSampling,
) =>
  sampleRollouts({
    ...settings,
    backend,
    examples,
    groupSize: 1,
    sampling: greedySampling(settings.sampling),
    seed: deriveSeed(settings.seed, "evaluation"),
    ...held,
  });

/** Lists all prompts of stage 1, and samples one group of rollouts of one example. */
export function cotTrial<A>({ settings, backend }: Context<A>): StageTrial<Rollout<A>> {
  const { task, dataset, examplesPerStep, seed } = settings;
  const { cotMaxTokens, reconstructionMaxTokens } = settings.sampling;
  return {
    backend,
    examplesPerStep,
    demands: () =>
      dataset.flatMap((example): Demand[] => [
        { exampleId: example.id, prompt: task.cotPrompt(example), completionTokens: cotMaxTokens },
        // The cot is in the prompt.
        {
          exampleId: example.id,
          prompt: task.reconstructionPrompt(example, ""),
          completionTokens: cotMaxTokens + reconstructionMaxTokens,
        },
      ]),
    sample: (exampleId, signal) =>
      sampleRollouts({
        ...settings,
        backend,
        examples: dataset.filter(({ id }) => id === exampleId),
        seed: deriveSeed(seed, "preflight"),
        signal,
      }),
  };
}
