import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors";
import { imagePrompt } from "../../src/prompts/template";
import type { DisposableOption } from "../../src/runs/disposable";
import { scriptedBackend } from "../../src/testing/scripted-backend";
import { scriptedTrainer } from "../../src/testing/scripted-trainer";
import type { Trainer } from "../../src/trainer";
import { describeBackend } from "../backends/contract";
import { describeTrainer } from "../trainers/contract";

const prompts = [imagePrompt("cat.png", "What is this?"), imagePrompt("dog.png", "What is this?")] as const;
const texts = ["a small grey cat", "a small brown dog in the grass", "nobody knows"];

const capabilities = { logProbs: false, tokenIds: false };
describeBackend("scripted, from a list", async () => scriptedBackend(texts), { prompts, capabilities });
describeBackend(
  "scripted, from a function",
  async () => scriptedBackend((prompt, rng) => `${prompt.length} times ${rng.integer(1000)} and more`),
  { prompts, capabilities },
);
describeBackend("scripted policy", async () => scriptedTrainer({ texts }).sampler(), { prompts });
describeTrainer("scripted", async () => scriptedTrainer({ texts }), {
  prompts,
  texts: ["a small grey cat", "nobody knows"],
});

describe("the scripted policy", () => {
  it("starts out uniform over the words that can follow", async () => {
    const trainer = scriptedTrainer({ texts: ["a b", "a c", "d"] });
    const sequence = { prompt: prompts[0], completion: trainer.encode("a c") };
    const { logProbs } = await trainer.forwardBackward([sequence], (rows) => ({ loss: 0, gradient: [...rows] }));
    expect([...logProbs[0]!].map(Math.exp)).toEqual([0.5, 0.5, 1].map((p) => expect.closeTo(p, 12)));
  });

  it("has the gradient of a softmax, as a hand-made step shows", async () => {
    const trainer = scriptedTrainer({ texts: ["yes", "no"] });
    const sequence = { prompt: prompts[0], completion: trainer.encode("yes") };
    const lossFn = (rows: readonly Float64Array[]) => ({
      loss: -rows[0]![0]!,
      gradient: rows.map((row) => row.map((_, t) => (t === 0 ? -1 : 0))),
    });
    await trainer.forwardBackward([sequence], lossFn);
    // ∂/∂z = (½, −½) for log ½, so that one step of rate 2 leaves z = (1, −1).
    expect((await trainer.optimStep({ learningRate: 2 })).gradNorm).toBeCloseTo(Math.SQRT1_2, 12);
    const { logProbs } = await trainer.forwardBackward([sequence], lossFn);
    expect(Math.exp(logProbs[0]![0]!)).toBeCloseTo(1 / (1 + Math.exp(-2)), 12);
  });

  it("draws words as often as they are likely", async () => {
    const [completions] = await scriptedTrainer({ texts: ["a", "b", "c", "d"] })
      .sampler()
      .generate([prompts[0]], { count: 4000, seed: 3 });
    for (const text of ["a", "b", "c", "d"])
      expect(completions!.filter((one) => one.text === text).length / 4000).toBeCloseTo(0.25, 1);
  });

  it.each([{ topP: 0.5 }, { topK: 2 }, { topK: 3, topP: 0.6 }])("leaves the tail out under %j", async (options) => {
    const [completions] = await scriptedTrainer({ texts: ["a", "b", "c", "d"] })
      .sampler()
      .generate([prompts[0]], { count: 200, seed: 3, ...options });
    expect(new Set(completions!.map(({ text }) => text)).size).toBe(2);
    expect(completions![0]!.samplingLogProbs![0]).toBeCloseTo(Math.log(0.5), 12);
    expect(completions![0]!.logProbs![0]).toBeCloseTo(Math.log(0.25), 12);
  });

  it("says so when it is asked for a text that it cannot write", () => {
    expect(() => scriptedTrainer({ texts }).encode("a small green cat")).toThrow(
      new ConfigError(
        `scriptedTrainer: expected one of its ${texts.length} texts, got "a small green cat"; add it to texts`,
      ),
    );
    // A run's factory need not be async.
    const made: DisposableOption<Trainer> = () => scriptedTrainer({ texts });
    expect(made).toBeTypeOf("function");
  });
});
