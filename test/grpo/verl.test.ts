import { describe, expect, it } from "vitest";
import { grpoAdvantages } from "../../src/grpo/advantage";
import { gaeAdvantages } from "../../src/grpo/gae";
import { klEstimators } from "../../src/grpo/kl";
import { type GrpoLossOptions, grpoLoss } from "../../src/grpo/loss";
import { grpoPresets, verlEstimators } from "../../src/grpo/presets";
import peers from "../reference/grpo/grpo-peers.json";

// Figures of verl 0.7's own core_algos.py, see test/reference/grpo/make.py.

const close = (actual: number, expected: number, where: string) =>
  expect(Math.abs(actual - expected), where).toBeLessThan(1e-9);

describe("verl's advantages", () => {
  const { tokenLevelRewardsOnLastToken: rewards, mask, groups, remaxBaselines, gaeValues, out } = peers.verlAdvantages;
  const lengths = mask.map((row) => row.filter((m) => m === 1).length);
  const tokenRewards = mask.map((row, i) => row.map((_, t) => (t === lengths[i]! - 1 ? rewards[i]! : 0)));

  /** One advantage for each completion is verl's row of it, wherever the mask is 1. */
  const expectRows = (actual: ArrayLike<number> | readonly ArrayLike<number>[], expected: readonly number[][]) => {
    for (const [i, row] of expected.entries()) {
      const ours = actual[i]!;
      for (const [t, value] of row.entries())
        if (mask[i]![t] === 1) close(typeof ours === "number" ? ours : ours[t]!, value, `sequence ${i}, token ${t}`);
    }
  };

  const { grpo_passk, ...named } = verlEstimators;
  it.each(Object.entries(named))("%s", (name, options) => {
    const { advantages } = grpoAdvantages(rewards, { ...options, groups, lengths });
    expectRows(advantages, out[name as keyof typeof named]);
  });

  it("grpo_passk", () =>
    expectRows(grpoAdvantages(rewards, verlEstimators.grpo_passk).advantages, out.grpo_passk_groupsAAAA));

  it("grpo without a standard deviation", () => {
    const { advantages } = grpoAdvantages(rewards, { ...verlEstimators.grpo, scale: "none", groups });
    expectRows(advantages, out.grpo_noStd);
  });

  it("remax, by rewards of completions and of tokens", () => {
    expectRows(grpoAdvantages(rewards, { baseline: remaxBaselines, scale: "none" }).advantages, out.remax);
    const values = mask.map((row, i) => row.map(() => remaxBaselines[i]!));
    expectRows(gaeAdvantages(tokenRewards, { values, mask, whiten: false }), out.remax);
  });

  it("reinforce_plus_plus by rewards of tokens", () =>
    expectRows(gaeAdvantages(tokenRewards, { mask }), out.reinforce_plus_plus));

  it("gae with λ = 0.95", () =>
    expectRows(gaeAdvantages(tokenRewards, { values: gaeValues, mask, lambda: 0.95 }), out["gae_gamma1_lam.95"]));

  it("are all of those that were recorded", () => {
    const covered = [...Object.keys(named), "grpo_passk_groupsAAAA", "grpo_noStd", "remax", "gae_gamma1_lam.95"];
    expect(covered.sort()).toEqual(Object.keys(out).sort());
  });
});

describe("verl's losses", () => {
  const { logps, oldLogps, mask, advantages } = peers.lossInputs;
  const { loss: verl } = grpoPresets.verl;
  const options: { readonly [N in keyof typeof peers.verlLosses]: GrpoLossOptions } = {
    "vanilla|token-mean": verl,
    "vanilla|seq-mean-token-sum": { ...verl, aggregation: "sequenceSum" },
    "vanilla|seq-mean-token-mean": { ...verl, aggregation: "sequenceMean" },
    // Divided by the width of the batch, 6; only from 0.7.1 on by the number of sequences, 4, too.
    "vanilla|seq-mean-token-sum-norm": { ...verl, aggregation: "fixedLength", maxLength: 6 / 4 },
    "gspo|token-mean": { ...verl, lossType: "gspo" },
    "sapo|token-mean": { ...verl, lossType: "sapo" },
    "gpg|token-mean": { ...verl, lossType: "gpg" },
    "kl_cov|token-mean": { ...verl, lossType: "kl_cov", covariance: { share: 0.2 } },
    "geo_mean|token-mean": { ...verl, lossType: "geo_mean" },
    "cispo|token-mean": { ...verl, lossType: "cispo_verl" },
  };
  it.each(Object.entries(peers.verlLosses))("%s", (name, { loss, grad }) => {
    const batch = { logProbs: logps, oldLogProbs: oldLogps, mask, advantages };
    const actual = grpoLoss(batch, options[name as keyof typeof options]);
    close(actual.loss, loss, "loss");
    for (const [i, row] of grad.entries())
      for (const [t, slope] of row.entries()) close(actual.gradient[i]![t]!, slope, `sequence ${i}, token ${t}`);
  });
});

describe("verl's KL estimates", () => {
  const { logps, refLogps } = peers.lossInputs;
  it.each(["k1", "abs", "k2", "k3", "clampedK3"] as const)("%s", (name) => {
    for (const [i, row] of peers.verlKl[name === "clampedK3" ? "k3" : name].entries()) {
      for (const [t, value] of row.entries())
        close(klEstimators[name](refLogps[i]![t]! - logps[i]![t]!).value, value, `sequence ${i}, token ${t}`);
    }
  });
});
