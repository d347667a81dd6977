import { describe, expect, it } from "vitest";
import { BackendError, TrainingError } from "../../src/errors";
import { grpoAdvantages } from "../../src/grpo/advantage/advantage";
import { grpoPresets } from "../../src/grpo/presets";
import { imagePrompt } from "../../src/prompts/template";
import { type GrpoStepOptions, grpoStep } from "../../src/rise/grpo-step";
import { supervisedStep } from "../../src/rise/sft-step";
import type { Sampled } from "../../src/rollouts";
import type { Trainer, TrainSequence } from "../../src/trainer";

const prompt = imagePrompt("cat.png", "What is this?");

/** A trainer that only remembers what it was told; all its tokens have log-prob −1, and −3 under the reference policy, and token t has entropy t + 1. */
function recorder(gradNorm = 1, logProb = -1) {
  const told: { sequence: TrainSequence; gradient: readonly number[]; entropyGradient?: readonly number[] }[] = [];
  const entropiesOf = (sequences: readonly TrainSequence[]) =>
    sequences.map(({ completion }) => Float64Array.from(completion, (token) => token + 1));
  let entropyPasses = 0;
  const passes: number[] = [];
  const rates: number[] = [];
  const temperatures: (number | undefined)[] = [];
  const trainer = {
    async logProbs(sequences, { policy, temperature } = {}) {
      temperatures.push(temperature);
      return sequences.map(({ completion }) =>
        new Float64Array(completion.length).fill(policy === "reference" ? -3 : logProb),
      );
    },
    async entropies(sequences, { temperature } = {}) {
      temperatures.push(temperature);
      entropyPasses++;
      return entropiesOf(sequences);
    },
    async backward(sequences, cotangents, { temperature, entropyCotangents } = {}) {
      temperatures.push(temperature);
      told.push(
        ...sequences.map((sequence, i) => ({
          ...{ sequence, gradient: Array.from(cotangents[i]!) },
          ...(entropyCotangents && { entropyGradient: Array.from(entropyCotangents[i]!) }),
        })),
      );
      passes.push(sequences.length);
      const logProbs = sequences.map(({ completion }) => new Float64Array(completion.length).fill(logProb));
      return { logProbs, ...(entropyCotangents && { entropies: entropiesOf(sequences) }) };
    },
    async optimStep({ learningRate }) {
      rates.push(learningRate);
      return { gradNorm };
    },
  } satisfies Partial<Trainer>;
  const trainerWith = trainer as unknown as Trainer;
  return { trainer: trainerWith, told, passes, rates, temperatures, entropyPasses: () => entropyPasses };
}

/** A rollout with as many tokens in its cot and its reconstruction as `lengths` says. */
function rollout(reward: number, ...lengths: readonly number[]): Sampled<string> {
  return {
    rollout: "",
    reward: { reward, similarity: reward, leaks: [], format: { ok: true } },
    truth: "",
    segments: lengths.map((length) => ({
      prompt,
      completion: {
        text: "",
        tokenIds: Array.from({ length }, (_, t) => t),
        logProbs: Array.from({ length }, () => -1),
        samplingLogProbs: Array.from({ length }, () => -0.5),
        finishReason: "stop",
      },
    })),
  };
}

const options: GrpoStepOptions = {
  rolloutsPerGroup: 2,
  grpo: grpoPresets["rise-paper"],
  learningRate: 0.1,
  credit: "all",
  signal: new AbortController().signal,
};
// Rewards 1 and 0 have standard deviation √½.
const advantage = 0.5 / (Math.SQRT1_2 + 1e-4);
const sampled = [rollout(1, 3, 1), rollout(0, 2, 2), rollout(0.5, 1, 1), rollout(0.5, 1, 1)];
const closeTo = (value: number, count: number) => new Array(count).fill(expect.closeTo(value, 12));

describe("one GRPO step", () => {
  it("spreads −A / (B · L) over cot and reconstruction together, L being the length of both", async () => {
    const { trainer, told, rates } = recorder();
    const { advantages } = await grpoStep(trainer, sampled, options);
    expect([...advantages]).toEqual([...closeTo(advantage, 1), ...closeTo(-advantage, 1), 0, 0]);
    expect(told.map(({ gradient }) => gradient)).toEqual([
      closeTo(-advantage / 16, 3),
      closeTo(-advantage / 16, 1),
      closeTo(advantage / 16, 2),
      closeTo(advantage / 16, 2),
    ]);
    expect(rates).toEqual([0.1]);
  });

  it("gives the reconstruction's tokens all of it where only they get credit", async () => {
    const { trainer, told } = recorder();
    await grpoStep(trainer, sampled, { ...options, credit: "last" });
    expect(told.map(({ gradient }) => gradient)).toEqual([closeTo(-advantage / 4, 1), closeTo(advantage / 8, 2)]);
  });

  it("tells the same in passes of any size", async () => {
    const [whole, small] = [recorder(), recorder()];
    await grpoStep(whole.trainer, sampled, options);
    await grpoStep(small.trainer, sampled, { ...options, microBatch: 3 });
    const byLength = (told: typeof whole.told) =>
      told.toSorted((a, b) => a.gradient.length - b.gradient.length || a.gradient[0]! - b.gradient[0]!);
    expect(byLength(small.told)).toEqual(byLength(whole.told));
    expect([whole.passes, small.passes]).toEqual([[4], [3, 1]]);
    expect(small.told.map(({ gradient }) => gradient.length)).toEqual([1, 2, 2, 3]);
  });

  it("reports the loss, the entropy of the sample, and the mean size of advantages", async () => {
    const { metrics } = await grpoStep(recorder(3).trainer, sampled, options);
    expect(metrics).toMatchObject({
      reward: 0.5,
      frac_reward_zero_std: 0.5,
      grad_norm: 3,
      learning_rate: 0.1,
      "rise/entropy_estimate": 1,
    });
    expect(metrics).not.toHaveProperty("entropy");
    // With ratio 1 the loss is minus the mean advantage: nothing.
    expect(metrics.loss).toBeCloseTo(0, 12);
    expect(metrics["rise/advantage_mean_abs"]).toBeCloseTo(advantage / 2, 12);
  });

  it("adds rewards before or after they are normalised, as the settings say", async () => {
    const terms = (first: number, second: number | null): Sampled<string> => {
      const { reward, ...rest } = rollout(first + 10 * (second ?? 0), 1, 1);
      const values = [
        { name: "first", value: first, weight: 1 },
        { name: "second", value: second, weight: 10 },
      ];
      return { ...rest, reward: { ...reward, terms: values } };
    };
    // The second reward, loud by its weight, stands against the first.
    const both = [terms(1, 0), terms(0, 0.5)];
    const advantagesBy = async (aggregation: "sum_then_normalize" | "normalize_then_sum") => {
      const grpo = { ...options.grpo, advantages: { aggregation } };
      return [...(await grpoStep(recorder().trainer, both, { ...options, grpo })).advantages];
    };
    const [rewards, columns] = [[1, 5], both.map(({ reward }) => reward.terms!.map(({ value }) => value))];
    expect(await advantagesBy("sum_then_normalize")).toEqual([...grpoAdvantages(rewards, { groupSize: 2 }).advantages]);
    const normalized = { groupSize: 2, aggregation: "normalize_then_sum", weights: [1, 10] } as const;
    expect(await advantagesBy("normalize_then_sum")).toEqual([...grpoAdvantages(columns, normalized).advantages]);
  });

  it("lets a cot learn once, from the sum of what its reconstructions earned", async () => {
    const [cot, first] = rollout(1, 2, 1).segments;
    const shared = [1, 0, 0, 1].map((reward, i): Sampled<string> => {
      if (i >= 2) return rollout(reward, 2, 1);
      return { ...rollout(reward, 0), segments: [cot!, i === 0 ? first! : rollout(reward, 3).segments[0]!] };
    });
    const { trainer, told } = recorder();
    const { advantages } = await grpoStep(trainer, shared, { ...options, rolloutsPerGroup: 4 });
    // Rows of 3, 5, 3 and 3 tokens, four of them.
    const [a, b, c, d] = [...advantages].map((value, i) => -value / (4 * [3, 5, 3, 3][i]!));
    expect(told.map(({ gradient }) => gradient)).toEqual([
      closeTo(a! + b!, 2),
      closeTo(a!, 1),
      closeTo(b!, 3),
      closeTo(c!, 2),
      closeTo(c!, 1),
      closeTo(d!, 2),
      closeTo(d!, 1),
    ]);
  });

  it("learns at each prompt from a completion that the sampler gave to several", async () => {
    const [one] = rollout(1, 2).segments;
    const elsewhere = { ...one!, prompt: imagePrompt("dog.png", "What is this?") };
    const { trainer, told } = recorder();
    const both = [one!, elsewhere].map((segment, i) => ({ ...rollout(i), segments: [segment] }));
    await grpoStep(trainer, both, options);
    expect(told.map(({ sequence }) => sequence.prompt)).toEqual([prompt, elsewhere.prompt]);
    expect(Math.sign(told[0]!.gradient[0]!)).toBe(-Math.sign(told[1]!.gradient[0]!));
  });

  it("refuses rewards with other terms or weights for some completions", async () => {
    const withTerms = (weight: number | undefined): Sampled<string> => {
      const terms = weight === undefined ? {} : { terms: [{ name: "brevity", value: 1, weight }] };
      return { ...rollout(1, 1), reward: { ...rollout(1, 1).reward, ...terms } };
    };
    for (const other of [2, undefined])
      await expect(grpoStep(recorder().trainer, [withTerms(1), withTerms(other)], options)).rejects.toThrow(
        /expected a reward that gives every completion the same terms and weights, got \[\["brevity",1\]\] and \[/,
      );
  });

  it("is drawn to the reference policy by KL, where rewards teach nothing as well", async () => {
    const { trainer, told } = recorder();
    const grpo = { ...options.grpo, loss: { ...options.grpo.loss, klCoefficient: 0.1, klEstimator: "k1" } } as const;
    const { metrics } = await grpoStep(trainer, sampled.slice(2), { ...options, grpo });
    // k1 = log π − log π_ref = 2 for every token; its derivative is β, and each of two rows has two tokens.
    expect(metrics.kl).toBeCloseTo(2, 12);
    expect(metrics.loss).toBeCloseTo(0.2, 12);
    expect(told.map(({ gradient }) => gradient)).toEqual(new Array(4).fill(closeTo(0.1 / 4, 1)));
  });

  it("trains the policy at the temperature it was sampled at", async () => {
    const { trainer, temperatures, told } = recorder();
    const cooled = sampled.map(({ segments, ...rest }) => ({
      ...rest,
      segments: segments.map((segment, k) => ({ ...segment, temperature: k === 0 ? 0.7 : 1 })),
    }));
    const { metrics } = await grpoStep(trainer, cooled, options);
    expect(temperatures).toEqual([0.7, 1]);
    expect(told.map(({ sequence }) => sequence.completion.length)).toEqual([3, 2, 1, 2]);
    // 7 of 12 tokens are a cot's, with the sampler's log-prob −0.5 at its temperature; the others have −1.
    expect(metrics["rise/entropy_estimate"]).toBeCloseTo((7 * 0.5 + 5) / 12, 12);
  });

  it("scores a piece with the sampler's log-probs at its temperature, before topK, topP and penalty", async () => {
    const [one, two] = [sampled[0]!, sampled[1]!].map(({ segments, ...rest }) => ({
      ...rest,
      segments: segments.map(({ completion, ...segment }) => ({
        ...{ ...segment, temperature: 0.7 },
        completion: { ...completion, temperedLogProbs: completion.tokenIds!.map(() => -0.75) },
      })),
    }));
    const { metrics } = await grpoStep(recorder().trainer, [one!, two!], options);
    expect(metrics).toMatchObject({ "rise/entropy_estimate": 0.75, "sampling/sampling_logp_difference/mean": 0.25 });
  });

  it("gives the entropy bonus its gradient in the same pass, and the loss the entropies of that pass", async () => {
    const { trainer, told, entropyPasses } = recorder();
    const grpo = { ...options.grpo, loss: { ...options.grpo.loss, entropyCoefficient: 0.1 } };
    const { metrics } = await grpoStep(trainer, sampled, { ...options, grpo });
    // Twelve tokens, those of the rollouts without an advantage included.
    expect(told.map(({ entropyGradient }) => entropyGradient)).toEqual(
      [3, 1, 2, 2, 1, 1, 1, 1].map((length) => closeTo(-0.1 / 12, length)),
    );
    const mean = (1 + 2 + 3 + 1 + 1 + 2 + 1 + 2 + 4) / 12;
    expect(metrics.entropy).toBeCloseTo(mean, 12);
    expect(metrics.loss).toBeCloseTo(-0.1 * mean, 12);
    expect(entropyPasses()).toBe(0);
  });

  it("lets the tokens of highest entropy learn where a mask asks for them, with one pass more", async () => {
    const { trainer, told, entropyPasses } = recorder();
    const grpo = { ...options.grpo, loss: { ...options.grpo.loss, corrections: { topEntropy: 0.25 } } };
    const { metrics } = await grpoStep(trainer, sampled.slice(0, 2), { ...options, grpo });
    // Entropies 1 2 3, 1 and 1 2, 1 2: the top quarter begins at 2.
    expect(told.map(({ gradient }) => gradient.map((value) => value !== 0))).toEqual([
      [false, true, true],
      [false, true],
      [false, true],
    ]);
    expect(told.every(({ entropyGradient }) => entropyGradient === undefined)).toBe(true);
    expect([metrics.entropy, entropyPasses()]).toEqual([13 / 8, 1]);
  });

  it("multiplies with the trainer's probability of a rollout over the sampler's, where a correction says so", async () => {
    const { trainer, told } = recorder(1, -1.25);
    const grpo = { ...options.grpo, loss: { ...options.grpo.loss, corrections: { sampler: {} } } };
    const { metrics } = await grpoStep(trainer, sampled.slice(0, 2), { ...options, grpo });
    // Four tokens, each a quarter less likely in logarithms than the sampler said.
    const ratio = Math.exp(-1);
    expect(told[0]!.gradient).toEqual(closeTo((-advantage * ratio) / 8, 3));
    expect(metrics).toMatchObject({
      "sampling/sampling_logp_difference/mean": 0.25,
      "sampling/importance_sampling_ratio/mean": expect.closeTo(ratio, 12),
      "rise/sampler_masked": 0,
    });
  });

  it("leaves out rollouts that the sampler was too shy of, and makes no step where that is all", async () => {
    const { trainer, told, rates } = recorder(1, -0.5);
    const grpo = { ...options.grpo, loss: { ...options.grpo.loss, corrections: { sampler: { max: 3 } } } };
    const pair = [rollout(1, 3, 1), rollout(0, 1, 1)];
    const { metrics } = await grpoStep(trainer, pair, { ...options, grpo });
    // Ratios e² and e¹: the first is above 3, and its rollout teaches nothing.
    expect(told.map(({ gradient }) => gradient)).toEqual([
      closeTo((advantage * Math.E) / 4, 1),
      closeTo((advantage * Math.E) / 4, 1),
    ]);
    expect(metrics).toMatchObject({ "rise/sampler_masked": 0.5 });
    const { metrics: none } = await grpoStep(trainer, [rollout(1, 3, 1), rollout(0, 2, 2)], { ...options, grpo });
    expect(none).toMatchObject({ "rise/sampler_masked": 1, grad_norm: 0 });
    expect(rates.length).toBe(1);
  });

  it("tells how far the sampler's log-probs are from the trainer's, over the tokens that are learned from", async () => {
    const { metrics } = await grpoStep(recorder(1, -1.5).trainer, sampled, options);
    expect(metrics).toMatchObject({
      "sampling/sampling_logp_difference/mean": 0.5,
      "sampling/sampling_logp_difference/max": 0.5,
      "sampling/importance_sampling_ratio/min": Math.exp(-0.5),
      "sampling/importance_sampling_ratio/mean": expect.closeTo(Math.exp(-0.5), 12),
      "sampling/importance_sampling_ratio/max": Math.exp(-0.5),
    });
    const { metrics: silent } = await grpoStep(recorder().trainer, sampled.slice(2), options);
    expect(Object.keys(silent).filter((name) => name.startsWith("sampling/"))).toEqual([]);
  });

  it("leaves the trainer alone where all groups are of one reward", async () => {
    const { trainer, told, rates } = recorder();
    const { metrics } = await grpoStep(trainer, sampled.slice(2), options);
    expect([told, rates, metrics.grad_norm]).toEqual([[], [], 0]);
  });

  it("stops at a gradient norm that is not a number, and refuses completions without tokens", async () => {
    await expect(grpoStep(recorder(Number.NaN).trainer, sampled, options)).rejects.toThrow(TrainingError);
    const bare = { ...sampled[0]!, segments: [{ prompt, completion: { text: "", finishReason: "stop" as const } }] };
    await expect(grpoStep(recorder().trainer, [bare, bare], options)).rejects.toThrow(BackendError);
  });
});

describe("one supervised step", () => {
  const sequences = [1, 3].map((length) => ({ prompt, completion: Array.from({ length }, (_, t) => t) }));

  it("weighs all samples alike, or all tokens alike", async () => {
    for (const [lossType, weight] of [
      ["sequence", 1 / 2],
      ["token", 1 / 4],
    ] as const) {
      const { trainer, told } = recorder();
      await supervisedStep(trainer, sequences, { learningRate: 0.1, lossType, signal: options.signal });
      expect(told.map(({ gradient }) => gradient)).toEqual([[-weight], [-weight, -weight, -weight]]);
    }
  });
});
