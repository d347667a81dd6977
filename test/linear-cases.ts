import { checkCotFormat, readAnswer } from "../src/checks/format";
import { findLeaks } from "../src/checks/leakage";
import { parseThinkAnswer } from "../src/checks/think-answer";
import { escapeHtml } from "../src/report/elements/escape";
import { leaksMarked } from "../src/report/elements/text";
import { answerReward, paperReward, strictReward } from "../src/reward/paper";
import type { Task } from "../src/task";
import { classification, oneHot } from "../src/tasks/classification";
import { detection } from "../src/tasks/detection";
import { segmentation } from "../src/tasks/segmentation";
import type { Box, Polygon } from "../src/types";

const labels = ["joy", "anger", "barber's chair", "快乐"];
const moods = classification({ labels });
const joy = oneHot(labels, "joy");
const box: Box = { space: "thousand", x: 1, y: 2, width: 3, height: 4 };
const triangle: Polygon = {
  space: "thousand",
  points: [
    [0, 0],
    [9, 0],
    [0, 9],
  ],
};
const boxes = detection({ target: "mug" });
const corners = detection({ target: "mug", boxFormat: "xyxy" });
const single = detection({ target: "mug", single: true });
const outlines = segmentation({ target: "mug" });

const everyReading =
  <A>(task: Task<A>, truth: A) =>
  (text: string) => {
    task.parse(text);
    task.repairs?.(text);
    task.problem?.(text);
    answerReward(task, { truth, text: `<think>A mug.</think><answer>${text}</answer>` });
  };

/** Everything that reads what a model wrote. */
export const readers: Readonly<Record<string, (text: string) => unknown>> = {
  classification: everyReading(moods, joy),
  detection: everyReading(boxes, [box]),
  "detection, two corners": everyReading(corners, [box]),
  "detection, single": everyReading(single, [box]),
  segmentation: everyReading(outlines, [triangle]),
  findLeaks: (text) => findLeaks(text, { labels, answer: "[1, 2]" }),
  checkCotFormat,
  parseThinkAnswer,
  readAnswer: (text) => readAnswer(`<think>${text}</think><answer>${text}</answer>`, moods),
  rewards: (cot) => {
    paperReward(moods, { truth: joy, cot, reconstruction: "{'joy': 1}" });
    strictReward(boxes, { truth: [box], cot, reconstruction: cot });
  },
  escapeHtml,
  leaksMarked: (text) =>
    leaksMarked(
      text,
      Array.from({ length: text.length >> 3 }, (_, i) => ({ kind: "digits", text: "", start: 8 * i, end: 8 * i + 2 })),
    ),
};

const words =
  "one twenty hundred third quarter half percent per cent out of parts in every between from pixel x edge width probability joy mood score is at for by times twice as fold factor year o'clock past row number point zero and the first rank odds to scale grade".split(
    " ",
  );

/** Texts that made something quadratic, or overflow, with what each is repeated between. */
export const hostile: readonly (readonly [piece: string, before?: string, after?: string])[] = [
  ["0", "["],
  ["0", "[[1,"],
  ["\u0301\u0323", "{'a", "': 0.5}"],
  ["e\u0301"],
  ["a'"],
  ["a, "],
  ["'joy': 0.1, "],
  ["(1,2),(3,4)"],
  ["中。"],
  ["six. "],
];

/** A repeat of every class of token, and of the words that rules look for, alone and with what often stands beside them. */
export const pieces: readonly (readonly [piece: string, before?: string, after?: string])[] = [
  ...hostile,
  ...[..."0123.,;:!?'\"`()[]{}<>|/\\-_*#%=+~…。，、！？।؟“”‘’½８٣ \n\té中あア한กກខअعбα😀𝒜𝟙\u0301\u200d\ud800"].map(
    (piece) => [piece] as const,
  ),
  ["1 "],
  ["1."],
  ["1,"],
  ["1e"],
  ["-1"],
  ["a "],
  ["a\n"],
  ["- a\n"],
  ["[1, 2, 3, 4], "],
  ["[[1,2,3,4],"],
  ["[1, 2, 3, 4"],
  ["[] "],
  ["{'joy': 1} "],
  ["{'joy':"],
  ["{"],
  ["| joy | 0.1 |\n"],
  ["- joy: 0.1\n"],
  ["joy: "],
  ["'a': "],
  ['{"bbox": [1, 2, 3, 4]}, ', "["],
  ["<think>"],
  ["</answer>"],
  ["<|box_start|>"],
  ["[[0, 0], [9, 0], [0, 9]], ", "["],
  ["x, y, "],
  ["快乐"],
  ["joyful "],
  ["六"],
  ["\u0301", "a"],
  ["0", "0."],
  ["9", "[[", ", 2, 3, 4]]"],
  ["0", "1e"],
  ...words.map((word) => [`${word} `] as const),
  ...words.map((word) => [`one ${word} `] as const),
  ...words.map((word) => [`${word}-`] as const),
];

export const repeated = ([piece, before = "", after = ""]: (typeof pieces)[number], length: number): string =>
  before + piece.repeat(Math.ceil(length / piece.length)) + after;
