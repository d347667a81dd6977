/** A part of some work, such as a stage of a run. */
export interface Part {
  readonly name: string;
  /** Units in all, if they are known. */
  readonly total?: number;
  /** Whether the units are bytes (false). */
  readonly isBytes?: boolean;
}

/** A number to watch, and its label: `["reward", 0.52]`. */
export type Figure = readonly [label: string, value: number];

/** News of work under way, in order; times come from the clock of whoever hears it. */
export type News =
  /** The parts, in order. Parts that are known already keep what was said of them. */
  | { readonly type: "plan"; readonly parts: readonly Part[] }
  | Progress
  /** A part is over. */
  | { readonly type: "end"; readonly part: string; readonly note?: string }
  | { readonly type: "note"; readonly text: string }
  | { readonly type: "warning"; readonly text: string };

/** The state of one part, which begins with the first of these. A part that the plan lacks joins it. */
export interface Progress {
  readonly type: "progress";
  readonly part: string;
  /** Units that are finished. */
  readonly done: number;
  readonly total?: number;
  /** Work within a unit, such as "step 3: rollouts 24/64". */
  readonly detail?: string;
  /** The most important first: the last ones are left out if a line is too narrow. The newest ones stay. */
  readonly figures?: readonly Figure[];
  /** Seconds until all parts are over; without it, the pace of each part decides. */
  readonly secondsLeft?: number | undefined;
}
