import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { onnxBackend } from "../../../src/backends/onnx";
import { runCommand } from "../../../src/cli/program";
import type { TrainableTensor } from "../../../src/engine/adapter";
import { mergeAdapter } from "../../../src/engine/checkpoint/merge";
import { createTrainingPass } from "../../../src/engine/training/pass";
import { readSafetensors } from "../../../src/models/files/safetensors";
import { openModel } from "../../../src/models/open-model";
import { createRng } from "../../../src/rng";
import type { LossFn, TrainSequence } from "../../../src/trainer";
import { type OnnxTrainerOptions, onnxTrainer } from "../../../src/trainers/onnx";
import type { Prompt, RawImage } from "../../../src/types";
import { describeBackend } from "../../backends/contract";
import type { Comparison } from "../../reference/compare";
import { compareShape } from "../../reference/shapes/compare";
import { describeTrainer } from "../../trainers/contract";
import { largestError, type ReferenceCase } from "../reference";

// Recorded by test/reference/families/record.py: transformers 5.24.0, PEFT 0.21.2, torch 2.14.1 (CPU, float32, eager attention).
const families = fileURLToPath(new URL("../../reference/data/families", import.meta.url));
const images = join(families, "images");

interface Counts {
  /** Trained tensors. */
  readonly parameters: number;
  /** Matrices of LoRA on every linear layer. */
  readonly matrices: number;
}

/** One recorded checkpoint of a family against transformers and PEFT. */
export function describeParity(family: string, shape: string, { parameters, matrices }: Counts): void {
  describe(`${family}, ${shape}, against transformers and PEFT`, () => {
    const tolerances: readonly (readonly [what: string, tolerance: number])[] = [
      ["prompts: token ids, image grids (8)", 0],
      ["positions (8)", 0],
      ["pixel values, to the bit (7)", 0],
      ["first token's log-probs, every token's (8)", 1e-4],
      ["log-probs (8)", 1e-4],
      ["64 greedy tokens (8)", 0],
      [`gradients of parameters (${2 * parameters})`, 1e-3],
      ["LoRA: log-probs (1)", 1e-4],
      [`LoRA: gradients of matrices (${matrices})`, 1e-3],
    ];
    let comparisons: readonly Comparison[] = [];
    beforeAll(async () => {
      comparisons = await compareShape(join(families, family, shape), images);
    });

    it("compares prompts of no, one and two images, every parameter, and every matrix of an adapter", () => {
      expect(comparisons.map(({ what }) => what)).toEqual(tolerances.map(([what]) => what));
    });

    it.each(tolerances)("agrees on %s within %d", (what, tolerance) => {
      const { difference, where } = comparisons.find((comparison) => comparison.what === what)!;
      expect(difference, where).toBeLessThanOrEqual(tolerance);
    });
  });
}

/** The contracts of backends and trainers over a recorded checkpoint, and the checkpoint saved, merged and quantized. */
export async function describeContracts(family: string, shape: string): Promise<void> {
  const dir = join(families, family, shape);
  const model = join(dir, "checkpoint");
  const { cases }: { readonly cases: readonly ReferenceCase[] } = JSON.parse(
    await readFile(join(dir, "cases.json"), "utf8"),
  );
  const [one, two] = ["hall.jpg", "two pictures"].map((name) => cases.find((each) => each.name === name)!);
  const prompts = [promptOf(one!), promptOf(two!)] as const;
  const sequence: TrainSequence = { prompt: prompts[1], completion: two!.completionIds };
  const options = { model, device: "cpu" } as const;
  const setting = { prompts, texts: ["A calm lake.", "Two dogs"] as const, tolerance: 1e-4, learningRate: 1e-5 };
  const lora = { rank: 4, targetModules: "all-linear" } as const;

  describeBackend(`onnx with ${family}`, () => onnxBackend(options), { prompts, tolerance: 1e-5 });
  describeTrainer(`onnx with every weight of ${family}`, () => onnxTrainer(options), setting);

  describe(`a checkpoint of ${family}`, () => {
    let scratch: string;
    const cacheBefore = process.env.HF_ASSETS_CACHE;
    beforeAll(async () => {
      scratch = await mkdtemp(join(tmpdir(), "rise-family-"));
      process.env.HF_ASSETS_CACHE = join(scratch, "assets");
    });
    afterAll(async () => {
      if (cacheBefore === undefined) delete process.env.HF_ASSETS_CACHE;
      else process.env.HF_ASSETS_CACHE = cacheBefore;
      await rm(scratch, { recursive: true });
    });

    it("has the log-probs that it was saved with, as a whole and merged with an adapter", async () => {
      for (const trained of [{}, { lora }]) {
        const [saved, merged] = [join(scratch, "saved"), join(scratch, "merged")];
        const logProbs = await trainedLogProbs({ ...options, ...trained }, sequence, saved);
        if ("lora" in trained) await mergeAdapter(saved, merged, { dtype: "float32" });
        const ours = await logProbsOf({ ...options, model: "lora" in trained ? merged : saved }, sequence);
        expect(largestError(ours, logProbs)).toBeLessThan(1e-5);
        expect(largestError(ours, await logProbsOf(options, sequence))).toBeGreaterThan(1e-2);
        await rm(saved, { recursive: true });
      }
    });

    it("has the log-probs of PEFT, merged with the adapter of PEFT, to 1e-5", async () => {
      const merged = join(scratch, "merged-peft");
      await mergeAdapter(join(dir, "adapter"), merged, { model, dtype: "float32" });
      const expected = (await readSafetensors(join(dir, "arrays.safetensors"))).get("lora/logProbs")!.data;
      expect(largestError(await logProbsOf({ ...options, model: merged }, sequence), expected)).toBeLessThan(1e-5);
    });

    it("computes three images of one size side by side as it computes each alone", async () => {
      const opened = await openModel(model);
      const { architecture, checkpoint } = opened;
      const trainable = new Map<string, TrainableTensor>();
      for (const [name, { shape }] of checkpoint.tensors)
        trainable.set(name, { shape, data: await checkpoint.read(name) });
      const features = () => Promise.reject(new Error("the vision tower is trained"));
      const rows = await Promise.all(
        [0, 1, 2].map(async (seed) => {
          const encoded = await opened.encodePrompt([
            { role: "user", content: [{ type: "image", image: noise(seed) }] },
          ]);
          return { ...encoded, tokens: [...encoded.tokens, 7, 11, 13], promptLength: encoded.tokens.length };
        }),
      );
      const cotangents = rows.map((_, r) => [1, -2, r]);
      const [alone, together] = await Promise.all(
        [1, 8].map(async (rowsAtOnce) => {
          const pass = createTrainingPass(opened, { architecture, checkpoint, trainable }, { rowsAtOnce, features });
          const sums = new Map<string, Float64Array>();
          const { logProbs } = await pass.backward(rows, cotangents, (name, part) => {
            sums.set(
              name,
              Float64Array.from(part, (x, i) => x + (sums.get(name)?.[i] ?? 0)),
            );
          });
          await pass.dispose();
          return { logProbs: logProbs.flatMap((row) => [...row]), sums };
        }),
      );
      expect(new Set(alone!.logProbs).size).toBe(9);
      expect(largestError(together!.logProbs, alone!.logProbs)).toBeLessThan(1e-5);
      for (const [name, gradient] of together!.sums)
        expect(largestError(gradient, alone!.sums.get(name)!), name).toBeLessThan(1e-4);
    });

    it("is foreseen by rise-ts memory, in numbers", async () => {
      let printed = "";
      const write = (text: string) => {
        printed += text;
      };
      expect(await runCommand(["memory", model], { out: write })).toBe(0);
      expect(printed).toContain("all weights, 8 at once, checkpointing");
      expect(printed).not.toMatch(/NaN|undefined/);
    });

    it("is sampled in int8 with log-probs near those of float32, and in int4 less near", async () => {
      const firstTokens = async (precision: "float32" | "int8" | "int4") => {
        const backend = await onnxBackend({ ...options, precision });
        const [written] = await backend.generate([prompts[0]], { count: 400, maxTokens: 1, seed: 9 });
        await backend.dispose();
        return new Map(written!.map(({ tokenIds, logProbs }) => [tokenIds![0]!, logProbs![0]!]));
      };
      const exact = await firstTokens("float32");
      const meanDifference = async (precision: "int8" | "int4") => {
        const common = [...(await firstTokens(precision))].filter(([token]) => exact.has(token));
        expect(common.length).toBeGreaterThan(20);
        return common.reduce((sum, [token, x]) => sum + Math.abs(x - exact.get(token)!), 0) / common.length;
      };
      const [near, far] = [await meanDifference("int8"), await meanDifference("int4")];
      expect(near).toBeGreaterThan(1e-4);
      expect(near).toBeLessThan(0.2);
      expect(far).toBeGreaterThan(4 * near);
    });
  });
}

const promptOf = ({ messages }: ReferenceCase): Prompt =>
  messages.map(({ role, content }) => ({
    role,
    content: content.map((part) => (part.type === "image" ? { ...part, image: join(images, part.image) } : part)),
  }));

function noise(seed: number): RawImage {
  const rng = createRng(seed, "noise");
  return { width: 133, height: 90, data: Uint8Array.from({ length: 133 * 90 * 3 }, () => rng.integer(256)) };
}

const constant =
  (value: number): LossFn =>
  (logProbs) => ({ loss: 0, gradient: logProbs.map((row) => new Float64Array(row.length).fill(value)) });

async function logProbsOf(options: OnnxTrainerOptions, sequence: TrainSequence): Promise<ArrayLike<number>> {
  const trainer = await onnxTrainer(options);
  const { logProbs } = await trainer.forwardBackward([sequence], constant(0));
  await trainer.dispose();
  return logProbs[0]!;
}

/** Log-probs after two steps towards the sequence; the trainer is saved to `dir`. */
async function trainedLogProbs(options: OnnxTrainerOptions, sequence: TrainSequence, dir: string) {
  const trainer = await onnxTrainer(options);
  for (let step = 0; step < 2; step++) {
    await trainer.forwardBackward([sequence], constant(-1));
    await trainer.optimStep({ learningRate: options.lora ? 1e-2 : 1e-3 });
  }
  await trainer.save(dir);
  const { logProbs } = await trainer.forwardBackward([sequence], constant(0));
  await trainer.dispose();
  return logProbs[0]!;
}
