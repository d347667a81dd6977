import { bestRollout } from "../cots/select";
import type { RatedCot, Rollout } from "../rollouts";
import type { RunFailures } from "../runs/examples/failures";
import type { StageState } from "../runs/stages";
import type { Example } from "../types";

/** A row of D_RISE, and the worth of its cot. */
export interface RiseCotRow<A> extends RatedCot<A> {
  /** S(A, Â) of the kept cot; like `reward`, the mean over its reconstructions. */
  readonly similarity: number;
  /** S(A, Â) of the likeliest reconstruction from the image with an empty cot; absent if the backend failed for it. */
  readonly imageOnlySimilarity?: number;
  /** `similarity − imageOnlySimilarity`; near 0, the image alone suffices. */
  readonly cotGain?: number;
}

/** A cot and what it earned, on average over its reconstructions. */
interface RatedText {
  readonly exampleId: string;
  readonly cot: { readonly text: string };
  readonly reward: { readonly reward: number; readonly similarity: number };
}

type Pairs<T> = [id: string, value: T][];

/** The state of stage 1 from step to step: the best cot of each example so far. */
export interface CotState extends StageState {
  numTokens: number;
  readonly best: Map<string, RatedText>;
  readonly imageOnly: Map<string, number>;
  /** The reasons why the last sampling of an example failed in whole or in part, by its id. */
  readonly failed: Map<string, string>;
  /** @param perCot reconstructions of each cot */
  keepBest(rollouts: readonly Rollout<unknown>[], perCot: number): void;
}

export function createCotState(): CotState {
  const best = new Map<string, RatedText>();
  const imageOnly = new Map<string, number>();
  const failed = new Map<string, string>();
  return {
    numTokens: 0,
    best,
    imageOnly,
    failed,
    keepBest(rollouts, perCot) {
      for (const rated of ratedTexts(rollouts, perCot)) {
        const known = best.get(rated.exampleId);
        best.set(rated.exampleId, known ? bestRollout([known, rated]) : rated);
      }
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

/** Reports failures of a run's examples, and keeps them in its state for the result. */
export const rememberFailures = (failures: RunFailures, { failed }: CotState): RunFailures => ({
  ...failures,
  onSampled(exampleId, failure, rollouts) {
    if (failure) failed.set(exampleId, failure.message);
    else failed.delete(exampleId);
    failures.onSampled(exampleId, failure, rollouts);
  },
});

/** The row of D_RISE for an example; no row for an example that was never sampled. */
export function rowOf<A>({ id, annotation }: Example<A>, { best, imageOnly }: CotState): RiseCotRow<A>[] {
  const rated = best.get(id);
  if (!rated) return [];
  const { reward, similarity } = rated.reward;
  const imageOnlySimilarity = imageOnly.get(id);
  const beside = imageOnlySimilarity !== undefined && {
    imageOnlySimilarity,
    cotGain: similarity - imageOnlySimilarity,
  };
  return [{ exampleId: id, cot: rated.cot.text, annotation, reward, similarity, ...beside }];
}

/** One entry for each cot: its rollouts, of which some may have failed, are side by side. */
function ratedTexts(rollouts: readonly Rollout<unknown>[], perCot: number): RatedText[] {
  const cotOf = ({ exampleId, index }: Rollout<unknown>) => `${Math.floor(index / perCot)} ${exampleId}`;
  const byCot: Rollout<unknown>[][] = [];
  for (const [i, rollout] of rollouts.entries()) {
    if (i > 0 && cotOf(rollouts[i - 1]!) === cotOf(rollout)) byCot.at(-1)!.push(rollout);
    else byCot.push([rollout]);
  }
  return byCot.map((ofCot) => ({
    exampleId: ofCot[0]!.exampleId,
    cot: { text: ofCot[0]!.cot.text },
    reward: {
      reward: mean(ofCot.map(({ reward }) => reward.reward)),
      similarity: mean(ofCot.map(({ reward }) => reward.similarity)),
    },
  }));
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
