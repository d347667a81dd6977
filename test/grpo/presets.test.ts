import { describe, expect, it } from "vitest";
import { grpoAdvantages } from "../../src/grpo/advantage/advantage";
import { grpoLoss } from "../../src/grpo/loss/loss";
import { grpoPresets } from "../../src/grpo/presets";

const logProbs = [[-1, -2, -1.5], [-0.5], [-2, -1], [-1]];
const rewards = [1, 0.2, 0.4, 0.9];

describe("a preset", () => {
  it("rise-paper is what you get without options", () => {
    const { advantages, loss } = grpoPresets["rise-paper"];
    expect(grpoAdvantages(rewards, advantages)).toEqual(grpoAdvantages(rewards));
    const batch = { logProbs, advantages: grpoAdvantages(rewards).advantages };
    expect(grpoLoss(batch, loss)).toEqual(grpoLoss(batch));
  });

  it("trl weighs tokens alike where rise-paper weighs sequences alike", () => {
    const batch = { logProbs, advantages: [1, 1, 1, 1] };
    const trl = grpoLoss(batch, grpoPresets.trl.loss).gradient;
    const paper = grpoLoss(batch, grpoPresets["rise-paper"].loss).gradient;
    expect(trl[0]![0]).toBeCloseTo(trl[1]![0]!, 15);
    expect(paper[0]![0]).toBeCloseTo(paper[1]![0]! / 3, 15);
  });

  it("verl bounds what a bad token that became likely can do, and does not count empty sequences", () => {
    const likely = { logProbs: [[-1]], oldLogProbs: [[-1 - Math.log(5)]], advantages: [-1] };
    expect(grpoLoss(likely, grpoPresets.verl.loss).loss).toBeCloseTo(3, 12);
    expect(grpoLoss(likely, grpoPresets.trl.loss).loss).toBeCloseTo(5, 12);
    const loss = { ...grpoPresets.verl.loss, aggregation: "sequenceMean" } as const;
    expect(grpoLoss({ logProbs: [[-1], []], advantages: [1, 1] }, loss).loss).toBeCloseTo(-1, 7);
    expect([...grpoAdvantages([0.5], grpoPresets.verl.advantages).advantages]).toEqual([0.5 / (1 + 1e-6)]);
  });

  it("is a plain value: spread it and change one thing", () => {
    const wider = { ...grpoPresets.trl.loss, clipEpsilonHigh: 0.28 };
    const batch = { logProbs: [[-1]], oldLogProbs: [[-1 - Math.log(1.25)]], advantages: [1] };
    expect(grpoLoss(batch, wider).gradient[0]![0]).toBeCloseTo(-1.25, 12);
    expect(grpoLoss(batch, grpoPresets.trl.loss).gradient[0]![0]).toBe(0);
  });
});
