import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { onnxBackend } from "../../src/backends/onnx";
import { loadConfig } from "../../src/models/qwen2-vl/config";
import { readSafetensors, writeSafetensors } from "../../src/models/qwen2-vl/safetensors";
import { loadTokenizer } from "../../src/models/qwen2-vl/tokenizer";
import { onnxTrainer } from "../../src/trainers/onnx";
import { checkpointDir, largestError, promptOf, reference, referenceArrays } from "../models/qwen2-vl/reference";
import { describeBackend } from "./contract";

const prompts = reference.cases.map(promptOf);
const config = await loadConfig(checkpointDir);
const tokenizer = await loadTokenizer(checkpointDir, config);
const { image, video, visionStart, visionEnd, eos } = config.tokens;
const forbidden = [image, video, visionStart, visionEnd];

const backends = [1, 5, 64].map((rowsAtOnce) => onnxBackend({ model: checkpointDir, device: "cpu", rowsAtOnce }));
const [small, odd, large] = (await Promise.all(backends)) as [Backend, Backend, Backend];
type Backend = Awaited<ReturnType<typeof onnxBackend>>;
afterAll(() => Promise.all([small, odd, large].map((backend) => backend.dispose())));

for (const rowsAtOnce of [1, 64])
  describeBackend(
    `onnx, rowsAtOnce ${rowsAtOnce}`,
    () => onnxBackend({ model: checkpointDir, device: "cpu", rowsAtOnce }),
    {
      prompts,
      tolerance: 1e-5,
    },
  );

describe("completions", () => {
  it("are the same however many are made at once", async () => {
    const options = { count: 3, maxTokens: 10, seed: 4 };
    const ids = async (backend: Backend) =>
      (await backend.generate(prompts, options)).map((group) => group.map(({ tokenIds }) => tokenIds));
    const expected = await ids(large);
    expect(await ids(small)).toEqual(expected);
    expect(await ids(odd)).toEqual(expected);
  });

  it("have the log-probs that the trainer gives them, to 1e-5", async () => {
    const trainer = await onnxTrainer({ model: checkpointDir, device: "cpu" });
    try {
      const written = await large.generate(prompts, { count: 2, maxTokens: 12, temperature: 0.8, topP: 0.9, seed: 3 });
      const sequences = written.flatMap((group, i) =>
        group.map(({ tokenIds }) => ({ prompt: prompts[i]!, completion: tokenIds! })),
      );
      const { logProbs } = await trainer.forwardBackward(sequences, (rows) => ({
        loss: 0,
        gradient: rows.map((row) => new Float64Array(row.length)),
      }));
      written.flat().forEach((completion, i) => {
        expect(largestError(completion.logProbs!, logProbs[i]!)).toBeLessThan(1e-5);
      });
    } finally {
      await trainer.dispose();
    }
  });

  it("end with the end-of-turn token, which is no part of the text", async () => {
    const written = (await large.generate(prompts.slice(0, 1), { count: 64, maxTokens: 40, seed: 2 })).flat();
    const ended = written.filter(({ finishReason }) => finishReason === "stop");
    expect(ended.length).toBeGreaterThan(2);
    for (const { tokenIds, text, finishReason } of written) {
      const places = tokenIds!.flatMap((id, i) => (eos.includes(id) ? [i] : []));
      expect(places).toEqual(finishReason === "stop" ? [tokenIds!.length - 1] : []);
      expect(text).toBe(tokenizer.decode(tokenIds!));
    }
  });

  it("keep, of a text cut at a stop, the tokens that spell no more than is left", async () => {
    const [[whole]] = (await large.generate(prompts.slice(2), { temperature: 0, maxTokens: 12, seed: 0 })) as [
      [Written],
    ];
    const stop = whole.text.slice(5, 8);
    const options = { temperature: 0, maxTokens: 12, seed: 0, stop: ["never written", stop] };
    const [[cut]] = (await large.generate(prompts.slice(2), options)) as [[Written]];
    expect(cut.text).toBe(whole.text.slice(0, whole.text.indexOf(stop)));
    expect(cut.tokenIds).toEqual(whole.tokenIds!.slice(0, cut.tokenIds!.length));
    expect(cut.text.startsWith(tokenizer.decode(cut.tokenIds!))).toBe(true);
    expect(cut.logProbs).toHaveLength(cut.tokenIds!.length);
    expect(cut.samplingLogProbs).toHaveLength(cut.tokenIds!.length);
  });

  it("come no further once the signal is aborted", async () => {
    const controller = new AbortController();
    const writing = small.generate(prompts, { count: 200, maxTokens: 8, seed: 0, signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 20);
    await expect(writing).rejects.toThrow("enough");
  });
});

type Written = Awaited<ReturnType<Backend["generate"]>>[number][number];

describe("2000 samples of one token follow transformers' distribution", () => {
  const samples = 2000;

  it.each([
    ["temperature 1", 1, 1],
    ["temperature 0.6", 0.6, 1],
    ["temperature 2", 2, 1],
    ["a nucleus of 0.7", 1, 0.7],
    ["temperature 1.5 and a nucleus of 0.9", 1.5, 0.9],
  ])("at %s", async (_, temperature, topP) => {
    const logits = (await referenceArrays()).get("one picture/logits")!.data.subarray(0, config.text.vocabSize);
    const expected = distribution(logits, temperature, topP);
    const [written] = await large.generate(prompts.slice(0, 1), {
      count: samples,
      maxTokens: 1,
      temperature,
      topP,
      seed: 20,
    });
    const seen = new Float64Array(expected.length);
    for (const { tokenIds, samplingLogProbs } of written!) {
      seen[tokenIds![0]!]! += 1;
      // A token beside the nucleus has probability 0 here, and none of its log-probs fits.
      expect(Math.abs(samplingLogProbs![0]! - Math.log(expected[tokenIds![0]!]!))).toBeLessThan(1e-4);
    }
    const { statistic, freedom } = chiSquare(seen, expected, samples);
    // Mean plus four standard deviations: one good sampler in about ten thousand fails, and the seed is fixed.
    expect(freedom).toBeGreaterThan(5);
    expect(statistic).toBeLessThan(freedom + 4 * Math.sqrt(2 * freedom));
  });

  it("and a nucleus that holds one token is greedy", async () => {
    const greedy = await large.generate(prompts, { temperature: 0, maxTokens: 8, seed: 0 });
    const nucleus = await large.generate(prompts, { topP: 1e-6, maxTokens: 8, seed: 5 });
    const ids = (completions: typeof greedy) => completions.map(([completion]) => completion!.tokenIds);
    expect(ids(nucleus)).toEqual(ids(greedy));
    for (const [completion] of nucleus)
      expect(completion!.samplingLogProbs!.map(Math.abs).every((x) => x < 1e-5)).toBe(true);
  });
});

it("tokens that stand for pictures are never written, not even by a model that wants nothing else", async () => {
  const dir = await mkdtemp(join(tmpdir(), "rise-wants-pictures-"));
  try {
    await cp(checkpointDir, dir, { recursive: true });
    const tensors = await readSafetensors(join(checkpointDir, "model.safetensors"));
    const { data, shape } = tensors.get("model.embed_tokens.weight")!;
    const width = shape[1]!;
    const first = reference.cases[0]!.greedy.ids[0]!;
    // Output weights are the embeddings: a tenfold copy of the likeliest token's is likelier by far. Features hide it from the input.
    data.set(
      data.subarray(first * width, (first + 1) * width).map((x) => 10 * x),
      image * width,
    );
    await writeSafetensors(join(dir, "model.safetensors"), tensors);
    const backend = await onnxBackend({ model: dir, device: "cpu" });
    try {
      for (const options of [{ temperature: 0 }, { temperature: 1 }, { topP: 0.9 }]) {
        const [[written]] = (await backend.generate(prompts.slice(0, 1), { ...options, maxTokens: 8, seed: 1 })) as [
          [Written],
        ];
        expect(written.tokenIds!.filter((id) => forbidden.includes(id))).toEqual([]);
        // Under the raw distribution the first token is hopeless; under the one sampled from it is not.
        expect(written.logProbs![0]!).toBeLessThan(-20);
        expect(written.samplingLogProbs![0]!).toBeGreaterThan(-15);
      }
    } finally {
      await backend.dispose();
    }
  } finally {
    await rm(dir, { recursive: true });
  }
});

/** softmax(logits / temperature) without the tokens of pictures, of which the likeliest are kept until they sum to topP. */
function distribution(logits: Float32Array, temperature: number, topP: number): number[] {
  const weights = Array.from(logits, (logit, id) => (forbidden.includes(id) ? 0 : Math.exp(logit / temperature)));
  const total = sum(weights);
  const probabilities = weights.map((weight) => weight / total);
  let before = 0;
  const kept = new Set<number>();
  for (const [id, p] of [...probabilities.entries()].sort(([, a], [, b]) => b - a)) {
    if (before < topP) kept.add(id);
    before += p;
  }
  const mass = sum([...kept].map((id) => probabilities[id]!));
  return probabilities.map((p, id) => (kept.has(id) ? p / mass : 0));
}

/** Pearson's statistic; tokens that are expected fewer than five times are counted together. */
function chiSquare(seen: Float64Array, expected: readonly number[], samples: number) {
  const rare = expected.map((p) => p * samples < 5);
  const term = (count: number, p: number) => (p > 0 ? (count - p * samples) ** 2 / (p * samples) : 0);
  const common = expected.flatMap((p, id) => (rare[id] ? [] : [term(seen[id]!, p)]));
  const over = (values: ArrayLike<number>) => sum(Array.from(values).filter((_, id) => rare[id]));
  return { statistic: sum(common) + term(over(seen), over(expected)), freedom: common.length };
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
