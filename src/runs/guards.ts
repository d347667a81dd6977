import type { Guard, StepMetrics } from "../events";

export interface GuardWarning {
  readonly guard: Guard;
  readonly message: string;
}

/**
 * Warns of symptoms in a stage that trains, with advice.
 *
 * It depends on the rows alone, so that a resumed run warns of the same things. A lasting symptom is repeated after 1,
 * 2, 4, 8, … steps; a reward that does not move, every `FLAT_STEPS`.
 *
 * @param rows all of the stage's steps so far; the last is the new one
 */
export function guardWarnings(rows: readonly StepMetrics[]): readonly GuardWarning[] {
  const last = rows.at(-1);
  if (last === undefined) return [];
  const first = rows[0]!;
  const lasting = conditions.flatMap(({ guard, from = 1, holds, message }) => {
    const streak = rows.length - 1 - rows.findLastIndex((row) => !holds(row, first));
    if (streak < from || !isPowerOfTwo(streak)) return [];
    return [{ guard, message: `${message(last, first)}${streak > 1 ? ` (for ${streak} steps now)` : ""}` }];
  });
  return [...lasting, ...flatReward(rows)];
}

/**
 * Advises what to do when a loss, a gradient, a metric or a log-prob is not a number.
 * @param weights directory of the newest saved weights
 * @param options.isCulprit whether these weights produced it
 */
export function whatToTry(weights: string | undefined, { isCulprit }: { readonly isCulprit: boolean }): string {
  const gentler = "a lower learning rate, more warm-up steps or a smaller clipping norm";
  if (weights === undefined) return `Nothing was saved before; try ${gentler}`;
  return isCulprit
    ? `The weights in ${weights} produced it: start a new runDir from earlier ones (trainer.load) with ${gentler}`
    : `The weights in ${weights} are older: start a new runDir from them (trainer.load) with ${gentler}`;
}

/** Least share of a step's rollouts for a fault to count as the rule. */
const NEARLY_ALL = 0.9;
/** Least share of repeated word sequences for a text to count as repetitive. */
const MOSTLY_REPEATED = 0.5;
/** Steps over which a reward should move. */
const FLAT_STEPS = 50;
/** Least change from the first half of them to the second that counts as a move. */
const FLAT_CHANGE = 0.01;
/** A policy diverges if a token costs this many nats more than in the first step, and at least twice as much. */
const FAR_WORSE = 1;
/** Steps for which it has to last; a power of two. */
const SEVERAL = 4;
/** A mean reward of the judge above this leaves little to gain. */
const NEARLY_PERFECT = 0.95;

const number = (row: StepMetrics, metric: string) => Number(row[metric]);
const percent = (row: StepMetrics, metric: string) => `${Math.round(100 * number(row, metric))} %`;

/** The mean reward of the judge, the first term of a sum: the others may be on any scale. */
const judged = (row: StepMetrics) =>
  number(row, Object.keys(row).find((name) => /^rewards\/.*\/mean$/s.test(name)) ?? "reward");

/** Whether the judge's reward is more than cots without leaks can have earned, at 1 each. */
const leaksEarn = (row: StepMetrics) => judged(row) > 1 - number(row, "rise/leak_rate");

/** Names the options of `riseCot` and `riseR1` that limit the tokens of a stage. */
const tokenLimits = ({ stage }: StepMetrics) =>
  stage === "rft" ? "rft.sampling.maxTokens" : "sampling.cotMaxTokens or sampling.reconstructionMaxTokens";

const conditions: readonly {
  readonly guard: Guard;
  /** Steps for which it has to last (1); a power of two. */
  readonly from?: number;
  readonly holds: (row: StepMetrics, first: StepMetrics) => boolean;
  readonly message: (row: StepMetrics, first: StepMetrics) => string;
}[] = [
  {
    guard: "zero-std",
    holds: (row) => row.frac_reward_zero_std === 1,
    message: (row) =>
      `nothing to learn from: within every group all rewards are equal (mean reward ${number(row, "reward").toFixed(2)}, leak rate ${percent(row, "rise/leak_rate")}, format rate ${percent(row, "rise/format_rate")}). Try a larger groupSize, more examplesPerStep or a higher temperature; if the reward is 0, rollouts.jsonl says why`,
  },
  {
    guard: "clipped",
    holds: (row) => number(row, "completions/clipped_ratio") >= NEARLY_ALL,
    message: (row) =>
      `${percent(row, "completions/clipped_ratio")} of the rollouts were cut off by a token limit before they ended. Raise ${tokenLimits(row)}, or start from a policy that has learned to stop (SFT)`,
  },
  {
    guard: "leaking",
    holds: (row) => number(row, "rise/leak_rate") >= NEARLY_ALL,
    message: (row) =>
      `${percent(row, "rise/leak_rate")} of the cots give the annotation away and earn ${leaksEarn(row) ? "a reward for it. Use one to which a leak is worth 0, such as paperReward" : "nothing for it. See rollouts.jsonl for what leaks; say in the cot prompt more plainly what must not be written, or start from a policy that writes some clean cots"}`,
  },
  {
    guard: "repetition",
    holds: (row) => number(row, "rise/repetition") >= MOSTLY_REPEATED,
    message: (row) =>
      `the policy repeats itself: ${percent(row, "rise/repetition")} of its four-word sequences were there before in the same text. Go back to an earlier checkpoint, and lower the learning rate or raise the temperature`,
  },
  {
    guard: "standstill",
    // Equal rewards have a warning of their own.
    holds: (row) => row.grad_norm === 0 && row.frac_reward_zero_std !== 1,
    message: (row) =>
      `the gradient is exactly 0, so nothing is learned${row.loss === undefined ? "" : ` (loss ${number(row, "loss").toPrecision(4)})`}: the weights have most likely gone too far. Start a new runDir from earlier ones (trainer.load) with a lower learning rate`,
  },
  {
    guard: "diverging",
    from: SEVERAL,
    holds: (row, first) => nats(row) > Math.max(2 * nats(first), nats(first) + FAR_WORSE),
    message: (row, first) =>
      `imitation goes the wrong way: a token of the targets costs ${nats(row).toFixed(2)} nats, and cost ${nats(first).toFixed(2)} in the stage's first step. Start a new runDir with a lower learning rate or more warm-up steps`,
  },
];

/** The cost of a target's token in imitation; NaN elsewhere, which compares as false. */
const nats = (row: StepMetrics) => -number(row, "rise/token_log_prob");

function flatReward(rows: readonly StepMetrics[]): readonly GuardWarning[] {
  if (rows.length % FLAT_STEPS !== 0 || rows.at(-1)!.reward === undefined) return [];
  // A step whose examples all failed has no reward.
  const measured = (part: readonly StepMetrics[]) => part.filter(({ reward }) => reward !== undefined);
  const mean = (part: readonly StepMetrics[], of = (row: StepMetrics) => number(row, "reward")) =>
    part.reduce((sum, row) => sum + of(row), 0) / part.length;
  const [first, second] = [rows.slice(-FLAT_STEPS, -FLAT_STEPS / 2), rows.slice(-FLAT_STEPS / 2)].map(measured);
  const [before, after] = [mean(first!), mean(second!)];
  if (!(after - before < FLAT_CHANGE) || mean(second!, judged) >= NEARLY_PERFECT) return [];
  return [
    {
      guard: "flat-reward",
      message: `the reward has not risen for ${FLAT_STEPS} steps (${before.toFixed(3)}, then ${after.toFixed(3)}). Try a higher learning rate, a larger groupSize, or examples of which the policy gets some right and some wrong`,
    },
  ];
}

const isPowerOfTwo = (n: number) => n > 0 && (n & (n - 1)) === 0;
