import type { Sampled } from "../rollouts";

/**
 * Summarises sampled rollouts before anything is learned from them, under TRL's names if TRL has one. A completion is
 * all segments of a rollout. Lengths are tokens, and absent if the backend counts none.
 *
 * @param rewardName of the reward function, for `rewards/{name}/…`
 */
export function rolloutMetrics<R>(sampled: readonly Sampled<R>[], rewardName: string): Record<string, number> {
  const rewards = sampled.map(({ reward }) => reward.reward);
  const share = (holds: (row: Sampled<R>) => boolean) => sampled.filter(holds).length / sampled.length;
  return {
    reward: moments(rewards).mean,
    ...termMetrics(sampled, rewardName),
    "rise/similarity": moments(sampled.map(({ reward }) => reward.similarity)).mean,
    "rise/leak_rate": share(({ reward }) => reward.leaks.length > 0),
    "rise/format_rate": share(({ reward }) => reward.format.ok),
    "rise/repair_rate": share(({ reward }) => (reward.repairs ?? []).length > 0),
    "rise/repetition": moments(sampled.map(repetition)).mean,
    "completions/clipped_ratio": share(isClipped),
    ...lengthMetrics(sampled),
  };
}

/** `rewards/{name}/mean` and `…/std` of the reward, or of each term of a sum that applies. */
function termMetrics<R>(sampled: readonly Sampled<R>[], rewardName: string): Record<string, number> {
  const values = new Map<string, number[]>();
  for (const { reward } of sampled) {
    for (const { name, value } of reward.terms ?? [{ name: rewardName, value: reward.reward }]) {
      const known = values.get(name) ?? [];
      if (value !== null) known.push(value);
      values.set(name, known);
    }
  }
  return Object.fromEntries(
    [...values].flatMap(([name, ofTerm]) => {
      const { mean, std } = moments(ofTerm);
      return [
        [`rewards/${name}/mean`, mean],
        [`rewards/${name}/std`, std],
      ];
    }),
  );
}

/** Σ tokens of all segments; `undefined` if the backend returns no token ids. */
function completionTokens<R>({ segments }: Sampled<R>): number | undefined {
  let sum = 0;
  for (const { completion } of segments) {
    if (!completion.tokenIds) return undefined;
    sum += completion.tokenIds.length;
  }
  return sum;
}

/** Words in a sequence that counts as repeated. */
const SEQUENCE = 4;

/** Share of a rollout's four-word sequences that occurred before in the same text; 0 if texts are shorter. */
function repetition<R>({ segments }: Sampled<R>): number {
  let all = 0;
  let repeated = 0;
  for (const { completion } of segments) {
    const words = completion.text.split(/\s+/).filter(Boolean);
    const earlier = new Set<string>();
    for (let start = 0; start + SEQUENCE <= words.length; start++) {
      const sequence = words.slice(start, start + SEQUENCE).join(" ");
      all++;
      if (earlier.has(sequence)) repeated++;
      earlier.add(sequence);
    }
  }
  return all === 0 ? 0 : repeated / all;
}

const isClipped = <R>({ segments }: Sampled<R>) =>
  segments.some(({ completion }) => completion.finishReason === "length");

function lengthMetrics<R>(sampled: readonly Sampled<R>[]): Record<string, number> {
  const lengths = sampled.flatMap((row) => completionTokens(row) ?? []);
  if (lengths.length < sampled.length) return {};
  const terminated = lengths.filter((_, i) => !isClipped(sampled[i]!));
  const summary = (name: string, values: readonly number[]) => ({
    [`completions/mean_${name}`]: moments(values).mean,
    [`completions/min_${name}`]: values.length === 0 ? 0 : Math.min(...values),
    [`completions/max_${name}`]: Math.max(0, ...values),
  });
  return { ...summary("length", lengths), ...summary("terminated_length", terminated) };
}

/** Mean, and standard deviation with n − 1; 0 for too few values. */
function moments(values: readonly number[]): { readonly mean: number; readonly std: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, std: Math.sqrt(squares / Math.max(values.length - 1, 1)) };
}
