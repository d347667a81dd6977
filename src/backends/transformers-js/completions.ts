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

/**
 * Continues prompts, one row at a time. transformers.js has one random generator for all its callers, and no top-p, so
 * each token is drawn here, by a logits processor that leaves the chosen token alone.
 */
export function completer(
  opened: Opened,
): (inputs: Inputs, prompt: number, options: CompletionOptions) => Promise<Completion[]> {
  const { library, model, processor } = opened;
  const ends = endTokens(opened);
  const forbidden = [
    ...new Set([...reservedTokens(model.config), ...numbersIn(model.generation_config?.suppress_tokens)]),
  ].filter((id) => !ends.has(id));
  const decodeOptions = { skip_special_tokens: true, clean_up_tokenization_spaces: false };
  const decode = (ids: readonly number[]) =>
    ids.length > 0 ? processor.components.tokenizer.decode(ids, decodeOptions) : "";
  const run = async (inputs: Inputs, past: Cache | undefined, steps: Steps) => {
    const { past_key_values } = await model.generate({
      ...inputs,
      ...(past && { past_key_values: new library.DynamicCache({ ...past }), pixel_values: null }),
      ...neutral,
      max_new_tokens: steps.most,
      // Both are lists of functions to transformers.js.
      logits_processor: [(_: unknown, logits: Tensor) => leaveOnly(logits, steps.draw)],
      stopping_criteria: [() => [steps.isOver()]],
    });
    return past_key_values;
  };

  return async (inputs, prompt, { count, maxTokens, stop, signal, seed, ...sampling }) => {
    const promptIds = Array.from(inputs.input_ids.data, Number);
    let first: Float32Array | undefined;
    // The prompt runs once, and all of its completions continue from its cache.
    const prefill = await run(inputs, undefined, {
      most: 1,
      draw(logits) {
        first = logits.slice();
        return 0;
      },
      isOver: () => true,
    });
    const isShared = Object.values(prefill as Readonly<Record<string, Tensor>>).every(
      ({ location }) => location === "cpu",
    );
    const completions: Completion[] = [];
    for (let k = 0; k < count; k++) {
      signal?.throwIfAborted();
      const rng = createRng(seed, "sample", prompt, k);
      const seen = new Set(sampling.repetitionPenalty === 1 ? [] : promptIds);
      const chosen: ChosenToken[] = [];
      const ids = () => chosen.map(({ token }) => token);
      const draw = (logits: Float32Array) => {
        signal?.throwIfAborted();
        // Below 1, to which a product with the total mass could round.
        const uniform = Math.min(rng.uniform(), 1 - 1e-6);
        const next = chooseToken(logits, { ...sampling, forbidden, seen, uniform });
        chosen.push(next);
        if (sampling.repetitionPenalty !== 1) seen.add(next.token);
        return next.token;
      };
      const isOver = () =>
        chosen.length >= maxTokens ||
        ends.has(chosen.at(-1)!.token) ||
        (stop.length > 0 && firstStop(decode(ids()), stop) !== undefined);
      if (isShared) {
        draw(first!);
        const most = maxTokens - 1;
        if (!isOver()) await run(extended(library, inputs, chosen[0]!.token), prefill, { most, draw, isOver });
      } else await (await run(inputs, undefined, { most: maxTokens, draw, isOver })).dispose();
      completions.push(toCompletion(generated(chosen, ends), decode(ids()), decode, stop));
    }
    await prefill.dispose();
    return completions;
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

/** The inputs with one more token. */
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
export function endTokens({ model, processor }: Opened): ReadonlySet<number> {
  const text = Object(model.config.text_config) as { readonly eos_token_id?: unknown };
  const named = [model.generation_config?.eos_token_id, model.config.eos_token_id, text.eos_token_id];
  const own = (processor.components.tokenizer as { readonly eos_token_id?: unknown }).eos_token_id;
  return new Set([...named, own].map(numbersIn).find((ids) => ids.length > 0) ?? []);
}

const numbersIn = (value: unknown): number[] => [value].flat().filter((id) => Number.isInteger(id)) as number[];

function generated(chosen: readonly ChosenToken[], ends: ReadonlySet<number>): Generated {
  const tempered = chosen.flatMap(({ temperedLogProb }) => temperedLogProb ?? []);
  return {
    tokens: chosen.map(({ token }) => token),
    logProbs: chosen.map(({ logProb }) => logProb),
    samplingLogProbs: chosen.map(({ samplingLogProb }) => samplingLogProb),
    ...(tempered.length > 0 && { temperedLogProbs: tempered }),
    ended: ends.has(chosen.at(-1)!.token),
  };
}
