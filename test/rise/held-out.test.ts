import { describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../../src/errors";
import type { Trainer } from "../../src/trainer";
import { answerRun, answerTrainer, contents, cotRun, cotTrainer, dataset, withFolders } from "./world";

const [party, picnic, funeral] = dataset;
const split = { dataset: [party!, funeral!], heldOut: [picnic!] } as const;

describe("held-out examples", () => {
  it("are looked at at every checkpoint of stage 1, and not by the pass that closes it", async () => {
    const { metrics } = await cotRun({ ...split, trainer: cotTrainer(), steps: 5 });
    const measured = metrics.filter((row) => "eval_reward" in row);
    expect(measured.map(({ stage, step }) => [stage, step])).toEqual([
      ["train", 2],
      ["train", 4],
      ["train", 5],
    ]);
    expect(measured[0]).toMatchObject({
      "eval_rise/similarity": expect.any(Number),
      "eval_rise/leak_rate": expect.any(Number),
      "eval_completions/mean_length": expect.any(Number),
    });
  });

  it("are looked at in both parts of stage 2, with the reward of reinforcement", async () => {
    const { metrics } = await answerRun({ ...split, cots: [], sft: false, trainer: answerTrainer() });
    expect(metrics.flatMap(({ step, eval_reward }) => (eval_reward === undefined ? [] : [step]))).toEqual([2, 4, 5]);
    const { metrics: both } = await answerRun({ trainer: answerTrainer(), heldOut: [{ ...picnic!, id: "other" }] });
    expect(both.filter((row) => "eval_reward" in row).map(({ stage }) => stage)).toEqual([
      ...["sft", "sft", "sft"],
      ...["rft", "rft", "rft"],
    ]);
  });

  it("change nothing of what is learned", async () => {
    const rewards = async (heldOut: typeof split.heldOut | []) => {
      const { metrics } = await cotRun({ ...split, heldOut, trainer: cotTrainer() });
      return metrics.map(({ reward, grad_norm }) => [reward, grad_norm]);
    };
    expect(await rewards(split.heldOut)).toEqual(await rewards([]));
  });

  /** A policy whose greedy answers are right from one update to another only. */
  const passing = (from: number, to: number): Trainer => {
    const trainer = answerTrainer();
    let updates = 0;
    const sampler = trainer.sampler();
    return {
      ...trainer,
      async optimStep(params) {
        updates++;
        return trainer.optimStep(params);
      },
      sampler: () => ({
        ...sampler,
        async generate(prompts, options) {
          const completions = await sampler.generate(prompts, options);
          if (options.temperature !== 0) return completions;
          const joy = updates >= from && updates < to ? "1.00" : "0.00";
          const text = `<think>People are smiling.</think><answer>{'joy': ${joy}, 'sadness': ${joy === "1.00" ? "0.00" : "1.00"}}</answer>`;
          return completions.map((group) => group.map((completion) => ({ ...completion, text })));
        },
      }),
    };
  };

  it("decide which checkpoint is the best, and that one is kept", () =>
    withFolders(1, async (runDir) => {
      const options = { heldOut: [{ ...picnic!, id: "other" }], rft: false as const, keepCheckpoints: 1 };
      const sft = { steps: 10, batchSize: 2, learningRate: 3 };
      const { best, adapter, metrics } = await answerRun({ ...options, sft, runDir: runDir!, trainer: passing(3, 7) });
      expect(metrics.flatMap(({ eval_reward }) => eval_reward ?? [])).toEqual(
        [0, 1, 1, 0, 0].map((x) => expect.closeTo(x, 6)),
      );
      expect(best).toEqual({ step: 4, reward: expect.closeTo(1, 6), path: `${runDir}/checkpoints/step-4` });
      expect(adapter).toBe(`${runDir}/checkpoints/step-10`);
      expect(Object.keys(await contents(runDir!)).filter((name) => name.endsWith("policy.json"))).toEqual([
        "checkpoints/step-10/policy.json",
        "checkpoints/step-4/policy.json",
      ]);
      // A finished run that is resumed knows it, too.
      expect(
        (await answerRun({ ...options, sft, runDir: runDir!, resume: true, trainer: passing(3, 7) })).best,
      ).toEqual(best);
    }));

  it("and all data are looked at before a model is loaded for them", async () => {
    const trainer = () => Promise.reject(new Error("loaded"));
    const wrong = [{ ...picnic!, annotation: { joy: 2, sadness: 0 } }];
    await expect(cotRun({ trainer, dataset: wrong })).rejects.toThrow(/picnic/);
    await expect(answerRun({ trainer, dataset: wrong })).rejects.toThrow(/picnic/);
    await expect(cotRun({ trainer, heldOut: [party!] })).rejects.toThrow(/heldOut/);
    await expect(cotRun({ trainer })).rejects.toThrow("loaded");
  });

  it("are refused when they are trained on, or are no examples; so is keeping no checkpoint", async () => {
    const run = (options: Parameters<typeof cotRun>[0]) => expect(cotRun(options)).rejects;
    await run({ trainer: cotTrainer(), heldOut: [party!] }).toThrow(DataError);
    await run({ trainer: cotTrainer(), heldOut: [party!] }).toThrow(/heldOut: .*got "party"/);
    await run({
      trainer: cotTrainer(),
      heldOut: [{ ...picnic!, id: "x", annotation: { joy: 2, sadness: 0 } }],
    }).toThrow(DataError);
    await run({ trainer: cotTrainer(), keepCheckpoints: 0 }).toThrow(ConfigError);
  });
});
