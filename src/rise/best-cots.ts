import { bestRollout } from "../cots/select";
import type { RatedCot, Rollout } from "../rollouts";
import type { RunFailures } from "../runs/examples/failures";
import type { Memory } from "../runs/stages";
import type { Example } from "../types";

/** A row of D_RISE, and how much the cot was worth. */
export interface RiseCotRow<A> extends RatedCot<A> {
  /** S(A, Â) of the kept cot; like `reward` the mean over its reconstructions, where it has several. */
  readonly similarity: number;
  /** S(A, Â) of the likeliest reconstruction from the image with an empty cot. */
  readonly imageOnlySimilarity: number;
  /** `similarity − imageOnlySimilarity`: near 0, the image alone would have done. */
  readonly cotGain: number;
}

/** A cot and what it earned, on average over its reconstructions. */
interface RatedText {
  readonly exampleId: string;
  readonly cot: { readonly text: string };
  readonly reward: { readonly reward: number; readonly similarity: number };
}

type Pairs<T> = [id: string, value: T][];

/** What stage 1 remembers from step to step: the best cot of each example so far. */
export interface CotMemory extends Memory {
  numTokens: number;
  /** By example id. */
  readonly best: Map<string, RatedText>;
  readonly imageOnly: Map<string, number>;
  /** Why an example could not be sampled, or not in full, the last time it was asked about. */
  readonly failed: Map<string, string>;
  keepBest(rollouts: readonly Rollout<unknown>[]): Record<string, number>;
}

export function createCotMemory(): CotMemory {
  const best = new Map<string, RatedText>();
  const imageOnly = new Map<string, number>();
  const failed = new Map<string, string>();
  return {
    numTokens: 0,
    best,
    imageOnly,
    failed,
    keepBest(rollouts) {
      for (const rated of ratedTexts(rollouts)) {
        const known = best.get(rated.exampleId);
        best.set(rated.exampleId, known ? bestRollout([known, rated]) : rated);
      }
      return {};
    },
    save() {
      const failures = failed.size > 0 && { failed: [...failed] };
      return { numTokens: this.numTokens, best: [...best.values()], imageOnly: [...imageOnly], ...failures };
    },
    load(state) {
      const stored = state as {
        numTokens: number;
        best: RatedText[];
        imageOnly: Pairs<number>;
        failed?: Pairs<string>;
      };
      this.numTokens = stored.numTokens;
      for (const rated of stored.best) best.set(rated.exampleId, rated);
      for (const [id, similarity] of stored.imageOnly) imageOnly.set(id, similarity);
      for (const [id, message] of stored.failed ?? []) failed.set(id, message);
    },
  };
}

/** Failures of a run's examples, which its memory keeps for the result. */
export const rememberFailures = (failures: RunFailures, { failed }: CotMemory): RunFailures => ({
  ...failures,
  onSampled(exampleId, failure, rollouts) {
    if (failure) failed.set(exampleId, failure.message);
    else failed.delete(exampleId);
    failures.onSampled(exampleId, failure, rollouts);
  },
});

/** The row of D_RISE for an example, or nothing for one that was never sampled. */
export function rowOf<A>({ id, annotation }: Example<A>, { best, imageOnly }: CotMemory): RiseCotRow<A>[] {
  const rated = best.get(id);
  const imageOnlySimilarity = imageOnly.get(id);
  if (!rated || imageOnlySimilarity === undefined) return [];
  const { reward, similarity } = rated.reward;
  const cotGain = similarity - imageOnlySimilarity;
  return [{ exampleId: id, cot: rated.cot.text, annotation, reward, similarity, imageOnlySimilarity, cotGain }];
}

/** One for each cot: rollouts of the same one, which are side by side, share its completion. */
function ratedTexts(rollouts: readonly Rollout<unknown>[]): RatedText[] {
  const byCot = new Map<unknown, Rollout<unknown>[]>();
  for (const rollout of rollouts) byCot.set(rollout.cot, [...(byCot.get(rollout.cot) ?? []), rollout]);
  return [...byCot.values()].map((ofCot) => ({
    exampleId: ofCot[0]!.exampleId,
    cot: { text: ofCot[0]!.cot.text },
    reward: {
      reward: mean(ofCot.map(({ reward }) => reward.reward)),
      similarity: mean(ofCot.map(({ reward }) => reward.similarity)),
    },
  }));
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
