// npx tsx examples/05-own-task.ts        1 s
//
// square  reward 1.00  People stand shoulder to shoulder, and no ground can be seen.
// beach  reward 0.75  A single footprint leads along the empty sand.
// 2 of 2 cots reach τ

import { riseCot } from "rise-ts";
import { scriptedBackend } from "rise-ts/testing";
import { rating } from "./own-task/rating";

const task = rating({ question: "How crowded is this place?" });
const square = { id: "square", image: "square.jpg", annotation: 5 };
const beach = { id: "beach", image: "beach.jpg", annotation: 1 };

// A stand-in for a model, so that the example needs none: it justifies, and rates by what was justified.
const backend = scriptedBackend((prompt, rng) => {
  const text = prompt.flatMap(({ content }) => content.map((part) => (part.type === "text" ? part.text : ""))).join("");
  if (text.includes("without any numbers")) return cots[rng.integer(cots.length)]!;
  return /packed|shoulder/.test(text) ? "rating: 5" : /crowd of 300/.test(text) ? "rating: 4" : "rating: 2";
});
const cots = [
  "People stand shoulder to shoulder, and no ground can be seen.",
  "A single footprint leads along the empty sand.",
  "There is a crowd of 300 here.",
];

const { dataset, kept } = await riseCot({ task, dataset: [square, beach], backend, groupSize: 6, seed: 0 });
for (const { exampleId, cot, reward } of dataset) console.log(`${exampleId}  reward ${reward.toFixed(2)}  ${cot}`);
console.log(`${kept.length} of ${dataset.length} cots reach τ`);
