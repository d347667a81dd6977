import type { GenerateOptions, VlmBackend } from "../../backend";
import { modelDigest } from "../../engine/checkpoint/model-digest";
import { toCompletion } from "../../engine/sampling/completions";
import { checkedSampling } from "../../engine/sampling/options";
import { checkLength, countTokens } from "../../engine/sampling/sampler";
import { NonFiniteError } from "../../errors";
import type { VisionLanguageModel } from "../../models/open-model";
import { deriveSeed } from "../../rng";
import type { Completion, Prompt } from "../../types";
import type { Engine } from "./engine";
import type { TorchSettings } from "./options";
import { answeredRows, sendPrompts, spreadRows, unpack } from "./rows";

/** A backend that samples the workers' current weights. */
export function samplerOf(
  model: VisionLanguageModel,
  engine: Engine,
  { sampledAtOnce }: TorchSettings,
  weightsDigest: () => string,
): VlmBackend {
  let digest: Promise<string> | undefined;
  const { config, checkpoint } = model;
  return {
    name: `torch ${model.name}`,
    versions: engine.versions,
    capabilities: { logProbs: true, tokenIds: true, reproducible: true },
    weightsDigest,
    modelDigest: () => (digest ??= modelDigest(model, { checkpoint })),
    generate: (prompts, options) => generate(model, engine, sampledAtOnce, prompts, options),
    countTokens: async (prompts) => ({ tokens: await countTokens(model, prompts), limit: config.text.contextLength }),
    checkImage: model.checkImage,
    dispose: async () => {},
  };
}

async function generate(
  model: VisionLanguageModel,
  engine: Engine,
  rowsAtOnce: number,
  prompts: readonly Prompt[],
  options: GenerateOptions,
): Promise<Completion[][]> {
  const { count, seed, topK, ...sampling } = checkedSampling(options);
  options.signal?.throwIfAborted();
  const sent = await sendPrompts(model, prompts);
  const numbers = prompts.map(sent.numberOf);
  const { contextLength } = model.config.text;
  for (const [p, number] of numbers.entries()) checkLength(sent.prompts[number]!, p, sampling.maxTokens, contextLength);
  const rows = numbers.flatMap((prompt, i) =>
    Array.from({ length: count }, (_, k) => ({
      index: i * count + k,
      prompt,
      completion: [],
      seed: deriveSeed(seed, "sample", i, k),
    })),
  );
  const batches = spreadRows(rows, sent, { ...engine, rowsAtOnce, aligned: false });
  const { eos, image, video, visionStart, visionEnd } = model.config.tokens;
  // As onnxTrainer's sampler: a completion has no places for images.
  const limits = {
    ends: eos,
    never: [image, video, visionStart, visionEnd],
    topK: Number.isFinite(topK) ? topK : null,
  };
  const body = { prompts: sent.prompts, images: sent.images, batches, ...sampling, ...limits };
  const answer = rows.length === 0 ? { rows } : await engine.ask("generate", body, options.signal);
  const isShaped = Number.isFinite(topK) || sampling.topP < 1 || sampling.repetitionPenalty !== 1;
  const found = answeredRows("generate", answer, rows.length).map((row, r) => readGenerated(row, r, isShaped));
  const texts = model.tokenizer.decodeAll(found.map(({ tokens }) => tokens));
  const { decode } = model.tokenizer;
  return prompts.map((_, i) =>
    Array.from({ length: count }, (_, k) => {
      const r = i * count + k;
      return toCompletion(found[r]!, texts[r]!, decode, sampling.stop);
    }),
  );
}

function readGenerated(row: Readonly<Record<string, unknown>>, r: number, isShaped: boolean) {
  const tokens = (Array.isArray(row.tokens) ? row.tokens : []).map(Number);
  const column = (name: string) => {
    const values = [...unpack(row[name])];
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0)
      throw new NonFiniteError(
        `torchTrainer, generate: row ${r}, token ${bad}: expected a finite number in ${name}, got ${values[bad]}; are the weights finite?`,
      );
    return values;
  };
  return {
    tokens,
    ended: row.ended === true,
    logProbs: column("logProbs"),
    samplingLogProbs: column("samplingLogProbs"),
    ...(isShaped && { temperedLogProbs: column("temperedLogProbs") }),
  };
}
