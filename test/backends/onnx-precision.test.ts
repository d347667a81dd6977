import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { onnxBackend } from "../../src/backends/onnx";
import { groupImages } from "../../src/engine/batch";
import { roundedFor } from "../../src/engine/checkpoint/quantized";
import { createSampler } from "../../src/engine/sampling/sampler";
import { ConfigError } from "../../src/errors";
import { openModel } from "../../src/models/open-model";
import { onnxTrainer } from "../../src/trainers/onnx";
import { checkpointDir, promptOf, reference } from "../models/reference";
import { describeBackend } from "./contract";

const cacheBefore = process.env.HF_ASSETS_CACHE;
process.env.HF_ASSETS_CACHE = await mkdtemp(join(tmpdir(), "rise-assets-"));
afterAll(async () => {
  await rm(process.env.HF_ASSETS_CACHE!, { recursive: true });
  if (cacheBefore === undefined) delete process.env.HF_ASSETS_CACHE;
  else process.env.HF_ASSETS_CACHE = cacheBefore;
});

const prompts = reference.cases.map(promptOf);
const options = { model: checkpointDir, device: "cpu" } as const;
const create = async (precision: "float32" | "int8" | "int4") => onnxBackend({ ...options, precision });
type Backend = Awaited<ReturnType<typeof create>>;

async function withBackends(use: (...backends: [Backend, Backend, Backend]) => Promise<void>): Promise<void> {
  const backends = [await create("float32"), await create("int8"), await create("int4")] as const;
  await use(...backends).finally(() => Promise.all(backends.map((backend) => backend.dispose())));
}

for (const precision of ["int8", "int4"] as const)
  describeBackend(`onnx, ${precision}`, () => create(precision), { prompts, tolerance: 1e-5 });

describe("the precision of a sampler", () => {
  it("is float32 where nothing is said, to the last bit", async () => {
    await withBackends(async (float32) => {
      const backend = await onnxBackend(options);
      const asked = { count: 2, maxTokens: 12, seed: 3 };
      expect(await backend.generate(prompts, asked)).toEqual(await float32.generate(prompts, asked));
      await backend.dispose();
    });
  });

  it("shows in the log-probs: int8 is near to float32, int4 less, and neither is the same", async () => {
    await withBackends(async (float32, int8, int4) => {
      const asked = { count: 400, maxTokens: 1, seed: 9 };
      const byToken = async (backend: Backend) => {
        const written = (await backend.generate(prompts.slice(0, 1), asked)).flat();
        return new Map(written.map(({ tokenIds, logProbs }) => [tokenIds![0]!, logProbs![0]!]));
      };
      const exact = await byToken(float32);
      const distance = async (backend: Backend) => {
        const differences = [...(await byToken(backend))].flatMap(([token, value]) =>
          exact.has(token) ? [Math.abs(value - exact.get(token)!)] : [],
        );
        expect(differences.length).toBeGreaterThan(20);
        return differences.reduce((a, b) => a + b, 0) / differences.length;
      };
      const [near, far] = [await distance(int8), await distance(int4)];
      expect(near).toBeGreaterThan(1e-4);
      expect(near).toBeLessThan(0.1);
      expect(far).toBeGreaterThan(near);
    });
  });

  it.each(["int8", "int4"] as const)(
    "%s: the log-probs are those of the distribution that is drawn from",
    async (precision) => {
      const backend = await create(precision);
      const draws = 4000;
      const written = (await backend.generate(prompts.slice(0, 1), { count: draws, maxTokens: 1, seed: 1 })).flat();
      await backend.dispose();
      const seen = new Map<number, { count: number; logProb: number }>();
      for (const { tokenIds, logProbs, samplingLogProbs } of written) {
        const logProb = samplingLogProbs![0]!;
        // Tokens that stand for pictures are left out of it.
        expect(logProb).toBeGreaterThanOrEqual(logProbs![0]!);
        const known = seen.get(tokenIds![0]!) ?? { count: 0, logProb };
        expect(logProb).toBeCloseTo(known.logProb, 5);
        seen.set(tokenIds![0]!, { count: known.count + 1, logProb });
      }
      const likely = [...seen.values()].filter(({ logProb }) => draws * Math.exp(logProb) >= 10);
      expect(likely.length).toBeGreaterThan(20);
      let statistic = 0;
      for (const { count, logProb } of likely) {
        const expected = draws * Math.exp(logProb);
        statistic += (count - expected) ** 2 / expected;
      }
      // Mean plus four standard deviations of chi-square; the seed is fixed.
      expect(statistic).toBeLessThan(likely.length + 4 * Math.sqrt(2 * likely.length));
    },
  );

  it("leaves the vision tower as it is", async () => {
    const model = await openModel(checkpointDir);
    const policy = { architecture: model.architecture, checkpoint: model.checkpoint, trainable: new Map() };
    const rounded = await roundedFor(model, "int8");
    const groups = groupImages(await Promise.all(prompts.map(model.encodePrompt)), model.architecture);
    const [exact, sampled] = [undefined, rounded].map((checkpoint) =>
      createSampler(model, policy, { rowsAtOnce: 4, rounded: checkpoint }),
    );
    expect((await sampled!.features(groups)).data).toEqual((await exact!.features(groups)).data);
    await Promise.all([exact, sampled].map((sampler) => sampler!.dispose()));
  });
});

describe("a trainer whose sampler is rounded", () => {
  it("samples its adapter as soon as it has changed", async () => {
    const trainer = await onnxTrainer({ ...options, lora: { rank: 4 }, samplerPrecision: "int8" });
    const completion = trainer.encode("joy");
    const sequence = { prompt: prompts[0]!, completion };
    const likelihood = async () => {
      const written = (
        await trainer.sampler().generate(prompts.slice(0, 1), { count: 200, maxTokens: 1, seed: 2 })
      ).flat();
      return written.filter(({ tokenIds }) => tokenIds![0] === completion[0]).length / 200;
    };
    const before = await likelihood();
    const imitate = (rows: readonly Float64Array[]) => ({ loss: 0, gradient: rows.map((row) => row.map(() => -1)) });
    for (let step = 0; step < 30; step++) {
      await trainer.forwardBackward([sequence], imitate);
      await trainer.optimStep({ learningRate: 0.02 });
    }
    const [trained] = await trainer.logProbs([sequence]);
    expect(before).toBeLessThan(0.2);
    expect(await likelihood()).toBeCloseTo(Math.exp(trained![0]!), 1);
    expect(trained![0]!).toBeGreaterThan(Math.log(0.6));
    await trainer.dispose();
  });

  it("needs an adapter: weights that change cannot be rounded once", async () => {
    await expect(onnxTrainer({ ...options, samplerPrecision: "int8" })).rejects.toThrow(ConfigError);
  });
});
