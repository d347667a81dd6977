// npx tsx --test --test-reporter=spec examples/own-task/laws.ts        3 s
//
// ▶ the task contract: rating
//   ✔ reads back what it writes
//   ✔ reads back what it writes from prose and a code fence
//   ﹣ overlooks nothing in what it writes, and says what it overlooks in prose around it (skipped: the task repairs nothing) # SKIP
//   …
// ℹ pass 17
// ℹ fail 0
// ℹ skipped 2

import { describe, it } from "node:test";
import { describeTask } from "rise-ts/testing";
import { rating } from "./rating";

const task = rating({ question: "How crowded is this place?" });
const answers = ["rating: 4", "Rating:4.", "<b>rating: 4", "4", "rating: 3-4", "rating: 4/5", "rating: four"];
const words = ["one", "two", "three", "four", "five"];
describeTask({ describe, it }, "rating", {
  task,
  annotation: (rng) => 1 + rng.integer(5),
  answers,
  tells: (rating) => [`I would give it ${words[rating - 1]}.`, `It deserves ${words[rating - 1]} stars.`],
});
