import { describe, expect, it } from "vitest";
import * as openai from "../src/backends/openai";
import * as vllm from "../src/backends/vllm";
import * as checks from "../src/checks";
import * as cots from "../src/cots";
import * as coco from "../src/datasets/coco";
import * as conversations from "../src/datasets/conversations";
import * as csv from "../src/datasets/csv";
import * as emotion6 from "../src/datasets/emotion6";
import * as exported from "../src/datasets/export";
import * as imageFolder from "../src/datasets/image-folder";
import * as jsonl from "../src/datasets/jsonl";
import * as kShot from "../src/datasets/k-shot";
import * as lisa from "../src/datasets/lisa";
import * as parquet from "../src/datasets/parquet";
import { ConfigError, RiseError } from "../src/errors";
import * as grpo from "../src/grpo";
import * as root from "../src/index";
import * as metrics from "../src/metrics";
import * as optim from "../src/optim";
import * as plan from "../src/plan";
import * as prompts from "../src/prompts";
import * as report from "../src/report";
import * as reward from "../src/reward";
import * as rewardServer from "../src/reward-server";
import * as similarity from "../src/similarity";
import * as testing from "../src/testing";
import { scriptedTrainer } from "../src/testing/scripted-trainer";

type Call = (...args: readonly unknown[]) => unknown;

const modules = {
  root,
  checks,
  cots,
  grpo,
  metrics,
  prompts,
  reward,
  similarity,
  report,
  optim,
  plan,
  rewardServer,
  testing,
  openai,
  vllm,
  csv,
  coco,
  conversations,
  emotion6,
  exported,
  imageFolder,
  jsonl,
  kShot,
  lisa,
  parquet,
};
/** Every function of theirs; `stopOnInterrupt` would listen to this process, and stages, classes and suites of tests are called elsewhere. */
const functions = Object.entries(modules)
  .flatMap(([module, exports]) =>
    Object.entries(exports).map(([name, value]) => [`${module}: ${name}`, value] as readonly [string, unknown]),
  )
  .filter(
    (entry): entry is readonly [string, Call] => typeof entry[1] === "function" && !/^class /.test(String(entry[1])),
  )
  .filter(([name]) => !/stopOnInterrupt|: (?:rise(?:Cot|R1)|describe\w+)$/.test(name));

const wrong = [undefined, null, {}, [], 5, "x", [null], [{}]];
const calls = [
  ...wrong.map((value) => [value]),
  ...wrong.map((value) => [value, {}]),
  ...wrong.map((value) => [{}, value, {}]),
];

describe("a public function", () => {
  it.each(functions)("gives a value or an error of ours when its arguments are wrong: %s", async (_, call) => {
    for (const args of calls) {
      const raw = await outcomeOf(call, args);
      expect(raw, `called with ${JSON.stringify(args)}`).toBeUndefined();
    }
  });

  it("is among those that are called", () => {
    expect(functions.length).toBeGreaterThan(80);
  });
});

/** The error that is not ours, if there was one. */
async function outcomeOf(call: Call, args: readonly unknown[]): Promise<unknown> {
  try {
    await call(...args);
    return undefined;
  } catch (error) {
    return error instanceof RiseError ? undefined : error;
  }
}

describe("a wrong argument", () => {
  it.each<[string, () => unknown, string]>([
    [
      "a text that is missing",
      () => checks.checkCotFormat(undefined as never),
      "checkCotFormat: expected cot to be text, got undefined",
    ],
    [
      "a box without width",
      () => similarity.boxIou({ space: "unit", x: 0, y: 0, height: 1 } as never, {} as never),
      "boxIou: expected a.width to be a number, got undefined",
    ],
    [
      "an outcome without truth",
      () => metrics.accuracy([{ prediction: null }] as never),
      "accuracy: expected outcomes[0].truth to be given, got undefined",
    ],
    [
      "rewards in text",
      () => metrics.winRate(["1"] as never, [1]),
      'winRate: expected ours[0] to be a number, got "1"',
    ],
    [
      "a promise",
      () => metrics.accuracy(Promise.resolve([]) as never),
      "accuracy: expected outcomes to be a list, got a promise; await it",
    ],
  ])("is named with its place: %s", (_, call, message) => {
    expect(call).toThrow(ConfigError);
    expect(call).toThrow(message);
  });

  it.each<[object, string]>([
    [{ title: "a", task: {}, runs: [] }, "htmlReport: expected options.task.format to be a function, got undefined"],
    [{ runDir: ["a"] }, 'htmlReport: expected options.runDir to be text, got ["a"]'],
    [{ runDir: "a", refreshSeconds: 0 }, "expected options.refreshSeconds to be a number of at least 1, got 0"],
    [{ title: "a", runs: [] }, "htmlReport: expected runDir, runs, records or tables, got none of them"],
  ])("is named when a report gets %j", async (options, message) => {
    await expect(modules.report.htmlReport(options as never)).rejects.toThrow(message);
  });

  it.each(["logProbs", "entropies", "backward"] as const)(
    "is named when a sequence lacks its completion: %s",
    async (call) => {
      const trainer = scriptedTrainer({ texts: ["a b"] });
      await expect(trainer[call]([{ prompt: [] }] as never, [[]] as never)).rejects.toThrow(
        "trainer: expected sequences[0].completion to be a list, got undefined",
      );
    },
  );
});
