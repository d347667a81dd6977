import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ShapeError, TrainingError } from "../../src/errors";
import type { LossFn, Trainer, TrainSequence } from "../../src/trainer";
import type { Prompt } from "../../src/types";

/** What every trainer is held to. */
export function describeTrainer(
  name: string,
  /** A new trainer, the same each time. */
  create: () => Promise<Trainer>,
  {
    prompts,
    texts,
    words = [{ role: "user", content: [{ type: "text", text: "Say something." }] }],
    learningRate = 1e-3,
    tolerance = 1e-9,
  }: {
    readonly prompts: readonly [Prompt, Prompt];
    /** Two completions that the trainer can encode, with different beginnings. */
    readonly texts: readonly [string, string];
    /** A prompt without an image. */
    readonly words?: Prompt;
    /** Small enough that a step along the gradient goes uphill. */
    readonly learningRate?: number;
    /** How far log-probs of the same weights, computed in different ways, may be apart, nats. */
    readonly tolerance?: number;
  },
): void {
  describe(`trainer ${name}`, () => {
    const sequencesOf = (trainer: Trainer): [TrainSequence, TrainSequence] => [
      { prompt: prompts[0], completion: trainer.encode(texts[0]) },
      { prompt: prompts[1], completion: trainer.encode(texts[1]) },
    ];
    const step = async (trainer: Trainer, sequences: readonly TrainSequence[], lossFn: LossFn = raise) => {
      await trainer.forwardBackward(sequences, lossFn);
      return trainer.optimStep({ learningRate });
    };

    it("makes a completion likelier by a step on its log-prob", () =>
      using(create, async (trainer) => {
        const [sequence] = sequencesOf(trainer);
        const before = sum(await logProbsOf(trainer, [sequence]));
        const { gradNorm } = await step(trainer, [sequence]);
        expect(gradNorm).toBeGreaterThan(0);
        expect(sum(await logProbsOf(trainer, [sequence]))).toBeGreaterThan(before);
      }));

    it("makes a completion less likely by a step the other way", () =>
      using(create, async (trainer) => {
        const [sequence] = sequencesOf(trainer);
        const before = sum(await logProbsOf(trainer, [sequence]));
        await step(trainer, [sequence], scaled(-1));
        expect(sum(await logProbsOf(trainer, [sequence]))).toBeLessThan(before);
      }));

    it("gives log-probs of at most 0, one for each token, and the loss at them", () =>
      using(create, async (trainer) => {
        const sequences = sequencesOf(trainer);
        const { loss, logProbs } = await trainer.forwardBackward(sequences, raise);
        expect(logProbs.map(({ length }) => length)).toEqual(sequences.map(({ completion }) => completion.length));
        for (const logProb of logProbs.flatMap((row) => [...row])) expect(logProb).toBeLessThanOrEqual(0);
        expect(loss).toBeCloseTo(-sum(logProbs), 9);
      }));

    it("remembers the policy it started as", () =>
      using(create, async (trainer) => {
        const sequences = sequencesOf(trainer);
        const before = await trainer.logProbs(sequences);
        expectClose(before, await logProbsOf(trainer, sequences), tolerance);
        expectClose(await trainer.logProbs(sequences, { policy: "reference" }), before, tolerance);
        for (let i = 0; i < 3; i++) await step(trainer, sequences);
        expectClose(await trainer.logProbs(sequences, { policy: "reference" }), before, tolerance);
        expect(sum(await trainer.logProbs(sequences))).toBeGreaterThan(sum(before));
      }));

    it("divides logits by the temperature: two tokens' log-probs are as much closer", () =>
      using(create, async (trainer) => {
        await step(trainer, sequencesOf(trainer).slice(0, 1));
        const rivals = texts.map((text) => ({ prompt: prompts[0], completion: trainer.encode(text).slice(0, 1) }));
        const gap = async (temperature: number) => {
          const [a, b] = await trainer.logProbs(rivals, { temperature });
          return a![0]! - b![0]!;
        };
        expect(Math.abs((await gap(2)) - (await gap(1)) / 2)).toBeLessThanOrEqual(tolerance);
        expect(await gap(1)).not.toBe(0);
      }));

    it("takes the gradient at the temperature it scores at", () =>
      using(create, async (trainer) => {
        const [sequence] = sequencesOf(trainer);
        const scored = async () => sum(await trainer.logProbs([sequence], { temperature: 0.5 }));
        const before = await scored();
        const { logProbs } = await trainer.forwardBackward([sequence], raise, { temperature: 0.5 });
        expect(Math.abs(sum(logProbs) - before)).toBeLessThanOrEqual(tolerance * sequence.completion.length);
        await trainer.optimStep({ learningRate });
        expect(await scored()).toBeGreaterThan(before);
      }));

    it("samples the policy as it is after the last update, with the log-probs that training sees", () =>
      using(create, async (trainer) => {
        const options = { temperature: 0, maxTokens: 8, seed: 0 };
        const sampled = async () => (await trainer.sampler().generate([prompts[0]], options))[0]![0]!;
        const first = await sampled();
        await step(trainer, [{ prompt: prompts[0], completion: first.tokenIds! }]);
        const second = await sampled();
        const [logProbs] = await logProbsOf(trainer, [{ prompt: prompts[0], completion: second.tokenIds! }]);
        expect(second.tokenIds).toEqual(first.tokenIds);
        expect(total(second.logProbs!)).toBeGreaterThan(total(first.logProbs!));
        expectClose([Float64Array.from(second.logProbs!)], [logProbs!], tolerance);
      }));

    it("samples with the log-probs that training sees at the temperature, whatever else decides what is drawn", () =>
      using(create, async (trainer) => {
        await step(trainer, sequencesOf(trainer));
        const options = {
          temperature: 0.7,
          topP: 0.4,
          topK: 3,
          repetitionPenalty: 1.3,
          count: 3,
          maxTokens: 8,
          seed: 1,
        };
        const [completions] = await trainer.sampler().generate([prompts[0]], options);
        const sampled = completions!.map(({ tokenIds }) => ({ prompt: prompts[0], completion: tokenIds! }));
        const logProbs = await trainer.logProbs(sampled, { temperature: 0.7 });
        expectClose(
          completions!.map(({ temperedLogProbs }) => Float64Array.from(temperedLogProbs!)),
          logProbs,
          tolerance,
        );
        // The distribution that was drawn from is another one.
        expect(completions![0]!.samplingLogProbs).not.toEqual(completions![0]!.temperedLogProbs);
      }));

    it("is the same after save and load, to the last bit, and learns on in the same way", () =>
      withFolder((folder) =>
        using(create, (trainer) =>
          using(create, async (restored) => {
            const sequences = sequencesOf(trainer);
            await step(trainer, sequences);
            await trainer.save(folder);
            await restored.load(folder);
            expect(await logProbsOf(restored, sequences)).toEqual(await logProbsOf(trainer, sequences));
            for (const one of [trainer, restored]) await step(one, sequences.slice(0, 1), scaled(-2));
            expect(await logProbsOf(restored, sequences)).toEqual(await logProbsOf(trainer, sequences));
          }),
        ),
      ));

    it("forgets on load what was accumulated before", () =>
      withFolder((folder) =>
        using(create, async (trainer) => {
          await trainer.save(folder);
          await trainer.forwardBackward(sequencesOf(trainer), raise);
          await trainer.load(folder);
          await expect(trainer.optimStep({ learningRate })).rejects.toThrow(TrainingError);
        }),
      ));

    it("learns nothing from a gradient of zero", () =>
      using(create, (silent) =>
        using(create, async (trainer) => {
          const sequences = sequencesOf(trainer);
          await silent.forwardBackward(sequences, scaled(0));
          expect((await silent.optimStep({ learningRate: 0 })).gradNorm).toBe(0);

          await silent.forwardBackward(sequences.slice(1), scaled(0));
          const [a, b] = [await step(silent, sequences.slice(0, 1)), await step(trainer, sequences.slice(0, 1))];
          expect(a.gradNorm).toBeCloseTo(b.gradNorm, 6);
        }),
      ));

    it("adds up what two halves of a batch teach", () =>
      using(create, (halves) =>
        using(create, async (whole) => {
          const sequences = sequencesOf(whole);
          for (const sequence of sequences) await halves.forwardBackward([sequence], raise);
          const a = await halves.optimStep({ learningRate });
          const b = await step(whole, sequences);
          expect(Math.abs(a.gradNorm / b.gradNorm - 1)).toBeLessThanOrEqual(tolerance);
          expectClose(await logProbsOf(halves, sequences), await logProbsOf(whole, sequences), tolerance);
        }),
      ));

    it("makes each step from what went backward since the last one, whichever weights that reaches", () =>
      withFolder((folder) =>
        using(create, async (trainer) => {
          const [image] = sequencesOf(trainer);
          const text = { prompt: words, completion: trainer.encode(texts[1]) };
          const at = (name: string | number) => join(folder, String(name));
          await trainer.save(at(0));
          for (const [i, sequence] of [text, image, text].entries()) {
            const { gradNorm } = await step(trainer, [sequence]);
            await trainer.save(at(i + 1));
            await using(create, async (fresh) => {
              await fresh.load(at(i));
              expect((await step(fresh, [sequence])).gradNorm).toBe(gradNorm);
              await fresh.save(at(`fresh ${i}`));
            });
            expect(await digestsOf(at(`fresh ${i}`))).toEqual(await digestsOf(at(i + 1)));
          }
        }),
      ));

    it("forgets what was accumulated when a pass back, or the loss behind it, fails", () =>
      using(create, async (trainer) => {
        const sequences = sequencesOf(trainer);
        await trainer.forwardBackward(sequences, raise);
        await expect(trainer.backward(sequences, [])).rejects.toThrow(ShapeError);
        await expect(trainer.optimStep({ learningRate })).rejects.toThrow(TrainingError);
        let calls = 0;
        const failing: LossFn = (rows) => {
          if (++calls > 1) throw new Error("the loss failed");
          return raise(rows);
        };
        await expect(trainer.forwardBackward(sequences, failing)).rejects.toThrow("the loss failed");
        await expect(trainer.optimStep({ learningRate })).rejects.toThrow(TrainingError);
      }));

    it("adds up what log-probs and entropies teach, in one pass or in two", () =>
      using(create, (once) =>
        using(create, async (twice) => {
          const sequences = sequencesOf(once);
          const [ones, zeros] = [1, 0].map((value) => sequences.map(({ completion }) => completion.map(() => value)));
          await once.backward(sequences, ones!, { entropyCotangents: ones });
          await twice.backward(sequences, zeros!, { entropyCotangents: ones });
          await twice.backward(sequences, ones!);
          const [a, b] = [await once.optimStep({ learningRate }), await twice.optimStep({ learningRate })];
          expect(Math.abs(a.gradNorm / b.gradNorm - 1)).toBeLessThanOrEqual(tolerance);
          expectClose(await once.logProbs(sequences), await twice.logProbs(sequences), tolerance);
        }),
      ));

    it("gives entropies at the temperature it scores at, where they are asked for, and raises them by a step", () =>
      using(create, async (trainer) => {
        const sequences = sequencesOf(trainer);
        // The step leads away from a uniform policy, whose entropy has no slope.
        await step(trainer, sequences);
        const scoring = { temperature: 0.7 };
        const before = await trainer.entropies(sequences, scoring);
        expect(before.map(({ length }) => length)).toEqual(sequences.map(({ completion }) => completion.length));
        for (const entropy of before.flatMap((row) => [...row])) expect(entropy).toBeGreaterThanOrEqual(0);
        expect(sum(await trainer.entropies(sequences))).toBeGreaterThan(sum(before));

        const seen: (readonly Float64Array[] | undefined)[] = [];
        const uncertain: LossFn = (logProbs, entropies) => {
          seen.push(entropies);
          const zero = logProbs.map(({ length }) => new Float64Array(length));
          return { loss: 0, gradient: zero, entropyGradient: entropies?.map((row) => row.map(() => -1)) };
        };
        await trainer.forwardBackward(sequences, uncertain, { ...scoring, entropies: true });
        for (const entropies of seen) expectClose(entropies!, before, tolerance);
        expect((await trainer.optimStep({ learningRate })).gradNorm).toBeGreaterThan(0);
        expect(sum(await trainer.entropies(sequences, scoring))).toBeGreaterThan(sum(before));

        await trainer.forwardBackward(sequences, uncertain);
        expect(seen.at(-1)).toBeUndefined();
        const cotangents = sequences.map(({ completion }) => completion.map(() => 1));
        expect(await trainer.backward(sequences, cotangents)).not.toHaveProperty("entropies");
      }));

    it("takes the gradient at assumed log-probs, and gives the log-probs of the weights", () =>
      using(create, async (trainer) => {
        const [sequence] = sequencesOf(trainer);
        const [logProbs] = await logProbsOf(trainer, [sequence]);
        const seen: number[][] = [];
        const assumed = logProbs!.map(() => -7);
        const result = await trainer.forwardBackward(
          [sequence],
          (rows) => {
            seen.push([...rows[0]!]);
            return raise(rows);
          },
          { assumedLogProbs: [assumed] },
        );
        expect(seen[0]).toEqual([...assumed]);
        expectClose(result.logProbs, [logProbs!], tolerance);
        expect(result.loss).toBeCloseTo(-sum(result.logProbs), 9);
      }));

    it("refuses a gradient that is not shaped like the log-probs", () =>
      using(create, async (trainer) => {
        const sequences = sequencesOf(trainer);
        const shapedLike = (gradient: Float64Array[]) =>
          trainer.forwardBackward(sequences, () => ({ loss: 0, gradient }));
        await expect(shapedLike([new Float64Array(sequences[0].completion.length)])).rejects.toThrow(ShapeError);
        const oneShort = sequences.map(({ completion }) => new Float64Array(completion.length - 1));
        await expect(shapedLike(oneShort)).rejects.toThrow(ShapeError);
        const whole = sequences.map(({ completion }) => new Float64Array(completion.length));
        await expect(trainer.backward(sequences, oneShort)).rejects.toThrow("cotangents, row 0: expected");
        await expect(trainer.backward(sequences, whole, { entropyCotangents: oneShort })).rejects.toThrow(
          "entropyCotangents, row 0: expected",
        );
      }));

    it("refuses a gradient that is not a number", () =>
      using(create, async (trainer) => {
        await expect(trainer.forwardBackward(sequencesOf(trainer), scaled(Number.NaN))).rejects.toThrow(TrainingError);
      }));

    it("refuses a step without a gradient", () =>
      using(create, async (trainer) => {
        await expect(trainer.optimStep({ learningRate })).rejects.toThrow(TrainingError);
        await step(trainer, sequencesOf(trainer));
        await expect(trainer.optimStep({ learningRate })).rejects.toThrow(TrainingError);
      }));

    it("refuses to begin under an aborted signal", () =>
      using(create, async (trainer) => {
        const signal = AbortSignal.abort(new Error("enough"));
        await expect(trainer.forwardBackward(sequencesOf(trainer), raise, { signal })).rejects.toThrow("enough");
      }));
  });
}

/** L = −weight · Σ log-probs. */
const scaled =
  (weight: number): LossFn =>
  (logProbs) => ({ loss: -weight * sum(logProbs), gradient: logProbs.map((row) => row.map(() => -weight)) });

const raise = scaled(1);

const total = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const sum = (rows: readonly Float64Array[]) => total(rows.flatMap((row) => [...row]));

/** Log-probs of the present weights; the gradient that comes with them is zero. */
async function logProbsOf(trainer: Trainer, sequences: readonly TrainSequence[]) {
  const { logProbs } = await trainer.forwardBackward(sequences, scaled(0));
  return logProbs.map((row) => Float64Array.from(row));
}

function expectClose(actual: readonly Float64Array[], expected: readonly Float64Array[], tolerance: number): void {
  const gap = Math.max(...expected.flatMap((row, i) => [...row].map((value, t) => Math.abs(actual[i]![t]! - value))));
  expect(gap).toBeLessThanOrEqual(tolerance);
}

/** A digest of every file of a folder. */
async function digestsOf(folder: string): Promise<readonly (readonly [file: string, sha256: string])[]> {
  const files = (await readdir(folder)).sort();
  const digest = async (file: string) =>
    createHash("sha256")
      .update(await readFile(join(folder, file)))
      .digest("hex");
  return Promise.all(files.map(async (file) => [file, await digest(file)] as const));
}

async function using(create: () => Promise<Trainer>, use: (trainer: Trainer) => Promise<void>): Promise<void> {
  const trainer = await create();
  await use(trainer).finally(() => trainer.dispose());
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "rise-trainer-"));
  await use(folder).finally(() => rm(folder, { recursive: true }));
}
