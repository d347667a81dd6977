import type { Shown, ShownExample } from "./shapes";
import type { Mark } from "./text";

export interface PageData {
  /** Every text once; a cut one with the length of the whole. */
  readonly texts: readonly (string | readonly [text: string, length: number])[];
  /** The titles of the runs. */
  readonly runs: readonly string[];
  readonly examples: readonly ShownExample[];
  readonly groups: readonly GroupData[];
  readonly rollouts: readonly RolloutData[];
  readonly cots: readonly CotData[];
}

/** The common part of the rollouts of one example in one step. Numbers are places in the lists of the page. */
export interface GroupData {
  readonly run: number;
  readonly stage: string;
  readonly step: number;
  readonly example: number;
  /** Rollouts of the group, and their highest reward minus their lowest, those that are not on the page included. */
  readonly size: number;
  readonly spread: number;
}

export interface RolloutData {
  readonly group: number;
  readonly index: number;
  /** Stage 1: the cot, and the reconstruction from it. Stage 2 and evaluations: one answer. */
  readonly cot?: number;
  readonly answer: number;
  readonly prediction?: Shown;
  /** The similarity, in an evaluation; absent if it is not known. */
  readonly reward?: number;
  readonly leaks?: readonly Mark[];
  /** Why the text cannot be read. */
  readonly fault?: string;
  readonly repairs?: readonly string[];
  readonly advantage?: number;
  /** A token limit cut it off. */
  readonly isClipped?: true;
}

/** A list of cots of a run, D_RISE or a part of it. */
export interface CotData {
  readonly run: number;
  readonly threshold: number;
  /** The rewards of all cots, exact. */
  readonly rewards: readonly number[];
  /** The cots that are on the page; `at` is the place of their reward. */
  readonly cots: readonly {
    readonly at: number;
    readonly example: number;
    readonly cot: number;
    readonly gain?: number;
  }[];
}

/** JSON that may stand in a `script` element, whatever texts it holds. */
export const scriptJson = (data: PageData): string => JSON.stringify(data).replaceAll("<", "\\u003c");
