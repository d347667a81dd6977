// npx tsx examples/02-score-a-group.ts        1 s
//
// mean reward 0.50, standard deviation 0.41
//
// first update: loss 0.000, 0 % of tokens clipped
// reward 0.91, advantage 1.01, ∂L/∂logProbs -0.084 -0.084 -0.084
// reward 0.35, advantage -0.37, ∂L/∂logProbs 0.046 0.046
// reward 0.00, advantage -1.23, ∂L/∂logProbs 0.077 0.077 0.077 0.077
// reward 0.74, advantage 0.59, ∂L/∂logProbs -0.147
//
// second update: loss -0.109, 30 % of tokens clipped
// reward 0.91, advantage 1.01, ∂L/∂logProbs -0.091 -0.098 0.000
// reward 0.35, advantage -0.37, ∂L/∂logProbs 0.042 0.039
// reward 0.00, advantage -1.23, ∂L/∂logProbs 0.071 0.065 0.000 0.000
// reward 0.74, advantage 0.59, ∂L/∂logProbs -0.159

import { grpoPresets } from "rise-ts";
import { grpoAdvantages, grpoLoss } from "rise-ts/grpo";

// Four rollouts of one image, and what each of their tokens had as log-probability when it was sampled.
const rewards = [0.91, 0.35, 0, 0.74];
const logProbs = [[-0.2, -1.1, -0.4], [-0.9, -0.3], [-2.0, -0.7, -0.1, -0.5], [-0.6]];

const preset = grpoPresets["rise-paper"];
const { advantages, metrics } = grpoAdvantages(rewards, preset.advantages);
console.log(`mean reward ${fixed(metrics.reward, 2)}, standard deviation ${fixed(metrics.reward_std, 2)}`);

// The first update after sampling: the policy has not moved, every ratio is 1. The loss is zero and its gradient is not.
const first = grpoLoss({ logProbs, advantages }, preset.loss);
show("first update", first);

// A second one on the same rollouts: good tokens became likelier, some by more than the clip allows; those stop pushing.
const moved = logProbs.map((row, i) => row.map((logProb, t) => logProb + 0.08 * (t + 1) * Math.sign(advantages[i]!)));
const second = grpoLoss({ logProbs: moved, oldLogProbs: logProbs, advantages }, preset.loss);
show("second update", second);

function show(title: string, { loss, gradient, metrics }: ReturnType<typeof grpoLoss>): void {
  const clipped = fixed(100 * metrics["clip_ratio/region_mean"], 0);
  console.log(`\n${title}: loss ${fixed(loss, 3)}, ${clipped} % of tokens clipped`);
  for (const [i, row] of gradient.entries()) {
    const slopes = Array.from(row, (slope) => fixed(slope, 3)).join(" ");
    console.log(`reward ${fixed(rewards[i]!, 2)}, advantage ${fixed(advantages[i]!, 2)}, ∂L/∂logProbs ${slopes}`);
  }
}

/** Rounds first, so that −0.0004 prints as 0.000. */
function fixed(value: number, digits: number): string {
  return (Math.round(value * 10 ** digits) / 10 ** digits + 0).toFixed(digits);
}
