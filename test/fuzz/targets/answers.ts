import { checkCotFormat, readAnswer } from "../../../src/checks/format";
import { findLeaks } from "../../../src/checks/leakage";
import { parseThinkAnswer } from "../../../src/checks/think-answer";
import type { Metrics } from "../../../src/metrics/metric";
import { classificationMetrics, detectionMetrics, segmentationMetrics } from "../../../src/metrics/task-metrics";
import { leaksMarked } from "../../../src/report/elements/text";
import { problemView } from "../../../src/report/elements/views";
import {
  answerReward,
  paperReward,
  similarityOnly,
  strictReward,
  withoutFormatGate,
  withoutLeakGate,
} from "../../../src/reward/paper";
import { referenceReward } from "../../../src/reward/reference";
import type { Rng } from "../../../src/rng";
import type { Reward } from "../../../src/rollouts";
import type { Task } from "../../../src/task";
import { classification } from "../../../src/tasks/classification";
import { detection } from "../../../src/tasks/detection";
import { segmentation } from "../../../src/tasks/segmentation";
import type { Box, LabelDistribution, Leak, Polygon } from "../../../src/types";
import { pieces } from "../../linear-cases";
import { mutated, pick } from "../mutate";
import { notFinite, type Target } from "../target";

const labels = ["joy", "anger", "constructor", "__proto__", "barber's chair", "快乐"];
const box: Box = { space: "thousand", x: 100, y: 200, width: 300, height: 400 };
const outline: Polygon = {
  space: "thousand",
  points: [
    [0, 0],
    [900, 10],
    [450, 800],
  ],
};

interface Subject<A> {
  readonly task: Task<A>;
  readonly truth: A;
  readonly metrics: Metrics<A>;
}

// Entries, because a literal's "__proto__" is no label of it.
const truth: LabelDistribution = Object.fromEntries(labels.map((label, i) => [label, i < 2 ? 0.5 : 0]));
const moods: Subject<LabelDistribution> = { task: classification({ labels }), truth, metrics: classificationMetrics };
const boxes = (options: Parameters<typeof detection>[0]): Subject<readonly Box[]> => ({
  task: detection({ target: "mug", ...options }),
  truth: [{ ...box, space: options?.space ?? "thousand" }],
  metrics: detectionMetrics,
});
const subjects = [
  subject(moods),
  subject(boxes({})),
  subject(boxes({ boxFormat: "xyxy" })),
  subject(boxes({ single: true })),
  subject(boxes({ space: "pixel" })),
  subject({ task: segmentation({ target: "mug" }), truth: [outline], metrics: segmentationMetrics }),
];

const answers = [
  ...subjects.map(({ written }) => written),
  "{'joy': 0.9, 'anger': 0.1}",
  '```json\n[{"bbox_2d": [1, 2, 30, 40], "label": "mug"}]\n```',
  "| joy | 0.3 |\n| anger | 70% |",
  "- joy: 0.9\n- anger: 0.1",
  "<|box_start|>(1,2),(30,40)<|box_end|>",
  "(0.1, 0.2), (0.3, 0.4)",
  "There is no mug.",
];
const cots = [
  "A person smiles in bright sunlight. The third constructor leans on a mug at the left edge.",
  "A quarter of the people are angry, about one in four, and joy is likelier than anger by a factor of two.",
  "左边有一个杯子。人们笑得很开心。",
  "The mug lies from x 100 to 400 px, twenty per cent of the width from the left.",
];
const completions = answers.map((answer, i) => `<think>${cots[i % cots.length]}</think><answer>${answer}</answer>`);
const seeds = [...answers, ...cots, ...completions].map((text) => Buffer.from(text));

/** One text, read as an answer, as a reconstruction, as a cot and as a completion, of one task after the other. */
export const answersTarget: Target = {
  name: "answers",
  share: 380_000,
  inTest: 1500,
  async open() {
    return {
      make: (rng) => ({ file: "answer.txt", bytes: rng.integer(4) === 0 ? composed(rng) : mutated(rng, seeds, 1000) }),
      read({ bytes }) {
        // Lone surrogates come out of JSON escapes, which a server may send.
        const text = Buffer.from(bytes).toString().replaceAll("\ufffd", "\ud800");
        return subjects[bytes.length % subjects.length]!.judge(text);
      },
      problem: (found: ReturnType<typeof judged>) => problemOf(found),
    };
  },
};

/** Up to 40 pieces of every kind, some of them many times. */
function composed(rng: Rng): Uint8Array {
  const parts = Array.from({ length: 1 + rng.integer(40) }, () => {
    const [piece, before = "", after = ""] = pick(rng, pieces);
    return before + piece.repeat(rng.integer(40) === 0 ? rng.integer(300) : 1) + after;
  });
  return Buffer.from(parts.join(""));
}

function subject<A>(it: Subject<A>) {
  return { written: it.task.format(it.truth), judge: (text: string) => judged(it, text) };
}

const rules = [paperReward, strictReward, similarityOnly, withoutLeakGate, withoutFormatGate];

function judged<A>({ task, truth, metrics }: Subject<A>, text: string) {
  const crossed = [
    { truth, cot: cots[0]!, reconstruction: text },
    { truth, cot: text, reconstruction: task.format(truth) },
  ];
  const rule = rules[text.length % rules.length]!;
  const rewards = crossed.map((rollout) => rule(task, rollout));
  const isMood = (task as unknown) === moods.task;
  const references = isMood
    ? crossed.map((rollout) => referenceReward(moods.task, { ...rollout, truth: moods.truth }))
    : [];
  const whole = answerReward(task, { truth, text });
  const wrapped = answerReward(task, { truth, text: `<think>${cots[0]}</think><answer>${text}</answer>` });
  const prediction = task.parse(text);
  const repairs = task.repairs?.(text) ?? [];
  const reason = task.problem?.(text) ?? "";
  const leaks = findLeaks(text, { labels, answer: "[1, 2]" });
  const read = readAnswer(text, task);
  return {
    ...{ text, prediction, repairs, reason, leaks, read },
    think: parseThinkAnswer(text),
    format: checkCotFormat(text),
    rewards: [...rewards, whole, wrapped].map(({ reward }) => reward),
    references: references.map(({ reward }) => reward),
    written: prediction === null ? "" : task.format(prediction),
    markup: leaksMarked(text, leaks) + problemView({ format: read.format, repairs }),
    metrics: Object.entries(metrics).map(([name, metric]) => [name, metric([{ truth, prediction }])] as const),
  };
}

function problemOf({
  text,
  prediction,
  metrics,
  rewards,
  references,
  markup,
  leaks,
  ...found
}: ReturnType<typeof judged>) {
  const outside = (name: string, { reward, similarity }: Reward, most: number) =>
    !(reward >= 0 && reward <= most && similarity >= 0 && similarity <= 1)
      ? `${name}: reward ${reward}, similarity ${similarity}`
      : undefined;
  const said = [found.reason, ...found.repairs, found.read.format.ok ? "" : found.read.format.reason];
  const isTask = (value: number) => value >= 0 && value <= 1;
  return (
    rewards.map((reward) => outside("a reward", reward, 1)).find(Boolean) ??
    references.map((reward) => outside("referenceReward", reward, 2)).find(Boolean) ??
    [...leaks, ...rewards.flatMap((reward) => reward.leaks)].map((leak) => wrongLeak(leak, text)).find(Boolean) ??
    metrics.filter(([, value]) => !isTask(value)).map(([name, value]) => `${name} is ${value}`)[0] ??
    (prediction === null ? undefined : notFinite(prediction, "prediction")) ??
    (/[<>]/.test(markup.replace(/<\/?(?:mark|p|span|bdi|details|summary)(?: (?:title|class)="[^"<>]*")?>/g, ""))
      ? `markup that is not escaped: ${markup.slice(0, 300)}`
      : undefined) ??
    said.filter((words) => words.length > 10_000).map((words) => `a reason of ${words.length} characters`)[0]
  );
}

const wrongLeak = ({ kind, text: quoted, start, end }: Leak, text: string) =>
  typeof kind === "string" &&
  start >= 0 &&
  start <= end &&
  (text.slice(start, end) === quoted || text.length < end || quoted !== "")
    ? undefined
    : `a leak of kind ${String(kind)} at ${start}…${end}`;
