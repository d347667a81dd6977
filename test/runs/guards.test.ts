import { describe, expect, it } from "vitest";
import type { VlmBackend } from "../../src/backend";
import { BackendError, NonFiniteError, TrainingError } from "../../src/errors";
import type { StepMetrics } from "../../src/events";
import { paperReward } from "../../src/reward/paper";
import type { RewardFunction, RolloutParts } from "../../src/reward/reward";
import { type OwnReward, sumRewards } from "../../src/reward/sum";
import { guardWarnings } from "../../src/runs/guards";
import { scriptedTrainer } from "../../src/testing";
import type { Trainer } from "../../src/trainer";
import type { LabelDistribution } from "../../src/types";
import { imagePath, reference } from "../models/reference";
import { tinyTrainer } from "../rise/onnx-world";
import {
  answerRun,
  answerTrainer,
  collect,
  contents,
  cotRun,
  cotTrainer,
  dataset,
  leaking,
  withFolders,
} from "../rise/world";

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
    [
      "leaking",
      { "rise/leak_rate": 0.9, reward: 0.05 },
      /90 % of the cots give the annotation away and earn nothing for it.*say in the cot prompt/,
    ],
    ["leaking", { "rise/leak_rate": 1 }, /100 % of the cots give.*earn a reward for it\. Use .* such as paperReward/],
    ["repetition", { "rise/repetition": 0.6 }, /60 % of its four-word sequences.*lower the learning rate/],
  ] as const)("warn of %s, and say what to try", (guard, metrics, message) => {
    expect(guardWarnings(rows({}, metrics))).toEqual([{ guard, message: expect.stringMatching(message) }]);
  });

  it("judge a sum of rewards by its judge: the other terms may be on any scale", () => {
    const summed = (judged: number, reward: number, more: object = {}) => ({
      ...{ reward, "rewards/paperReward/mean": judged, "rewards/brevity/mean": 1 },
      ...more,
    });
    const leaking = (judged: number, reward: number) =>
      guardWarnings(rows(summed(judged, reward, { "rise/leak_rate": 1 })))[0]?.message;
    expect(leaking(0, 0.2)).toMatch(/earn nothing for it\. See rollouts\.jsonl/);
    expect(leaking(0.9, -1)).toMatch(/earn a reward for it\. Use .* such as paperReward/);
    expect(guardsOf(many(50, () => summed(0.5, 2)))).toEqual(["flat-reward"]);
    expect(guardsOf(many(50, () => summed(0.98, -2)))).toEqual([]);
  });

  it("name the token limit of the stage", () => {
    const [row] = rows({ "completions/clipped_ratio": 1 });
    expect(guardWarnings([{ ...row!, stage: "rft" }])[0]?.message).toMatch(/Raise rft\.sampling\.maxTokens,/);
  });

  it("repeat what lasts ever more rarely, and begin again after it was over", () => {
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
    // Steps before the last 50 do not count.
    const [late] = guardWarnings(many(100, (i) => ({ reward: i < 50 ? 0.1 : i < 75 ? 0.4 : 0.405 })));
    expect(late?.message).toContain("(0.400, then 0.405)");
    // The examples of one step failed.
    const failedAt = (step: number, history: readonly StepMetrics[]) =>
      history.map((row, i) => (i === step ? { stage: row.stage, step: row.step } : row));
    expect(
      guardsOf(
        failedAt(
          7,
          many(50, (i) => ({ reward: i < 25 ? 0.4 : 0.6 })),
        ),
      ),
    ).toEqual([]);
    expect(guardsOf(failedAt(7, flat(0.4)))).toEqual(["flat-reward"]);
    expect(guardsOf(failedAt(40, flat(0.4)))).toEqual(["flat-reward"]);
  });
});

describe("guards of imitation", () => {
  /** Steps with these log-probs of a token, in nats. */
  const sft = (...logProbs: readonly number[]): StepMetrics[] =>
    logProbs.map((logProb, i) => ({
      ...{ stage: "sft", step: i + 1, loss: -100 * logProb, grad_norm: 1 },
      "rise/token_log_prob": logProb,
    }));
  const still = (history: readonly StepMetrics[]) => history.map((row) => ({ ...row, grad_norm: 0 }));

  it("warn of a gradient that is exactly 0, as every gradient is of weights that went too far", () => {
    expect(guardWarnings([...sft(-2), ...still(sft(-9))])).toEqual([
      { guard: "standstill", message: expect.stringMatching(/gradient is exactly 0.*\(loss 900\.0\).*lower learning/) },
    ]);
    // Equal rewards leave no gradient either, and are said as what they are.
    expect(guardsOf([{ ...rows({})[0]!, grad_norm: 0 }])).toEqual(["standstill"]);
    expect(guardsOf([{ ...rows({ frac_reward_zero_std: 1 })[0]!, grad_norm: 0 }])).toEqual(["zero-std"]);
  });

  it("warn of a loss that has been far above its start for four steps, and not of one that is noisy", () => {
    expect(guardsOf(sft(-2, -5, -6, -7))).toEqual([]);
    expect(guardWarnings(sft(-2, -5, -6, -7, -8))).toEqual([
      { guard: "diverging", message: expect.stringMatching(/costs 8\.00 nats, and cost 2\.00 .*\(for 4 steps now\)/) },
    ]);
    expect(guardsOf(sft(-2, -5, -6, -3, -8))).toEqual([]);
    expect(guardsOf(sft(-0.01, -0.5, -0.5, -0.5, -0.5))).toEqual([]);
  });

  it("are events of a run whose learning rate is far too high", async () => {
    const events = await collect(
      answerRun({ trainer: answerTrainer(), sft: { steps: 9, batchSize: 2, learningRate: 1e4 }, rft: false }),
    );
    expect(events.filter((event) => event.type === "warning").map(({ guard }) => guard)).toContain("standstill");
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

  it("do not blame a sum of rewards for leaks that its judge refuses", async () => {
    const trainer = scriptedTrainer({ texts: [leaking, `${leaking} So it is.`] });
    const brevity: OwnReward<LabelDistribution, RolloutParts<LabelDistribution>> = {
      reward: (_, { cot }) => Math.exp(-cot.length / 400),
    };
    const events = await collect(cotRun({ trainer, steps: 1, reward: sumRewards(paperReward, { brevity }) }));
    const warnings = events.flatMap((event) => (event.type === "warning" ? [[event.guard, event.message]] : []));
    expect(warnings).toEqual([
      ["format", expect.not.stringContaining("earns nothing")],
      ["leaking", expect.stringContaining("earn nothing for it. See rollouts.jsonl")],
    ]);
  });

  /** A policy whose numbers are NaN from an update on. */
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

  it("stop it at a NaN: the step leaves no row, and the checkpoint before is as it was", () =>
    withFolders(2, async (a, b) => {
      const run = (runDir: string, trainer: Trainer) => cotRun({ runDir, trainer, groupSize: 16, learningRate: 0.1 });
      const failed = run(a!, broken(3));
      await expect(failed).rejects.toThrow(TrainingError);
      await expect(failed).rejects.toThrow(
        /^train, step 3: .*finite gradient norm, got NaN\. The weights in .*step-2 are older.*lower learning rate/,
      );
      await expect(run(b!, cotTrainer()).then(() => contents(b!))).resolves.toBeDefined();
      const [stopped, whole] = [await contents(a!), await contents(b!)];
      const lines = stopped["metrics.jsonl"]!.trim().split("\n");
      expect(lines).toEqual(whole["metrics.jsonl"]!.split("\n").slice(0, 2));
      expect(Object.keys(stopped).filter((name) => name.includes("policy"))).toEqual([
        "checkpoints/step-2/policy.json",
      ]);
    }));

  /** A policy whose text is no text from an update on, as a network's whose weights went too far. */
  const mute = (update: number): Trainer => {
    const trainer = cotTrainer();
    let updates = 0;
    const sampler: VlmBackend = {
      ...trainer.sampler(),
      async generate(...call) {
        if (updates >= update) throw new NonFiniteError("expected a finite number in logProbs, got NaN");
        return trainer.sampler().generate(...call);
      },
    };
    return {
      ...trainer,
      sampler: () => sampler,
      async optimStep(params) {
        updates++;
        return trainer.optimStep(params);
      },
    };
  };
  const muteRun = (options: Partial<Parameters<typeof cotRun>[0]>, update = 3) =>
    cotRun({ trainer: mute(update), groupSize: 16, learningRate: 0.1, ...options });

  it("say so, too, when the NaN appears in sampling: the error is a cause, the weights may be at fault", () =>
    withFolders(2, async (a, b) => {
      const failed = muteRun({ runDir: a! });
      await expect(failed).rejects.toThrow(TrainingError);
      await expect(failed).rejects.toThrow(
        /^train, step 4: .*finite number in logProbs, got NaN\. The weights in .*step-2 are older.*lower learning rate/,
      );
      await expect(failed).rejects.toMatchObject({ cause: expect.any(NonFiniteError) });
      await expect(muteRun({ runDir: b!, checkpointEvery: 1 })).rejects.toThrow(
        /^train, step 4: .*The weights in .*step-3 produced it: start a new runDir from earlier ones/,
      );
    }));

  it("name the step where held-out examples are looked at, where weights are saved, and after training", async () => {
    const heldOut = [{ ...dataset[0]!, id: "other" }];
    await expect(muteRun({ heldOut }, 2)).rejects.toThrow(/^train, step 2: .*got NaN\. Nothing was saved/);
    await expect(muteRun({ steps: 3 }, 3)).rejects.toThrow(/^final, step 4: .*got NaN/);
    await withFolders(1, async (folder) => {
      const save = () => Promise.reject(new TrainingError("save: expected finite weights"));
      await expect(cotRun({ trainer: broken(0, { save }), runDir: folder! })).rejects.toThrow(
        /^train, step 2: save: expected finite weights\. Nothing was saved before/,
      );
    });
  });

  it("leave other errors of a policy, and those of one that is not trained, as they are", async () => {
    const backend = { ...cotTrainer().sampler(), generate: () => Promise.reject(new NonFiniteError("NaN")) };
    await expect(cotRun({ backend, trainer: undefined as never })).rejects.toThrow(/^NaN$/);
    const sampler = () => ({ ...backend, generate: () => Promise.reject(new BackendError("gone")) });
    await expect(cotRun({ trainer: { ...cotTrainer(), sampler } })).rejects.toThrow(/^gone$/);
  });

  it("say what to try when a network's weights went too far", async () => {
    const failed = cotRun({
      ...{ trainer: tinyTrainer, learningRate: 1e30, groupSize: 4, examplesPerStep: 1 },
      sampling: { cotMaxTokens: 8, reconstructionMaxTokens: 8 },
      dataset: dataset.map((example, i) => ({ ...example, image: imagePath(reference.pictures[i]!.file) })),
      // A network that knows nothing, so that there is something to learn.
      reward: (_, { cot }) => ({
        prediction: null,
        reward: { reward: (cot.length % 11) / 10, similarity: 0, leaks: [], format: { ok: true } },
      }),
    });
    await expect(failed).rejects.toThrow(TrainingError);
    await expect(failed).rejects.toThrow(/^train, step 2: .*finite number in logProbs.*lower learning rate/);
  });

  it("say that nothing was saved where nothing was", () =>
    expect(cotRun({ trainer: broken(1), groupSize: 16 })).rejects.toThrow(/Nothing was saved before; try a lower/));
});
