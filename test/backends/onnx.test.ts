import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { GenerateOptions } from "../../src/backend";
import { onnxBackend } from "../../src/backends/onnx";
import { loadConfig } from "../../src/models/families/qwen2-vl/config";
import { qwen2VlArchitecture } from "../../src/models/families/qwen2-vl/family";
import { readSafetensors, writeSafetensors } from "../../src/models/files/safetensors";
import { loadTokenizer } from "../../src/models/inputs/tokenizer";
import { onnxTrainer } from "../../src/trainers/onnx";
import { checkpointDir, imagePath, largestError, promptOf, reference } from "../models/reference";
import { describeBackend } from "./contract";

// Recorded by test/reference/qwen2-vl/sampling.py: transformers 5.23.0's logits processors.
const sampling: {
  readonly cases: readonly {
    readonly options: Partial<GenerateOptions>;
    readonly tokens: readonly number[];
    readonly logProbs: readonly number[];
  }[];
} = JSON.parse(await readFile(new URL("../reference/data/sampling.json", import.meta.url), "utf8"));

const prompts = reference.cases.map(promptOf);
const config = await loadConfig(checkpointDir);
const architecture = qwen2VlArchitecture(config);
const tokenizer = await loadTokenizer(checkpointDir, architecture);
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
      callsOnPromptEnd: true,
    },
  );

describe("a backend", () => {
  it("says which onnxruntime it computes with, and on which device", async () => {
    const manifest = new URL("../../node_modules/onnxruntime-node/package.json", import.meta.url);
    const { version } = JSON.parse(await readFile(manifest, "utf8"));
    expect(small.versions).toEqual({ "onnxruntime-node": version, device: "cpu" });
  });
});

describe("completions", () => {
  it("are the same however many are made at once", async () => {
    const options = { count: 3, maxTokens: 10, seed: 4 };
    const ids = async (backend: Backend) =>
      (await backend.generate(prompts, options)).map((group) => group.map(({ tokenIds }) => tokenIds));
    const expected = await ids(large);
    expect(await ids(small)).toEqual(expected);
    expect(await ids(odd)).toEqual(expected);
  });

  it.each([{ temperature: 0 }, { temperature: 1 }, { temperature: 1.3, topK: 20 }, { topP: 0.8 }])(
    "of prompts of every length and pictures of every size are what each is alone: %j",
    async (options) => {
      const files = ["square", "wide", "alpha", "fits", "grey", "palette"];
      const picture = (file: string) => ({ type: "image" as const, image: imagePath(`${file}.png`) });
      const words = (i: number) => ({ type: "text" as const, text: "What mood does this picture show? ".repeat(i) });
      const many = [
        ...prompts,
        ...files.map((file, i) => [{ role: "user" as const, content: [picture(file), words(i)] }]),
        [{ role: "user" as const, content: [picture("grey"), words(1), picture("wide"), picture("grey")] }],
      ];
      const ids = async (backend: Backend) =>
        (await backend.generate(many, { count: 2, maxTokens: 24, seed: 6, ...options })).map((group) =>
          group.map(({ tokenIds }) => tokenIds),
        );
      // One row at once is each alone.
      const alone = await ids(small);
      expect(new Set(alone.map((group) => group.join(" "))).size).toBe(many.length);
      expect(await ids(odd)).toEqual(alone);
      expect(await ids(large)).toEqual(alone);
    },
  );

  it("are written before images of the prompts beyond 64 are read: those of thousands would fill the memory", async () => {
    const missing = [{ role: "user" as const, content: [{ type: "image" as const, image: "missing.png" }] }];
    const many = [...Array.from({ length: 64 }, () => prompts[0]!), missing];
    const ended: number[] = [];
    await large.generate(many, { seed: 0, maxTokens: 1, onPromptEnd: (i) => void ended.push(i) });
    expect(ended).toEqual(Array.from({ length: 65 }, (_, i) => i));
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

  it.each([
    { temperature: 0 },
    { temperature: 1 },
    { topP: 0.8, topK: 30 },
    { temperature: 0.7, repetitionPenalty: 1.3 },
  ])("are the same to the last bit when they are looked at in between: %j", async (options) => {
    const asked = { count: 3, maxTokens: 45, seed: 8, ...options };
    const whole = await odd.generate(prompts, asked);
    const { signal } = new AbortController();
    // A stop text that never comes: 8 tokens, 8 more, 16 more, the rest.
    expect(await odd.generate(prompts, { ...asked, stop: ["never written"], signal })).toEqual(whole);
    expect(await odd.generate(prompts, { ...asked, signal })).toEqual(whole);
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

  it.each(sampling.cases)("at $options", async ({ options, tokens, logProbs }) => {
    const expected = new Map(tokens.map((token, i) => [token, logProbs[i]!]));
    const request = { count: samples, maxTokens: 1, seed: 20, ...options };
    const [written] = await large.generate(prompts.slice(0, 1), request);
    const seen = new Float64Array(config.text.vocabSize);
    for (const { tokenIds, samplingLogProbs } of written!) {
      seen[tokenIds![0]!]! += 1;
      // A token that cannot be drawn has no log-prob here, and none fits.
      expect(Math.abs(samplingLogProbs![0]! - expected.get(tokenIds![0]!)!)).toBeLessThan(1e-4);
    }
    const probabilities = Array.from(seen, (_, token) => Math.exp(expected.get(token) ?? Number.NEGATIVE_INFINITY));
    const { statistic, freedom } = chiSquare(seen, probabilities, samples);
    // Mean plus four standard deviations: one good sampler in about ten thousand fails, and the seed is fixed.
    expect(freedom).toBeGreaterThan(5);
    expect(statistic).toBeLessThan(freedom + 4 * Math.sqrt(2 * freedom));
  });

  it("and the likeliest token alone is greedy", async () => {
    const greedy = await large.generate(prompts, { temperature: 0, maxTokens: 8, seed: 0 });
    const ids = (completions: typeof greedy) => completions.map(([completion]) => completion!.tokenIds);
    for (const one of [{ topP: 1e-6 }, { topK: 1 }]) {
      const likeliest = await large.generate(prompts, { ...one, maxTokens: 8, seed: 5 });
      expect(ids(likeliest)).toEqual(ids(greedy));
      for (const [completion] of likeliest)
        expect(completion!.samplingLogProbs!.map(Math.abs).every((x) => x < 1e-5)).toBe(true);
    }
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

/** Pearson's statistic; tokens that are expected fewer than five times are counted together. */
function chiSquare(seen: Float64Array, expected: readonly number[], samples: number) {
  const rare = expected.map((p) => p * samples < 5);
  const term = (count: number, p: number) => (p > 0 ? (count - p * samples) ** 2 / (p * samples) : 0);
  const common = expected.flatMap((p, id) => (rare[id] ? [] : [term(seen[id]!, p)]));
  const over = (values: ArrayLike<number>) => sum(Array.from(values).filter((_, id) => rare[id]));
  return { statistic: sum(common) + term(over(seen), over(expected)), freedom: common.length };
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
