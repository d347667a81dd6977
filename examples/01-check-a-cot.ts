// npx tsx examples/01-check-a-cot.ts        1 s
//
// A boy runs through the sprinkler, laughing with wide eyes.
//   {'joy': 0.75, 'surprise': 0.20, 'sadness': 0.05}
//   similarity 0.990, reward 0.990
//
// Storm clouds hang over an empty beach.
//   {'joy': 0.05, 'surprise': 0.05, 'sadness': 0.90}
//   similarity 0.069, reward 0.069
//
// The mood of the boy is four fifths joy, which is 80 % of it.
//   {'joy': 0.80, 'surprise': 0.15, 'sadness': 0.05}
//   similarity 1.000, reward 0.000
//   gives it away: "four fifths" (fraction, at 23)
//   gives it away: "80 %" (percent, at 49)
//
// joy, surprise
//   {'joy': 0.80, 'surprise': 0.15, 'sadness': 0.05}
//   similarity 1.000, reward 0.000
//   the cot has no full sentence of three words
//
// A boy runs through the sprinkler, laughing with wide eyes.
//   He must be happy.
//   similarity 0.000, reward 0.000
//   the reconstruction does not parse

import { classification, paperReward } from "rise-ts";

const task = classification({ labels: ["joy", "surprise", "sadness"] });
const truth = { joy: 0.8, surprise: 0.15, sadness: 0.05 };

// A model's words: reasons for the annotation, and the annotation it then read off image and reasons.
const rollouts = [
  ["A boy runs through the sprinkler, laughing with wide eyes.", "{'joy': 0.75, 'surprise': 0.20, 'sadness': 0.05}"],
  ["Storm clouds hang over an empty beach.", "{'joy': 0.05, 'surprise': 0.05, 'sadness': 0.90}"],
  ["The mood of the boy is four fifths joy, which is 80 % of it.", "{'joy': 0.80, 'surprise': 0.15, 'sadness': 0.05}"],
  ["joy, surprise", "{'joy': 0.80, 'surprise': 0.15, 'sadness': 0.05}"],
  ["A boy runs through the sprinkler, laughing with wide eyes.", "He must be happy."],
] as const;

for (const [cot, reconstruction] of rollouts) {
  const { reward, similarity, leaks, format } = paperReward(task, { truth, cot, reconstruction }).reward;
  console.log(`\n${cot}\n  ${reconstruction}`);
  console.log(`  similarity ${similarity.toFixed(3)}, reward ${reward.toFixed(3)}`);
  for (const leak of leaks) console.log(`  gives it away: "${leak.text}" (${leak.kind}, at ${leak.start})`);
  if (!format.ok) console.log(`  ${format.reason}`);
}
