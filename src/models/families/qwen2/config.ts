import * as z from "zod";
import { shown } from "../../../options/display";
import type { ConfigFiles } from "../../files/config-files";
import { check, count, limits, orDefault, refuse, tokenIds } from "../../files/fields";
import type { DecoderConfig } from "../../parts/decoder";
import { type Fields, field, schemasOf, storedOf, type ValuesOf, valuesOf } from "./fields";
import { type Demand, readVision, type VisionClass, visionJson, visionSchema } from "./vision";

/** The differences in config.json between the families. */
export interface Qwen2Kind<F extends Fields = Fields> {
  readonly modelType: string;
  /** The class in transformers. */
  readonly architecture: string;
  readonly text: TextClass;
  readonly vision: VisionClass<F>;
}

/** A text model's class in transformers: the defaults of its fields, and its further tensors. */
export interface TextClass {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** The class's own head size (hidden_size / num_attention_heads, whatever a file says). */
  readonly headDim?: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  readonly contextLength: number;
  readonly mropeSection: DecoderConfig["text"]["mropeSection"];
  /** Optional fields of `text_config` with one allowed value. */
  readonly fixed: Readonly<Record<string, boolean>>;
  /** Fields of its rope_parameters with one allowed value. */
  readonly fixedRope: Readonly<Record<string, boolean>>;
}

/** Qwen2VLTextConfig, which Qwen2.5-VL shares. */
export const qwen2Text: TextClass = {
  vocabSize: 152_064,
  hiddenSize: 8192,
  intermediateSize: 29_568,
  layers: 80,
  heads: 64,
  kvHeads: 8,
  rmsNormEps: 1e-5,
  ropeTheta: 1e6,
  contextLength: 32_768,
  mropeSection: [16, 24, 24],
  fixed: { use_sliding_window: false },
  fixedRope: {},
};

const share = z.int().nonnegative();
const eosIds = z.union([z.int(), tokenIds]).nullish();

/** Plain rotary angles in three sections; scaled ones (yarn, linear, …) are another network. */
const mrope = z.enum(["mrope", "default"]).nullish();
const ropeSchema = ({ mropeSection, fixedRope }: TextClass) =>
  z.object({
    mrope_section: orDefault(z.tuple([share, share, share]), [...mropeSection]),
    rope_theta: z.number().positive().nullish(),
    type: mrope,
    rope_type: mrope,
    ...only(fixedRope),
  });

const only = (fixed: Readonly<Record<string, boolean>>) =>
  Object.fromEntries(Object.entries(fixed).map(([name, value]) => [name, z.literal(value).nullish()] as const));

/** As in transformers, an empty object counts as missing. */
const givenRope = (text: TextClass) =>
  z.preprocess(
    (value) => (typeof value === "object" && value !== null && Object.keys(value).length === 0 ? undefined : value),
    ropeSchema(text).nullish(),
  );

const textFields = (text: TextClass) => ({
  vocabSize: field("vocab_size", count(limits.vocabulary), text.vocabSize),
  hiddenSize: field("hidden_size", count(limits.width), text.hiddenSize),
  intermediateSize: field("intermediate_size", count(limits.width), text.intermediateSize),
  layers: field("num_hidden_layers", count(limits.layers), text.layers),
  heads: field("num_attention_heads", count(limits.heads), text.heads),
  rmsNormEps: field("rms_norm_eps", z.number().positive(), text.rmsNormEps),
  contextLength: field("max_position_embeddings", count(limits.context), text.contextLength),
});

const textSchema = (text: TextClass) =>
  z.object({
    ...schemasOf(textFields(text)),
    /** Null, unlike a missing field, means as many as there are query heads. */
    num_key_value_heads: count(limits.heads).nullable().default(text.kvHeads),
    head_dim: count(limits.width).nullish(),
    hidden_act: orDefault(z.literal("silu"), "silu"),
    rope_theta: orDefault(z.number().positive(), text.ropeTheta),
    rope_scaling: givenRope(text),
    rope_parameters: givenRope(text),
    ...only(text.fixed),
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

/**
 * The fields outside the two towers. Defaults of special tokens, and the end of a turn below, come from transformers 5;
 * older versions always wrote them.
 */
const outerSchema = z.object({
  text_config: z.unknown().optional(),
  image_token_id: orDefault(z.int(), 151_655),
  video_token_id: orDefault(z.int(), 151_656),
  vision_start_token_id: orDefault(z.int(), 151_652),
  vision_end_token_id: orDefault(z.int(), 151_653),
  tie_word_embeddings: z.boolean().nullish(),
  quantization_config: z.null({ error: "expected none: quantised checkpoints cannot be used" }).optional(),
});

const endOfTurn = 151_645;

/** Schema of generation_config.json, which has the token that ends a turn if config.json has another one. */
const generationSchema = z.object({
  eos_token_id: eosIds,
  pad_token_id: z.int().nullish(),
});

/**
 * A configuration in the flat layout or with `text_config`.
 * @throws ConfigError naming each key that the network cannot represent
 */
export function readQwen2Config<F extends Fields>(
  kind: Qwen2Kind<F>,
  { path, json, generationPath, generation }: ConfigFiles,
): Omit<DecoderConfig, "vision"> & { readonly vision: ValuesOf<F> } {
  const schema = outerSchema.extend({
    model_type: z.literal(kind.modelType),
    vision_config: z.preprocess((given) => given ?? {}, visionSchema(kind.vision)),
  });
  const outer = check(schema, json, path);
  const stored = check(textSchema(kind.text), outer.text_config ?? json, path);
  const problems: string[] = [];
  const demand: Demand = (ok, message) => {
    if (!ok) problems.push(message);
  };
  const text = readText(kind.text, stored, outer, demand);
  const vision = readVision(kind.vision, outer.vision_config, text.hiddenSize, demand);
  const tokens = readTokens(text.vocabSize, stored, outer, check(generationSchema, generation, generationPath), demand);
  if (problems.length > 0) refuse(path, problems);
  return { text, vision, tokens };
}

type Outer = z.infer<typeof outerSchema>;
type Text = z.infer<ReturnType<typeof textSchema>>;

function readText(kind: TextClass, text: Text, outer: Outer, demand: Demand): DecoderConfig["text"] {
  const fields = valuesOf(textFields(kind), text);
  const { hiddenSize, heads } = fields;
  const rope = text.rope_scaling ?? text.rope_parameters ?? ropeSchema(kind).parse({});
  const share = hiddenSize / heads;
  const headDim = kind.headDim === undefined ? share : (text.head_dim ?? kind.headDim);
  const kvHeads = text.num_key_value_heads ?? heads;
  const sections = rope.mrope_section;
  demand(
    Number.isInteger(headDim),
    `hidden_size: expected a multiple of num_attention_heads ${heads}, got ${hiddenSize}`,
  );
  demand(
    text.head_dim == null || text.head_dim === headDim,
    `head_dim: expected hidden_size / num_attention_heads = ${headDim}, got ${text.head_dim}`,
  );
  demand(
    heads % kvHeads === 0,
    `num_attention_heads: expected a multiple of num_key_value_heads ${kvHeads}, got ${heads}`,
  );
  demand(
    sections[0] + sections[1] + sections[2] === headDim / 2,
    `mrope_section: expected a sum of ${headDim / 2}, half the head size, got ${JSON.stringify(sections)}`,
  );
  return {
    ...fields,
    kvHeads,
    headDim,
    ropeTheta: rope.rope_theta ?? text.rope_theta,
    mropeSection: sections,
    tieWordEmbeddings: (outer.tie_word_embeddings || text.tie_word_embeddings) ?? false,
  };
}

function readTokens(
  vocabSize: number,
  text: Text,
  outer: Outer,
  generation: z.infer<typeof generationSchema>,
  demand: Demand,
): DecoderConfig["tokens"] {
  const isToken = (id: unknown): id is number => typeof id === "number" && id >= 0 && id < vocabSize;
  const { image_token_id, video_token_id, vision_start_token_id, vision_end_token_id } = outer;
  const marks = { image_token_id, video_token_id, vision_start_token_id, vision_end_token_id };
  for (const [key, id] of Object.entries(marks))
    demand(isToken(id), `${key}: expected a token below vocab_size ${vocabSize}, got ${id}`);
  // A token beyond the vocabulary cannot be sampled.
  const given = [generation.eos_token_id ?? text.eos_token_id ?? endOfTurn].flat();
  const ends = [...new Set(given.filter(isToken))];
  demand(
    ends.length > 0 && given.every((id) => id >= 0 && id !== image_token_id),
    `eos_token_id, here or in generation_config.json: expected tokens of the vocabulary, and not image_token_id ${image_token_id}, got ${shown(given)}`,
  );
  return {
    image: image_token_id,
    video: video_token_id,
    visionStart: vision_start_token_id,
    visionEnd: vision_end_token_id,
    eos: ends,
    // Some checkpoints have an id that is not a token, such as −1.
    pad: [generation.pad_token_id, text.pad_token_id, ...ends].find(isToken) ?? 0,
  };
}

/** config.json of a configuration, as transformers reads it. */
export function qwen2ConfigJson<F extends Fields>(
  { modelType, architecture, text: kind, vision: kindOfVision }: Qwen2Kind<F>,
  { text, tokens, vision }: Pick<DecoderConfig, "text" | "tokens"> & { readonly vision: ValuesOf<F> },
): Record<string, unknown> {
  const tied = { tie_word_embeddings: text.tieWordEmbeddings };
  return {
    architectures: [architecture],
    model_type: modelType,
    ...tied,
    image_token_id: tokens.image,
    video_token_id: tokens.video,
    vision_start_token_id: tokens.visionStart,
    vision_end_token_id: tokens.visionEnd,
    text_config: {
      model_type: `${modelType}_text`,
      ...storedOf(textFields(kind), text),
      num_key_value_heads: text.kvHeads,
      ...(kind.headDim !== undefined && { head_dim: text.headDim }),
      hidden_act: "silu",
      rope_parameters: {
        rope_type: "default",
        rope_theta: text.ropeTheta,
        mrope_section: text.mropeSection,
        ...kind.fixedRope,
      },
      bos_token_id: null,
      eos_token_id: tokens.eos[0],
      pad_token_id: tokens.pad,
      ...tied,
    },
    vision_config: { model_type: `${modelType}_vision`, ...visionJson(kindOfVision, vision, text.hiddenSize) },
  };
}
