import { z } from "zod";
import { shown } from "../../../options/display";
import { type ConfigFiles, readConfigFiles } from "../../files/config-files";
import { check, count, limits, orDefault, refuse, tokenIds } from "../../files/fields";

export const modelType = "qwen2_vl";

/** What the network needs to know about a checkpoint, whichever of the file layouts it came in. */
export interface Qwen2VlConfig {
  readonly text: {
    readonly vocabSize: number;
    readonly hiddenSize: number;
    readonly intermediateSize: number;
    readonly layers: number;
    readonly heads: number;
    readonly kvHeads: number;
    readonly headDim: number;
    readonly rmsNormEps: number;
    readonly ropeTheta: number;
    /** How many rotary frequencies turn with time, height and width; they sum to headDim / 2. */
    readonly mropeSection: readonly [time: number, height: number, width: number];
    readonly tieWordEmbeddings: boolean;
    /** Tokens of a prompt and its completion that the model was made for. */
    readonly contextLength: number;
  };
  readonly vision: {
    readonly depth: number;
    readonly embedDim: number;
    readonly heads: number;
    readonly mlpRatio: number;
    readonly patchSize: number;
    readonly temporalPatchSize: number;
    readonly spatialMergeSize: number;
    readonly inChannels: number;
  };
  /** Ids of the special tokens. */
  readonly tokens: {
    readonly image: number;
    readonly video: number;
    readonly visionStart: number;
    readonly visionEnd: number;
    /** Any of these ends a turn; the first is the one written after training targets. */
    readonly eos: readonly number[];
    readonly pad: number;
  };
}

const share = z.int().nonnegative();
const eosIds = z.union([z.int(), tokenIds]).nullish();

/** Plain rotary angles in three sections; stretched ones (yarn, linear, …) are another network. */
const mrope = z.enum(["mrope", "default"]).nullish();
const ropeSchema = z.object({
  mrope_section: orDefault(z.tuple([share, share, share]), [16, 24, 24]),
  rope_theta: z.number().positive().nullish(),
  type: mrope,
  rope_type: mrope,
});

/** As in transformers, an empty object is none. */
const givenRope = z.preprocess(
  (value) => (typeof value === "object" && value !== null && Object.keys(value).length === 0 ? undefined : value),
  ropeSchema.nullish(),
);

/** Qwen2VLTextConfig. */
const textSchema = z.object({
  vocab_size: orDefault(count(limits.vocabulary), 152_064),
  hidden_size: orDefault(count(limits.width), 8192),
  intermediate_size: orDefault(count(limits.width), 29_568),
  num_hidden_layers: orDefault(count(limits.layers), 80),
  num_attention_heads: orDefault(count(limits.heads), 64),
  /** Null, unlike a field that is left out, stands for as many as there are query heads. */
  num_key_value_heads: count(limits.heads).nullable().default(8),
  head_dim: count(limits.width).nullish(),
  hidden_act: orDefault(z.literal("silu"), "silu"),
  rms_norm_eps: orDefault(z.number().positive(), 1e-5),
  rope_theta: orDefault(z.number().positive(), 1e6),
  max_position_embeddings: orDefault(count(limits.context), 32_768),
  rope_scaling: givenRope,
  rope_parameters: givenRope,
  use_sliding_window: z.literal(false).nullish(),
  layer_types: z
    .custom(
      (types) => types == null || (Array.isArray(types) && types.every((type: unknown) => type === "full_attention")),
      { error: 'expected a list of "full_attention"' },
    )
    .optional(),
  tie_word_embeddings: z.boolean().nullish(),
  eos_token_id: eosIds,
  pad_token_id: z.int().nullish(),
});

/** Qwen2VLVisionConfig. */
const visionSchema = z.object({
  depth: orDefault(count(limits.layers), 32),
  embed_dim: orDefault(count(limits.width), 1280),
  num_heads: orDefault(count(limits.heads), 16),
  mlp_ratio: orDefault(z.number().positive().max(limits.patch), 4),
  patch_size: orDefault(count(limits.patch), 14),
  temporal_patch_size: orDefault(count(limits.patch), 2),
  spatial_merge_size: orDefault(count(limits.patch), 2),
  in_channels: orDefault(z.literal(3), 3),
  /** Qwen's own files have it, and transformers copies it; its class has `in_channels`. */
  in_chans: z.literal(3).nullish(),
  hidden_size: orDefault(count(limits.width), 3584),
  hidden_act: orDefault(z.literal("quick_gelu"), "quick_gelu"),
  rope_parameters: z.object({ rope_type: z.literal("axial"), rope_theta: z.literal(10_000) }).nullish(),
});

/** Qwen2VLConfig; the special tokens' defaults, and the end of a turn below, are of version 5, older ones always wrote them. */
const outerSchema = z.object({
  model_type: z.literal(modelType),
  vision_config: z.preprocess((given) => given ?? {}, visionSchema),
  text_config: z.unknown().optional(),
  image_token_id: orDefault(z.int(), 151_655),
  video_token_id: orDefault(z.int(), 151_656),
  vision_start_token_id: orDefault(z.int(), 151_652),
  vision_end_token_id: orDefault(z.int(), 151_653),
  tie_word_embeddings: z.boolean().nullish(),
  quantization_config: z.null({ error: "expected none: quantised checkpoints cannot be used" }).optional(),
});

const endOfTurn = 151_645;

/** The token that ends a turn in Qwen's chat format comes from generation_config.json where config.json has another. */
const generationSchema = z.object({
  eos_token_id: eosIds,
  pad_token_id: z.int().nullish(),
});

/**
 * Reads `config.json` (and `generation_config.json`, if there) of a Qwen2-VL checkpoint, in the flat layout or with `text_config`.
 * @throws DataError if the file cannot be read; ConfigError naming each key that this network cannot represent
 */
export async function loadConfig(dir: string): Promise<Qwen2VlConfig> {
  return readConfig(await readConfigFiles(dir));
}

/** @throws ConfigError naming each key that this network cannot represent */
export function readConfig({ path, json, generationPath, generation }: ConfigFiles): Qwen2VlConfig {
  const outer = check(outerSchema, json, path);
  const text = check(textSchema, outer.text_config ?? json, path);
  return normalise(outer, text, check(generationSchema, generation, generationPath), path);
}

function normalise(
  outer: z.infer<typeof outerSchema>,
  text: z.infer<typeof textSchema>,
  generation: z.infer<typeof generationSchema>,
  path: string,
): Qwen2VlConfig {
  const problems: string[] = [];
  const demand = (ok: boolean, message: string) => {
    if (!ok) problems.push(message);
  };
  const { vision_config: vision } = outer;
  const rope = text.rope_scaling ?? text.rope_parameters ?? ropeSchema.parse({});
  const headDim = text.hidden_size / text.num_attention_heads;
  const kvHeads = text.num_key_value_heads ?? text.num_attention_heads;
  const sections = rope.mrope_section;
  demand(
    Number.isInteger(headDim),
    `hidden_size ${text.hidden_size} is not a multiple of num_attention_heads ${text.num_attention_heads}`,
  );
  demand(
    text.head_dim == null || text.head_dim === headDim,
    `head_dim: expected hidden_size / num_attention_heads = ${headDim}, found ${text.head_dim}`,
  );
  demand(
    text.num_attention_heads % kvHeads === 0,
    `num_attention_heads ${text.num_attention_heads} is not a multiple of num_key_value_heads ${kvHeads}`,
  );
  demand(
    sections[0] + sections[1] + sections[2] === headDim / 2,
    `mrope_section ${JSON.stringify(sections)}: expected a sum of ${headDim / 2}, half the head size`,
  );
  demand(
    vision.hidden_size === text.hidden_size,
    `vision_config.hidden_size: expected the language model's ${text.hidden_size}, found ${vision.hidden_size}`,
  );
  demand(
    (vision.embed_dim / vision.num_heads) % 4 === 0,
    `vision_config: expected embed_dim ${vision.embed_dim} to be a multiple of 4 · num_heads, found num_heads ${vision.num_heads}`,
  );
  demand(
    Number.isInteger(vision.embed_dim * vision.mlp_ratio),
    `vision_config.mlp_ratio: expected a whole number of hidden units, found ${vision.mlp_ratio} · ${vision.embed_dim}`,
  );
  const isToken = (id: unknown): id is number => typeof id === "number" && id >= 0 && id < text.vocab_size;
  const marks = {
    image_token_id: outer.image_token_id,
    video_token_id: outer.video_token_id,
    vision_start_token_id: outer.vision_start_token_id,
    vision_end_token_id: outer.vision_end_token_id,
  };
  for (const [key, id] of Object.entries(marks))
    demand(isToken(id), `${key}: expected a token below vocab_size ${text.vocab_size}, found ${id}`);
  // Beyond the vocabulary is nothing that could be sampled.
  const given = [generation.eos_token_id ?? text.eos_token_id ?? endOfTurn].flat();
  const ends = [...new Set(given.filter(isToken))];
  demand(
    ends.length > 0 && given.every((id) => id >= 0 && id !== outer.image_token_id),
    `eos_token_id, here or in generation_config.json: expected tokens of the vocabulary, and not image_token_id ${outer.image_token_id}; found ${shown(given)}`,
  );
  if (problems.length > 0) refuse(path, problems);
  return {
    text: {
      vocabSize: text.vocab_size,
      hiddenSize: text.hidden_size,
      intermediateSize: text.intermediate_size,
      layers: text.num_hidden_layers,
      heads: text.num_attention_heads,
      kvHeads,
      headDim,
      rmsNormEps: text.rms_norm_eps,
      ropeTheta: rope.rope_theta ?? text.rope_theta,
      mropeSection: sections,
      contextLength: text.max_position_embeddings,
      tieWordEmbeddings: (outer.tie_word_embeddings || text.tie_word_embeddings) ?? false,
    },
    vision: {
      depth: vision.depth,
      embedDim: vision.embed_dim,
      heads: vision.num_heads,
      mlpRatio: vision.mlp_ratio,
      patchSize: vision.patch_size,
      temporalPatchSize: vision.temporal_patch_size,
      spatialMergeSize: vision.spatial_merge_size,
      inChannels: vision.in_channels,
    },
    tokens: {
      image: outer.image_token_id,
      video: outer.video_token_id,
      visionStart: outer.vision_start_token_id,
      visionEnd: outer.vision_end_token_id,
      eos: ends,
      // Some checkpoints name a token that is none, such as −1.
      pad: [generation.pad_token_id, text.pad_token_id, ...ends].find(isToken) ?? 0,
    },
  };
}

/** `config.json` of a checkpoint with this shape, as transformers reads it. */
export function configJson({ text, vision, tokens }: Qwen2VlConfig): Record<string, unknown> {
  const tied = { tie_word_embeddings: text.tieWordEmbeddings };
  return {
    architectures: ["Qwen2VLForConditionalGeneration"],
    model_type: modelType,
    ...tied,
    image_token_id: tokens.image,
    video_token_id: tokens.video,
    vision_start_token_id: tokens.visionStart,
    vision_end_token_id: tokens.visionEnd,
    text_config: {
      model_type: "qwen2_vl_text",
      vocab_size: text.vocabSize,
      hidden_size: text.hiddenSize,
      intermediate_size: text.intermediateSize,
      num_hidden_layers: text.layers,
      num_attention_heads: text.heads,
      num_key_value_heads: text.kvHeads,
      hidden_act: "silu",
      rms_norm_eps: text.rmsNormEps,
      max_position_embeddings: text.contextLength,
      rope_parameters: { rope_type: "default", rope_theta: text.ropeTheta, mrope_section: text.mropeSection },
      bos_token_id: null,
      eos_token_id: tokens.eos[0],
      pad_token_id: tokens.pad,
      ...tied,
    },
    vision_config: {
      model_type: "qwen2_vl_vision",
      depth: vision.depth,
      embed_dim: vision.embedDim,
      num_heads: vision.heads,
      mlp_ratio: vision.mlpRatio,
      patch_size: vision.patchSize,
      temporal_patch_size: vision.temporalPatchSize,
      spatial_merge_size: vision.spatialMergeSize,
      in_channels: vision.inChannels,
      hidden_size: text.hiddenSize,
      hidden_act: "quick_gelu",
    },
  };
}
