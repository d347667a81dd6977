import { firstStop, toCompletion } from "../../engine/sampling/completions";
import type { Generated, SamplingOptions } from "../../engine/sampling/generate";
import { createRng } from "../../rng";
import type { Completion } from "../../types";
import type { Cache, Inputs, Library, Opened, Tensor } from "./library";
import { type ChosenToken, chooseToken } from "./next-token";
import { reservedTokens } from "./prompts";

export interface CompletionOptions extends SamplingOptions {
  readonly count: number;
  readonly stop: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** Settings of a model's generation_config.json that would change its logits, or the token that is drawn here. */
const neutral = {
  do_sample: false,
  num_beams: 1,
  temperature: 1,
  repetition_penalty: 1,
  no_repeat_ngram_size: 0,
  min_length: 0,
  min_new_tokens: null,
  bad_words_ids: null,
  forced_bos_token_id: null,
  forced_eos_token_id: null,
  suppress_tokens: null,
  begin_suppress_tokens: null,
  guidance_scale: null,
  eos_token_id: null,
  return_dict_in_generate: true,
};

/** Continues a prompt, number `prompt` of its call. */
export type Complete = (inputs: Inputs, prompt: number, options: CompletionOptions) => Promise<Completion[]>;

/**
 * Continues prompts, one row at a time. transformers.js has one random generator for all its callers, and no top-p, so
 * each token is drawn here, by a logits processor that leaves the chosen token alone.
 */
export function completer(opened: Opened): Complete {
  const { library } = opened;
  const rules = rulesOf(opened);
  return async (inputs, prompt, options) => {
    let first: Float32Array | undefined;
    // The prompt runs once, and all of its completions continue from its cache.
    const prefill = await generate(opened, inputs, undefined, {
      most: 1,
      draw(logits) {
        first = logits.slice();
        return 0;
      },
      isOver: () => true,
    });
    // A cache on a GPU is freed as it grows, so it serves one completion.
    const tensors = Object.values(prefill as Readonly<Record<string, Tensor>>);
    const isShared = tensors.every(({ location }) => location === "cpu");
    const completions: Completion[] = [];
    for (let k = 0; k < options.count; k++) {
      options.signal?.throwIfAborted();
      const { chosen, ...row } = startRow(rules, inputs, [prompt, k], options);
      if (isShared) {
        row.draw(first!);
        const steps = { ...row, most: options.maxTokens - 1 };
        if (!row.isOver()) await generate(opened, extended(library, inputs, chosen[0]!.token), prefill, steps);
      } else {
        const own = await generate(opened, inputs, undefined, { ...row, most: options.maxTokens });
        await own.dispose();
      }
      completions.push(completionOf(rules, chosen, options.stop));
    }
    await prefill.dispose();
    return completions;
  };
}

/** Runs the model from token to token. @returns the keys and values of all tokens except the last */
async function generate(
  { library, model }: Opened,
  inputs: Inputs,
  past: Cache | undefined,
  { most, draw, isOver }: Steps,
): Promise<Cache> {
  const { past_key_values } = await model.generate({
    ...inputs,
    ...(past && { past_key_values: new library.DynamicCache({ ...past }), pixel_values: null }),
    ...neutral,
    max_new_tokens: most,
    // Both are lists of functions to transformers.js.
    logits_processor: [(_: unknown, logits: Tensor) => leaveOnly(logits, draw)],
    stopping_criteria: [() => [isOver()]],
  });
  return past_key_values;
}

/** A model's end-of-turn tokens, the tokens that it must not write, and its tokenizer's way back to text. */
interface Rules {
  readonly ends: ReadonlySet<number>;
  readonly forbidden: readonly number[];
  decode(ids: readonly number[]): string;
}

function rulesOf(opened: Opened): Rules {
  const { model, processor } = opened;
  const ends = endTokens(opened);
  const reserved = new Set([...reservedTokens(model.config), ...numbersIn(model.generation_config?.suppress_tokens)]);
  const options = { skip_special_tokens: true, clean_up_tokenization_spaces: false };
  return {
    ends,
    forbidden: [...reserved].filter((id) => !ends.has(id)),
    // transformers.js refuses to decode an empty list.
    decode: (ids) => (ids.length > 0 ? processor.components.tokenizer.decode(ids, options) : ""),
  };
}

/** One completion under way: its tokens so far, and how the next one is drawn. */
function startRow(
  { ends, forbidden, decode }: Rules,
  inputs: Inputs,
  seedPath: readonly [prompt: number, completion: number],
  { maxTokens, stop, signal, seed, ...sampling }: CompletionOptions,
): Omit<Steps, "most"> & { readonly chosen: ChosenToken[] } {
  const rng = createRng(seed, "sample", ...seedPath);
  const isPenalised = sampling.repetitionPenalty !== 1;
  const seen = new Set(isPenalised ? Array.from(inputs.input_ids.data, Number) : []);
  const chosen: ChosenToken[] = [];
  return {
    chosen,
    draw(logits) {
      signal?.throwIfAborted();
      // Below 1, to which a product with the total mass could round.
      const uniform = Math.min(rng.uniform(), 1 - 1e-6);
      const next = chooseToken(logits, { ...sampling, forbidden, seen, uniform });
      chosen.push(next);
      if (isPenalised) seen.add(next.token);
      return next.token;
    },
    isOver: () =>
      chosen.length >= maxTokens ||
      ends.has(chosen.at(-1)!.token) ||
      (stop.length > 0 && firstStop(decode(chosen.map(({ token }) => token)), stop) !== undefined),
  };
}

interface Steps {
  /** The most tokens that are generated. */
  readonly most: number;
  draw(logits: Float32Array): number;
  isOver(): boolean;
}

/** Makes the drawn token the likeliest by far. */
function leaveOnly(logits: Tensor, draw: Steps["draw"]): Tensor {
  const data = logits.data as Float32Array;
  const token = draw(data);
  data.fill(Number.NEGATIVE_INFINITY);
  data[token] = 0;
  return logits;
}

function extended({ Tensor }: Library, inputs: Inputs, token: number): Inputs {
  const ids = BigInt64Array.of(...(inputs.input_ids.data as BigInt64Array), BigInt(token));
  const dims = [1, ids.length];
  return {
    ...inputs,
    input_ids: new Tensor("int64", ids, dims),
    attention_mask: new Tensor("int64", new BigInt64Array(ids.length).fill(1n), dims),
  };
}

/** Tokens that end a turn, wherever the model's files name them. */
function endTokens({ model, processor }: Opened): ReadonlySet<number> {
  const text = Object(model.config.text_config) as { readonly eos_token_id?: unknown };
  const named = [model.generation_config?.eos_token_id, model.config.eos_token_id, text.eos_token_id];
  const own = (processor.components.tokenizer as { readonly eos_token_id?: unknown }).eos_token_id;
  return new Set([...named, own].map(numbersIn).find((ids) => ids.length > 0) ?? []);
}

const numbersIn = (value: unknown): number[] => [value].flat().filter((id) => Number.isInteger(id)) as number[];

function completionOf({ ends, decode }: Rules, chosen: readonly ChosenToken[], stop: readonly string[]): Completion {
  const tokens = chosen.map(({ token }) => token);
  const tempered = chosen.flatMap(({ temperedLogProb }) => temperedLogProb ?? []);
  const generated: Generated = {
    tokens,
    logProbs: chosen.map(({ logProb }) => logProb),
    samplingLogProbs: chosen.map(({ samplingLogProb }) => samplingLogProb),
    ...(tempered.length > 0 && { temperedLogProbs: tempered }),
    ended: ends.has(tokens.at(-1)!),
  };
  return toCompletion(generated, decode(tokens), decode, stop);
}
