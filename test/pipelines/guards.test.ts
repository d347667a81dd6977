import { describe, expect, it } from "vitest";
import { TrainingError } from "../../src/errors";
import type { StepMetrics } from "../../src/pipelines/events";
import { guardWarnings } from "../../src/pipelines/guards";
import type { RewardFunction } from "../../src/reward/reward";
import type { Trainer } from "../../src/trainers/trainer";
import type { LabelDistribution } from "../../src/types";
import { collect, contents, cotRun, cotTrainer, withFolders } from "./world";

const healthy = {
  reward: 0.4,
  frac_reward_zero_std: 0.5,
  "completions/clipped_ratio": 0.1,
  "rise/leak_rate": 0.2,
  "rise/format_rate": 0.9,
  "rise/repetition": 0,
};
const rows = (...steps: readonly Partial<typeof healthy>[]): StepMetrics[] =>
  steps.map((metrics, i) => ({ stage: "train", step: i + 1, ...healthy, ...metrics }));
const many = (count: number, metrics: (i: number) => Partial<typeof healthy>) =>
  rows(...Array.from({ length: count }, (_, i) => metrics(i)));
const guardsOf = (history: readonly StepMetrics[]) => guardWarnings(history).map(({ guard }) => guard);

describe("guards", () => {
  it("say nothing of a run that goes well, of one without steps, and of imitation, which has no rollouts", () => {
    expect(guardWarnings(many(60, (i) => ({ reward: i / 100 })))).toEqual([]);
    expect(guardWarnings([])).toEqual([]);
    expect(
      guardWarnings(Array.from({ length: 50 }, (_, step) => ({ stage: "sft", step, loss: 1, grad_norm: 1 }))),
    ).toEqual([]);
  });

  it.each([
    [
      "zero-std",
      { frac_reward_zero_std: 1 },
      /all rewards are equal \(mean reward 0\.40, leak rate 20 %.*Try a larger/,
    ],
    [
      "clipped",
      { "completions/clipped_ratio": 0.95 },
      /95 % of the rollouts were cut off by a token limit.*Raise sampling\.cotMaxTokens or sampling\.reconstructionMaxTokens/,
    ],
    ["leaking", { "rise/leak_rate": 1 }, /100 % of the cots give the annotation away.*say in the cot prompt/],
    ["repetition", { "rise/repetition": 0.6 }, /60 % of its four-word sequences.*lower the learning rate/],
  ] as const)("warn of %s, and say what to try", (guard, metrics, message) => {
    expect(guardWarnings(rows({}, metrics))).toEqual([{ guard, message: expect.stringMatching(message) }]);
  });

  it("name the token limit of the stage", () => {
    const [row] = rows({ "completions/clipped_ratio": 1 });
    expect(guardWarnings([{ ...row!, stage: "rft" }])[0]?.message).toMatch(/Raise rft\.sampling\.maxTokens,/);
  });

  it("repeat what goes on ever more rarely, and begin again when it was over", () => {
    const bad = { "rise/leak_rate": 1 };
    const warned = (history: readonly StepMetrics[]) =>
      history.flatMap((_, i) => (guardsOf(history.slice(0, i + 1)).length > 0 ? [i + 1] : []));
    expect(warned(many(10, () => bad))).toEqual([1, 2, 4, 8]);
    expect(warned(rows(bad, bad, bad, {}, bad))).toEqual([1, 2, 5]);
    expect(guardWarnings(many(4, () => bad))[0]?.message).toMatch(/for 4 steps now/);
  });

  it("warn of a reward that has not risen for 50 steps, unless it can hardly rise", () => {
    const flat = (reward: number) => many(50, () => ({ reward }));
    expect(guardWarnings(flat(0.4))).toEqual([
      { guard: "flat-reward", message: expect.stringMatching(/50 steps \(0\.400, then 0\.400\)\. Try a higher/) },
    ]);
    expect(guardsOf(flat(0.97))).toEqual([]);
    expect(guardsOf(flat(0.4).slice(1))).toEqual([]);
    expect(guardsOf(many(50, (i) => ({ reward: i < 25 ? 0.4 : 0.42 })))).toEqual([]);
    expect(guardsOf(many(50, (i) => ({ reward: i < 25 ? 0.4 : 0.3 })))).toEqual(["flat-reward"]);
  });
});

describe("guards of a run", () => {
  const constant: RewardFunction<LabelDistribution> = () => ({
    prediction: null,
    reward: { reward: 0.5, similarity: 0.5, leaks: [], format: { ok: true } },
  });

  it("are events, after their step's rows are on disk; the closing pass has none", async () => {
    const events = await collect(cotRun({ trainer: cotTrainer(), reward: constant }));
    const warnings = events.flatMap((event) => (event.type === "warning" ? [[event.guard, event.step]] : []));
    expect(warnings).toEqual([
      ["zero-std", 1],
      ["zero-std", 2],
      ["zero-std", 4],
    ]);
  });

  /** A policy that gives numbers that are none from an update on. */
  const broken = (update: number, how: Partial<Trainer> = {}): Trainer => {
    const trainer = cotTrainer();
    let updates = 0;
    return {
      ...trainer,
      async optimStep(params) {
        const { gradNorm } = await trainer.optimStep(params);
        return { gradNorm: ++updates === update ? Number.NaN : gradNorm };
      },
      ...how,
    };
  };

  it("stop it where a number is none: the step leaves no row, and the checkpoint before is as it was", () =>
    withFolders(2, async (a, b) => {
      const run = (runDir: string, trainer: Trainer) => cotRun({ runDir, trainer, groupSize: 16, learningRate: 0.1 });
      const failed = run(a!, broken(3));
      await expect(failed).rejects.toThrow(TrainingError);
      await expect(failed).rejects.toThrow(
        /^train, step 3: .*finite gradient norm, got NaN\. The weights in .*step-2 are those of before.*lower learning rate/,
      );
      await expect(run(b!, cotTrainer()).then(() => contents(b!))).resolves.toBeDefined();
      const [stopped, whole] = [await contents(a!), await contents(b!)];
      const lines = stopped["metrics.jsonl"]!.trim().split("\n");
      expect(lines).toEqual(whole["metrics.jsonl"]!.split("\n").slice(0, 2));
      expect(Object.keys(stopped).filter((name) => name.includes("policy"))).toEqual([
        "checkpoints/step-2/policy.json",
      ]);
    }));

  it("say that nothing was saved where nothing was", () =>
    expect(cotRun({ trainer: broken(1), groupSize: 16 })).rejects.toThrow(/Nothing was saved before; try a lower/));
});
