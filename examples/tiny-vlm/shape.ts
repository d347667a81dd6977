import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Qwen2VlConfig } from "rise-ts/models/qwen2-vl";

/** The tiny model: Qwen2-VL's architecture at 2.6 million parameters, around the tokenizer in `dir`. */
export async function tinyConfig(dir: string): Promise<Qwen2VlConfig> {
  const { added_tokens: added } = JSON.parse(await readFile(join(dir, "tokenizer.json"), "utf8")) as {
    added_tokens: { id: number; content: string }[];
  };
  const id = (content: string) => {
    const token = added.find((candidate) => candidate.content === content);
    if (!token) throw new Error(`${dir}/tokenizer.json: expected a token ${content}, got none`);
    return token.id;
  };
  return {
    text: {
      vocabSize: Math.max(...added.map((token) => token.id)) + 1,
      hiddenSize: 160,
      intermediateSize: 448,
      layers: 4,
      heads: 5,
      kvHeads: 1,
      headDim: 32,
      rmsNormEps: 1e-6,
      ropeTheta: 10_000,
      mropeSection: [4, 6, 6],
      contextLength: 4096,
      tieWordEmbeddings: true,
    },
    vision: {
      depth: 4,
      embedDim: 128,
      heads: 4,
      mlpRatio: 4,
      patchSize: 14,
      temporalPatchSize: 2,
      spatialMergeSize: 2,
      inChannels: 3,
    },
    tokens: {
      image: id("<|image_pad|>"),
      video: id("<|video_pad|>"),
      visionStart: id("<|vision_start|>"),
      visionEnd: id("<|vision_end|>"),
      eos: [id("<|im_end|>")],
      pad: id("<|endoftext|>"),
    },
  };
}
