import { ConfigError, ShapeError } from "../../errors";
import { checkArguments, listKind } from "../../options/arguments";
import { flag, list, number, readOptions, specOf } from "../../options/spec";
import { whiten } from "./moments";

/** Options of `gaeAdvantages`. */
export interface GaeOptions {
  /** V: the expected reward of the rest of the completion, before each token (0). */
  readonly values?: readonly ArrayLike<number>[];
  /** 1 if a token belongs to the policy; the others are skipped. Absent: everywhere 1. */
  readonly mask?: readonly ArrayLike<number>[];
  /** γ: the worth of a reward one token later (1). */
  readonly gamma?: number;
  /** λ: 1 trusts the rewards, 0 the values (1). */
  readonly lambda?: number;
  /** Whether to scale all tokens of the batch to mean 0 and standard deviation 1 afterwards (true). */
  readonly whiten?: boolean;
}

const discount = () => number("in [0, 1]", (value) => value >= 0 && value <= 1);

export const gaeAdvantagesSpec = specOf<GaeOptions>()(() => ({
  values: list("a list of rows")
    .optional()
    .describe("V: what the rest of the completion was expected to earn; 0 without it"),
  mask: list("a list of rows").optional().describe("1 where a token belongs to the policy; everywhere without it"),
  gamma: discount().default(1).describe("γ: what a reward one token later is worth"),
  lambda: discount().default(1).describe("λ: 1 trusts the rewards, 0 the values"),
  whiten: flag().default(true).describe("Puts all tokens of the batch on mean 0 and standard deviation 1"),
}));

/**
 * Computes advantages of tokens from rewards of tokens:
 *
 * Aₜ = δₜ + γλ·Aₜ₊₁, δₜ = rₜ + γ·Vₜ₊₁ − Vₜ
 *
 * Without values it is REINFORCE++ (the rewards to come, whitened); with the greedy answer's reward as the value of
 * every token, not whitened, it is ReMax. `grpoLoss` takes the rows as they are.
 *
 * @param rewards a row for each completion, a number for each token; a completion's reward is its last token's
 * @returns rows as `rewards`; 0 at masked tokens
 * @throws ShapeError when rows do not fit together
 * @throws ConfigError when a number is NaN or infinite, or γ or λ is not in [0, 1]
 * Source: GAE (arXiv 1506.02438) Eq. 16; REINFORCE++ 2501.03262; ReMax 2310.10505. Figures as verl 0.9.1.
 * @example
 * gaeAdvantages([[0, 0, 1]], { whiten: false })[0]; // 1, 1, 1
 */
export function gaeAdvantages(rewards: readonly ArrayLike<number>[], options: GaeOptions = {}): Float64Array[] {
  checkArguments("gaeAdvantages", { rewards }, { rewards: listKind(listKind()) });
  const { values, mask, gamma, lambda, whiten: whitens } = readOptions("gaeAdvantages", options, gaeAdvantagesSpec);
  for (const [name, rows] of Object.entries({ values, mask })) if (rows) checkRows(name, rows, rewards);
  const isMasked = (i: number, t: number) => {
    const value = mask ? mask[i]![t] : 1;
    if (value !== 0 && value !== 1)
      throw new ConfigError(`gaeAdvantages: expected mask values 0 or 1, got ${value} at sequence ${i}, token ${t}`);
    return value === 0;
  };

  const advantages = rewards.map((row, i) => {
    const found = new Float64Array(row.length);
    let [nextValue, nextAdvantage] = [0, 0];
    for (let t = row.length - 1; t >= 0; t--) {
      if (isMasked(i, t)) continue;
      const value = finite("values", values?.[i]?.[t] ?? 0, i, t);
      const delta = finite("rewards", row[t]!, i, t) + gamma * nextValue - value;
      found[t] = nextAdvantage = delta + gamma * lambda * nextAdvantage;
      nextValue = value;
    }
    return found;
  });
  if (!whitens) return advantages;

  const tokens = advantages.flatMap((row, i) => [...row].filter((_, t) => !isMasked(i, t)));
  const whitened = whiten(Float64Array.from(tokens));
  let next = 0;
  return advantages.map((row, i) => row.map((_, t) => (isMasked(i, t) ? 0 : zeroIfAlone(whitened[next++]!))));
}

function checkRows(name: string, rows: readonly ArrayLike<number>[], rewards: readonly ArrayLike<number>[]): void {
  const bad = rewards.findIndex((row, i) => rows[i]?.length !== row.length);
  if (rows.length !== rewards.length || bad >= 0)
    throw new ShapeError(
      `gaeAdvantages: expected rows of ${name} like those of rewards, got ${rows.length} for ${rewards.length}${bad < 0 ? "" : `, and ${rows[bad]?.length ?? "no"} tokens for ${rewards[bad]!.length} in row ${bad}`}`,
    );
}

function finite(name: string, value: number, i: number, t: number): number {
  if (!Number.isFinite(value))
    throw new ConfigError(`gaeAdvantages: expected finite ${name}, got ${value} at sequence ${i}, token ${t}`);
  return value;
}

/** A single token has no spread: its advantage is 0. */
const zeroIfAlone = (value: number) => (Number.isNaN(value) ? 0 : value);
