import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { VlmBackend } from "../../src/backend";
import { formatThinkAnswer } from "../../src/checks/think-answer";
import { ConfigError, DataError } from "../../src/errors";
import { grpoPresets } from "../../src/grpo/presets";
import { type RehearsalRow, type RiseR1Options, riseR1, type SftOptions } from "../../src/rise/rise-r1";
import { type SftSettings, sftSteps } from "../../src/rise/rise-r1-options";
import { scriptedTrainer } from "../../src/testing";
import type { Trainer } from "../../src/trainer";
import type { LabelDistribution } from "../../src/types";
import {
  answerRun,
  answerTrainer,
  collect,
  contents,
  cots,
  dataset,
  mean,
  moods,
  raining,
  readRows,
  smiling,
  withFolders,
} from "./world";

const sft = { steps: 5, batchSize: 2, learningRate: 3 } as const;
const rft = { steps: 5, groupSize: 4, examplesPerStep: 2, learningRate: 3 } as const;
const run = (options: Partial<RiseR1Options<LabelDistribution>> = {}) =>
  answerRun({ trainer: answerTrainer(), ...options });

/** Something that the policy could do before: say of a street that it is empty. */
const streetRow: RehearsalRow = {
  prompt: [{ role: "user", content: [{ type: "text", text: "What is in the street?" }] }],
  completion: raining,
};
const rehearsal = { rows: [streetRow], share: 0.5 } as const;

const rehearsingTrainer = () => {
  const targets = cots.map(({ cot, annotation }) => formatThinkAnswer(cot, moods.format(annotation)));
  return scriptedTrainer({ texts: [...new Set([raining, smiling, ...targets])] });
};

async function logProbOf(trainer: Trainer, { prompt, completion }: RehearsalRow) {
  const [row] = await trainer.logProbs([{ prompt, completion: trainer.encode(completion) }]);
  return row!.reduce((sum, value) => sum + value, 0);
}

/** Mean over examples of log π(target | prompt). */
async function targetLogProb(trainer: Trainer) {
  const sequences = cots.map(({ exampleId, cot, annotation }) => ({
    prompt: moods.answerPrompt(dataset.find(({ id }) => id === exampleId)!),
    completion: trainer.encode(`<think>${cot}</think><answer>${moods.format(annotation)}</answer>`),
  }));
  const { logProbs } = await trainer.forwardBackward(sequences, (rows) => ({ loss: 0, gradient: [...rows] }));
  return mean(logProbs.map((row) => row.reduce((sum, value) => sum + value, 0)));
}

describe("riseR1", () => {
  it("learns by imitation to write the kept cots and annotations", async () => {
    const trainer = answerTrainer();
    const before = await targetLogProb(trainer);
    const { metrics } = await run({ trainer, rft: false, sft: { ...sft, steps: 60 } });
    const losses = metrics.map(({ loss }) => loss as number);
    expect(mean(losses.slice(-5))).toBeLessThan(mean(losses.slice(0, 5)) / 4);
    expect(await targetLogProb(trainer)).toBeGreaterThan(before / 10);
  });

  it("starts at the loss of Eq. 8: one of three beginnings, then one of two answers, ln 6 for a sequence", async () => {
    const tokens = answerTrainer().encode(
      `<think>${smiling}</think><answer>${moods.format(dataset[0]!.annotation)}</answer>`,
    );
    const firstLoss = async (lossType: "sequence" | "token") => {
      const { metrics } = await run({ rft: false, threshold: 1, sft: { ...sft, steps: 1, lossType } });
      return metrics[0]!.loss;
    };
    expect(await firstLoss("sequence")).toBeCloseTo(Math.log(6), 12);
    expect(await firstLoss("token")).toBeCloseTo(Math.log(6) / tokens.length, 12);
  });

  it("learns by reinforcement alone, which is Visual-RFT", async () => {
    const { metrics, kept } = await run({
      cots: [],
      sft: false,
      rft: { ...rft, steps: 100, groupSize: 8, examplesPerStep: 3, learningRate: 50 },
    });
    const rewards = metrics.map(({ reward }) => reward as number);
    expect(kept).toEqual([]);
    expect(rewards[0]).toBeLessThan(0.6);
    expect(mean(rewards.slice(-10))).toBeGreaterThan(0.95);
  });

  it("starts reinforcement with a better policy after imitation", async () => {
    const firstReward = async (options: Partial<RiseR1Options<LabelDistribution>>) => {
      const { metrics } = await run({ rft: { ...rft, steps: 1, groupSize: 16, examplesPerStep: 3 }, ...options });
      return metrics.at(-1)!.reward as number;
    };
    expect(await firstReward({ sft: { ...sft, steps: 60 } })).toBeGreaterThan(
      (await firstReward({ sft: false })) + 0.3,
    );
  });

  it("imitates only cots with a reward of at least the threshold", async () => {
    const keptIds = async (threshold: number) =>
      (await run({ threshold, sft: { ...sft, steps: 1 }, rft: false })).kept.map(({ exampleId }) => exampleId);
    expect(await keptIds(0.75)).toEqual(["party", "picnic"]);
    expect(await keptIds(0.9)).toEqual(["party"]);
  });

  it("practises other rows beside the cots when they are rehearsed, and neither without", async () => {
    const learn = async (more: Partial<SftOptions>) => {
      const trainer = rehearsingTrainer();
      await run({ trainer, rft: false, sft: { ...sft, steps: 40, ...more } });
      return { street: await logProbOf(trainer, streetRow), target: await targetLogProb(trainer) };
    };
    const [plain, rehearsed, untrained] = [await learn({}), await learn({ rehearsal }), await learn({ steps: 0 })];
    expect(plain.street).toBeCloseTo(untrained.street, 12);
    expect(rehearsed.street).toBeGreaterThan(untrained.street / 4);
    expect(rehearsed.target).toBeGreaterThan(untrained.target / 4);
  });

  it("gives rehearsal its share of a batch in whole rows, and counts epochs over the cots in the rest", async () => {
    // Two kept cots and a batch of four: one, two or three of its rows are cots.
    const steps = async (more: Partial<SftOptions>) => {
      const trainer = rehearsingTrainer();
      return (await run({ trainer, rft: false, threshold: 0.75, sft: { epochs: 3, ...more } })).metrics.length;
    };
    const withShare = (share: number) => steps({ batchSize: 4, rehearsal: { ...rehearsal, share } });
    expect([await withShare(0.7), await withShare(0.5), await withShare(0.3)]).toEqual([6, 3, 2]);
    expect(await steps({ batchSize: 3, rehearsal: { rows: [streetRow] } })).toBe(3);
  });

  describe("with an interpolation", () => {
    const learn = async (more: Partial<SftOptions>, options: Partial<RiseR1Options<LabelDistribution>> = {}) => {
      const trainer = answerTrainer();
      const result = await run({ trainer, rft: false, sft: { ...sft, ...more }, ...options });
      return { trainer, result, target: await targetLogProb(trainer) };
    };

    it("ends SFT at that share of the way from the policy that it began with", async () => {
      const [whole, half, untrained] = [
        await learn({}),
        await learn({ interpolation: 0.5 }),
        await learn({ steps: 0 }),
      ];
      expect(half.result.metrics).toEqual(whole.result.metrics);
      expect(untrained.target).toBeLessThan(half.target);
      expect(half.target).toBeLessThan(whole.target);
      await whole.trainer.interpolate!(0.5);
      expect(await targetLogProb(whole.trainer)).toBe(half.target);
    });

    it("saves these weights, reinforces them, and is the same when it is resumed before its last update", () =>
      withFolders(2, async (once, twice) => {
        const reinforced = { rft: { ...rft, steps: 1 } };
        const direct = await learn({ interpolation: 0.5 }, { ...reinforced, runDir: once!, checkpointEvery: 1 });
        const stop = new AbortController();
        const stopped = run({
          ...{ ...reinforced, runDir: twice!, checkpointEvery: 1, stop: stop.signal },
          sft: { ...sft, interpolation: 0.5 },
        });
        await expect(async () => {
          for await (const event of stopped) if (event.type === "step-end" && event.step === 4) stop.abort();
        }).rejects.toThrow();
        const resumed = { ...reinforced, runDir: twice!, checkpointEvery: 1, resume: true };
        expect((await learn({ interpolation: 0.5 }, resumed)).target).toBe(direct.target);
      }));

    it("refuses more steps after them, and a trainer that cannot interpolate", () =>
      withFolders(1, async (runDir) => {
        await learn({ interpolation: 0.5 }, { runDir: runDir! });
        const more = learn({ interpolation: 0.5, steps: 6 }, { runDir: runDir!, resume: true });
        await expect(more).rejects.toThrow(/sft\.steps/);
        const { interpolate: _, ...rigid } = answerTrainer();
        const start = () => run({ trainer: rigid, rft: false, sft: { ...sft, interpolation: 0.5 } });
        await expect(start()).rejects.toThrow(/sft\.interpolation: expected a trainer with the method interpolate/);
      }));
  });

  it("rounds epochs up to whole updates, and not what a product of floats is above them", () => {
    const sft = { epochs: 1.1, batchSize: 1 } as SftSettings;
    expect([50, 90, 110].map((samples) => sftSteps(sft, samples))).toEqual([55, 99, 121]);
    expect(sftSteps(sft, 51)).toBe(57);
  });

  it("shows an example before the first step when a rehearsed row is the largest", () =>
    withFolders(1, async (folder) => {
      const trainer = rehearsingTrainer();
      const countTokens: VlmBackend["countTokens"] = async (prompts) => ({
        tokens: prompts.map((prompt) => (JSON.stringify(prompt).includes("street?") ? 90 : 10)),
        limit: 1000,
      });
      const sampler = { ...trainer.sampler(), countTokens };
      const counting = { ...trainer, sampler: () => sampler };
      const events = await collect(run({ trainer: counting, runDir: folder!, rft: false, sft: { ...sft, rehearsal } }));
      const [report] = events.flatMap((event) => (event.type === "preflight-end" ? [event.report] : []));
      expect(report).toMatchObject({ stage: "sft", exampleId: "party", promptTokens: 90 });
    }));

  it("refuses to resume with other rows to rehearse", () =>
    withFolders(1, async (folder) => {
      const start = (row: RehearsalRow, resume: boolean) => {
        const more = { rehearsal: { ...rehearsal, rows: [row] } };
        return run({ trainer: rehearsingTrainer(), runDir: folder!, resume, rft: false, sft: { ...sft, ...more } });
      };
      await start(streetRow, false);
      await start(streetRow, true);
      await expect(start({ ...streetRow, completion: smiling }, true)).rejects.toThrow(/sft\.rehearsal\.rows\.sha256/);
      const asked = [{ role: "user", content: [{ type: "text", text: "Who is there?" }] }] as const;
      await expect(start({ ...streetRow, prompt: asked }, true)).rejects.toThrow(/sft\.rehearsal\.prompts\.sha256/);
    }));

  it("asks a schedule for no more steps than the epochs are", async () => {
    const learningRate = (step: number) => (step < 3 ? 1 : Number.NaN);
    const { metrics } = await run({ rft: false, sft: { epochs: 2, batchSize: 2, learningRate } });
    expect(metrics.map((row) => row.learning_rate)).toEqual([1, 1, 1]);
  });

  it("is not changed by what happens to the caller's lists while it runs", async () => {
    const growing = [...dataset];
    const changed = run({ dataset: growing });
    for await (const event of changed) if (event.type === "step-end" && event.step === 2) growing.length = 1;
    expect(await changed).toEqual(await run());
  });

  it("counts epochs over what it imitates", async () => {
    const { metrics } = await run({ sft: { epochs: 4, batchSize: 2 }, rft: false });
    expect(metrics).toHaveLength(6);
  });

  it("tells what happens in order, through both parts", async () => {
    await withFolders(1, async (folder) => {
      const events = await collect(run({ runDir: folder!, sft: { ...sft, steps: 1 }, rft: { ...rft, steps: 1 } }));
      const types = events.map(({ type }) => type).filter((type) => !["warning", "progress"].includes(type));
      expect(types).toEqual([
        ...["run-start", "preflight-end", "preflight-end", "step-end", "checkpoint-end"],
        ...new Array<string>(8).fill("rollout-end"),
        ...["step-end", "checkpoint-end", "run-end"],
      ]);
      expect(events.flatMap((event) => (event.type === "step-end" ? [event.stage] : []))).toEqual(["sft", "rft"]);
    });
  });

  it("is byte for byte the same, and so is the policy, wherever it was interrupted", () =>
    withFolders(1, async (a) => {
      const uninterrupted = answerTrainer();
      const whole = await run({ trainer: uninterrupted, runDir: a! });
      const expected = await contents(a!);
      expect(await readRows(join(a!, "cots.jsonl"))).toEqual(whole.kept);
      expect(Object.entries(JSON.parse(expected["prompts.json"]!))).toEqual([
        ["answer", expect.stringMatching(/^<image>/)],
      ]);
      for (const lastStep of [1, 2, 5, 6, 9]) {
        await withFolders(1, async (b) => {
          for await (const event of run({ runDir: b! }))
            if (event.type === "step-end" && event.step === lastStep) break;
          const trainer = answerTrainer();
          const resumed = await run({ trainer, runDir: b!, resume: true });
          expect(resumed.metrics).toEqual(whole.metrics);
          expect(await contents(b!), `interrupted after step ${lastStep}`).toEqual(expected);
          expect(await targetLogProb(trainer)).toBe(await targetLogProb(uninterrupted));
        });
      }
    }));

  it("is not resumed with other cots or other prompts", () =>
    withFolders(1, async (folder) => {
      await run({ runDir: folder! });
      const others = cots.map((row) => ({ ...row, cot: smiling }));
      await expect(run({ runDir: folder!, resume: true, cots: others })).rejects.toThrow(/cots\.sha256/);
      const otherwise = { ...moods, answerPrompt: moods.cotPrompt };
      await expect(run({ runDir: folder!, resume: true, task: otherwise })).rejects.toThrow(
        /settings: prompts\.sha256/,
      );
    }));

  it("refuses imitation when no cot is good enough, a cot of no example, and steps together with epochs", async () => {
    await expect(run({ cots: [] })).rejects.toThrow(ConfigError);
    await expect(run({ cots: [] })).rejects.toThrow(/no cot reaches the threshold/);
    await expect(run({ cots: [{ ...cots[0]!, exampleId: "wedding" }] })).rejects.toThrow(DataError);
    await expect(run({ sft: { steps: 1, epochs: 1 } })).rejects.toThrow(/sft\.steps or sft\.epochs, got both/);
  });

  it("refuses imitation when all cots are of images that are left out", async () => {
    const trainer = answerTrainer();
    const checkImage = async (image: unknown) => {
      if (image === "party.png") throw new DataError("party.png: expected an image");
    };
    const picky: Trainer = { ...trainer, sampler: () => ({ ...trainer.sampler(), checkImage }) };
    const options = { trainer: picky, cots: cots.slice(0, 1), onOmission: () => {} };
    for (const sft of [{ steps: 2 }, { epochs: 1 }])
      await expect(run({ ...options, sft })).rejects.toThrow(
        /^sft: expected a cot whose image can be read, got none of 1/,
      );
    expect((await run({ ...options, sft: false })).kept).toEqual([]);
  });

  it("says how far the best cot is from the threshold, and refuses one whose annotation is not the task's", async () => {
    await expect(run({ threshold: 2 })).rejects.toThrow(/the threshold, 2: the best of 3 has 1;/);
    await expect(run({ cots: [{ ...cots[0]!, annotation: { joy: 1 } }] })).rejects.toThrow(
      /the cot of example party: expected every label, got no "sadness"/,
    );
  });

  it("imitates an empty thought, and refuses one that could not be read back for its tags", async () => {
    const trainer = scriptedTrainer({ texts: [formatThinkAnswer("", moods.format(cots[0]!.annotation)), "no idea"] });
    const imitate = (cot: string) =>
      run({ trainer, cots: [{ ...cots[0]!, cot }], sft: { ...sft, steps: 1 }, rft: false });
    expect((await imitate("")).kept).toHaveLength(1);
    for (const cot of ["A party.</think>", "<think>A party.", "A party. <answer>joy</answer>"]) {
      await expect(imitate(cot)).rejects.toThrow(DataError);
      await expect(imitate(cot)).rejects.toThrow(/text without <think> and <answer> tags for example party, got/);
    }
    await expect(imitate(undefined as never)).rejects.toThrow(/cots: expected \{ exampleId, cot \} with texts/);
  });

  it("refuses settings of either part before a model is loaded, and not when their part begins", async () => {
    const trainer = async () => expect.fail("a model was loaded");
    const wrong: [Partial<RiseR1Options<LabelDistribution>>, RegExp][] = [
      [{ keepCheckpoints: 0 }, /keepCheckpoints.*got 0/],
      [{ threshold: Number.NaN }, /threshold to be a number, got NaN/],
      [{ cots: [] }, /no cot reaches the threshold/],
      [{ cots: { dataset: cots } as never }, /cots to be an array, such as the dataset of what riseCot returns/],
      [
        { sft: { learningRate: -1 } },
        /sft\.learningRate to be a number of at least 0, or a function of the step, got -1/,
      ],
      [{ sft: { rehearsal: { rows: [] } } }, /sft\.rehearsal\.rows to be a list of \{ prompt, completion \}.*got \[\]/],
      [{ sft: { rehearsal: { rows: [{ prompt: "?" }] as never } } }, /sft\.rehearsal\.rows to be a list of \{ prompt/],
      [{ sft: { interpolation: 0 } }, /sft\.interpolation to be in \(0, 1\], got 0/],
      [{ sft: { rehearsal: { ...rehearsal, share: 1 } } }, /sft\.rehearsal\.share to be between 0 and 1.*got 1/],
      [{ sft: { rehearsal: { ...rehearsal, share: 0.2 } } }, /sft\.rehearsal\.share to leave a row.*got 0\.2 of a b/],
      [{ sft: { epochs: -1 } }, /sft\.epochs to be a finite number of at least 0, got -1/],
      [{ sft: { lossType: "mean" as "token" } }, /sft\.lossType to be one of sequence, token, got "mean"/],
      [
        { rft: { learningRate: (step) => 1 - step } },
        /rft\.learningRate to be a number of at least 0, got -1 for step 2/,
      ],
      [{ rft: { sampling: { maxTokens: 0 } } }, /rft\.sampling\.maxTokens.*at least 1, got 0/],
      [
        { rft: { grpo: { ...grpoPresets.trl, loss: { clipEpsilon: -1 } } } },
        /rft\.grpo\.loss\.clipEpsilon to be a number of at least 0, got -1/,
      ],
    ];
    for (const [options, message] of wrong) await expect(run({ ...options, trainer })).rejects.toThrow(message);
  });

  it("refuses options that it does not have, at every level", async () => {
    const wrong: [object, string][] = [
      [{ rundir: "x" }, 'riseR1: unknown option "rundir"; did you mean "runDir"?'],
      [{ sft: { learningrate: 1 } }, 'unknown option "sft.learningrate"; did you mean "sft.learningRate"?'],
      [{ rft: { groupsize: 4 } }, 'unknown option "rft.groupsize"; did you mean "rft.groupSize"?'],
      [{ rft: { sampling: { maxtokens: 4 } } }, 'did you mean "rft.sampling.maxTokens"?'],
    ];
    for (const [options, message] of wrong) await expect(run(options)).rejects.toThrow(message);
  });

  it.each<[object, string]>([
    [{ resume: "no" }, 'riseR1: expected resume to be true or false, got "no"'],
    [{ preflight: 1 }, "riseR1: expected preflight to be true or false, got 1"],
    [{ seed: 1.5 }, "riseR1: expected seed to be a whole number, got 1.5"],
    [{ sft: true }, "riseR1: expected sft to be false, or an object, got true"],
    [{ sft: null }, "riseR1: expected sft to be false, or an object, got null"],
    [{ sft: false, rft: false }, "riseR1: expected sft or rft, got false for both"],
    [
      { sft: false, threshold: 0.5 },
      "riseR1: expected no threshold beside sft: false, which imitates no cots, got 0.5",
    ],
    [{ resume: true }, "riseR1: expected no resume without a runDir, got true; leave it out"],
    [{ sft: { epochs: "2" } }, 'riseR1: expected sft.epochs to be a finite number of at least 0, got "2"'],
    [{ rft: { sampling: null } }, "riseR1: expected rft.sampling to be an object, got null"],
    [{ rft: { reward: "paper" } }, 'riseR1: expected rft.reward to be a function, such as answerReward, got "paper"'],
    [{ cots: undefined }, "expected cots to be an array, such as the dataset of what riseCot returns; got undefined"],
    [{ cots: [undefined] }, "cots: expected { exampleId, cot } with texts, but number 0 is undefined"],
    [
      { cots: [cots[0], { ...cots[1], reward: undefined }] },
      "expected a number as the reward of number 1, of example picnic, got undefined",
    ],
    [{ task: {} }, "riseR1: expected task to be a task"],
  ])("refuses %j before a model is loaded", (options, message) =>
    expect(run({ ...options, trainer: async () => expect.fail("a model was loaded") })).rejects.toThrow(message),
  );

  it("refuses no options at all", () =>
    expect(riseR1(undefined as never)).rejects.toThrow("riseR1: expected its options to be an object"));

  it("needs no cots where there is no imitation", async () => {
    const { kept } = await run({ sft: false, rft: { ...rft, steps: 1 }, cots: undefined as never });
    expect(kept).toEqual([]);
  });

  it("refuses a cot that was written for another annotation than its example has", async () => {
    const stale = cots.map((row) => ({ ...row, annotation: dataset[2]!.annotation }));
    await expect(run({ cots: stale })).rejects.toThrow(DataError);
    await expect(run({ cots: stale })).rejects.toThrow(
      `expected the annotation that example party has in the dataset, ${moods.format(dataset[0]!.annotation)}, but its cot was written for ${moods.format(dataset[2]!.annotation)}`,
    );
    // One that nothing is learned from does no harm.
    await run({ cots: [...cots, { ...stale[0]!, reward: 0 }], rft: false, sft: { ...sft, steps: 1 } });
  });
});
