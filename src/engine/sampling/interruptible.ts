import type { VlmConfig } from "../../models/parts/config";
import type { Tensor } from "../../onnx/runtime/session";
import { stateOf } from "../graphs/generation";
import { continued, type Generated, type GenerationFeeds, nothingYet } from "./generate";

type Feeds = Readonly<Record<string, Tensor>>;

export interface GenerationGraphs {
  /** @param resumable whether to output the state too */
  begin(feeds: Feeds, resumable: boolean): Promise<Feeds>;
  /** @param state is given away and becomes unreadable */
  goOn(state: Feeds, feeds: Feeds): Promise<Feeds>;
}

export interface Stretching {
  readonly rows: number;
  readonly maxTokens: number;
  /** Whether a row with these tokens may stop; asked between stretches. */
  readonly isEnough?: ((tokens: readonly number[]) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly pace: Pace;
}

/**
 * Continues rows, in one run of a graph if nobody can end it early, else in stretches. Between stretches the signal is
 * checked, and rows that have enough tokens end. The cuts change no token and no log-probability.
 * @throws the signal's reason
 */
export async function generateInStretches(
  config: VlmConfig,
  { begin, goOn }: GenerationGraphs,
  feeds: GenerationFeeds,
  { rows, maxTokens, isEnough, signal, pace }: Stretching,
): Promise<Generated[]> {
  let written: Generated[] = Array.from({ length: rows }, () => nothingYet);
  let state: Feeds | undefined;
  for (let done = 0; ; ) {
    signal?.throwIfAborted();
    const sparing = isEnough ? Math.max(pace.fewest, done) : Number.POSITIVE_INFINITY;
    const paced = isEnough || signal ? Math.min(sparing, pace.steps(rows)) : maxTokens;
    const steps = Math.min(paced, maxTokens - done);
    const started = performance.now();
    const outputs: Feeds = state
      ? await goOn(state, feeds.steps(done, steps))
      : await begin({ ...feeds.prompts, ...feeds.steps(done, steps) }, done + steps < maxTokens);
    pace.took(rows, steps, (performance.now() - started) / 1000);
    done += steps;
    written = continued(written, outputs, config);
    const isOver = written.map(({ tokens, ended }) => ended || isEnough?.(tokens) === true);
    if (done === maxTokens || isOver.every(Boolean)) return written;
    state = { ...stateOf(outputs), finished: { data: Uint8Array.from(isOver, Number), shape: [rows] } };
  }
}

/** Seconds between two checks whether a generation is still wanted. */
const patience = 0.5;

/** Estimates from recent runs how many tokens take about `patience`. */
export interface Pace {
  /** The fewest tokens of a stretch: shorter ones would not be worth passing the state between runs. */
  readonly fewest: number;
  steps(rows: number): number;
  took(rows: number, steps: number, seconds: number): void;
}

/** @param fewest larger if a run begins with work of its own, such as converting weights */
export function createPace(fewest = 8): Pace {
  const secondsPerStep = new Map<number, number>();
  return {
    fewest,
    steps: (rows) => Math.max(fewest, Math.floor(patience / (secondsPerStep.get(rows) ?? patience))),
    took: (rows, steps, seconds) => void secondsPerStep.set(rows, seconds / steps),
  };
}
