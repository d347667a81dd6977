// npx tsx examples/05-own-task.ts        1 s
//
// square  reward 1.00  People stand shoulder to shoulder, and no ground can be seen.
// beach  reward 0.75  A single footprint leads along the empty sand.
// 2 of 2 cots reach τ

import { DataError, findLeaks, imagePrompt, riseCot, type Task } from "rise-ts";
import { scriptedBackend } from "rise-ts/testing";

const question = "How crowded is this place? Rate it from 1 to 5.";
const format = (rating: number) => `rating: ${rating}`;

/** A task in few lines: annotations are ratings from 1 to 5. own-task/rating.ts is one that reads answers with more care. */
const task: Task<number> = {
  name: "rating",
  cotPrompt: ({ image, annotation }) =>
    imagePrompt(
      image,
      `${question} The answer is ${format(annotation)}. Describe what leads to it, without any numbers.`,
    ),
  reconstructionPrompt: ({ image }, cot) =>
    imagePrompt(image, `${question} Somebody described it like this: ${cot} Answer only with rating: n.`),
  answerPrompt: ({ image }) =>
    imagePrompt(image, `${question} Write <think>your reasoning</think><answer>rating: n</answer>.`),
  format,
  parse: (text) => Number(/^\W*rating: ([1-5])\W*$/i.exec(text)?.[1] ?? Number.NaN) || null,
  similarity: (truth, prediction) => 1 - Math.abs(truth - prediction) / 4,
  leaks: (cot, annotation) => findLeaks(cot, { answer: format(annotation), counts: true }),
  validate(annotation, where) {
    if (![1, 2, 3, 4, 5].includes(annotation)) throw new DataError(`${where}: expected 1 to 5, got ${annotation}`);
  },
};
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
