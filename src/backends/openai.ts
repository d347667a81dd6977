import { ConfigError } from "../errors";
import { generateNames } from "../models/qwen2-vl/generate-options";
import { loadImage } from "../models/qwen2-vl/image";
import { checkPositiveIntegers } from "../models/qwen2-vl/limits";
import { checkBooleans, checkNumber, checkOptions, type Names } from "../options";
import { deriveSeed } from "../rng";
import { shown } from "../shown";
import type { Completion, Prompt } from "../types";
import type { GenerateOptions, VlmBackend } from "./backend";
import { chatMessages } from "./openai/messages";
import { type Endpoint, requestChoices } from "./openai/request";

export interface OpenaiBackendOptions {
  /** What `/chat/completions` is appended to: "https://api.openai.com/v1", "http://localhost:8000/v1". */
  readonly baseUrl: string;
  /** Sent as a bearer token (none). */
  readonly apiKey?: string;
  /** The server's name for it. */
  readonly model: string;
  /** Ask for log-probs (false): not every server gives them, and some refuse the question. */
  readonly logProbs?: boolean;
  /** The field that limits a completion ("max_tokens"); OpenAI's newer models take only the other. */
  readonly maxTokensField?: "max_tokens" | "max_completion_tokens";
  /** Prompts under way at the same time (8). */
  readonly requestsAtOnce?: number;
  /** How often a request is tried again after 429, 5xx, a broken connection or a timeout (4). */
  readonly retries?: number;
  /** Of one try (120 000). */
  readonly timeoutMs?: number;
}

const names: Names<OpenaiBackendOptions> = {
  baseUrl: true,
  apiKey: true,
  model: true,
  logProbs: true,
  maxTokensField: true,
  requestsAtOnce: true,
  retries: true,
  timeoutMs: true,
};

/**
 * Samples a model behind an OpenAI-compatible chat-completions endpoint: vLLM, llama.cpp, OpenAI. Pictures travel as data URLs.
 *
 * A remote gives no token ids and promises no reproducibility, so its `capabilities` claim neither. Log-probs, where asked for and given, are
 * the server's own. `topK` and `repetitionPenalty` are sent under vLLM's names, and only where they are set.
 *
 * @throws ConfigError for an address or a key that no request can carry; `generate` throws BackendError with the server's own words for a
 * request that it refuses, or that fails after all retries; no message holds the key
 */
export function openaiBackend(options: OpenaiBackendOptions): VlmBackend {
  checkOptions("openaiBackend", options, names);
  const { baseUrl, apiKey, model, logProbs = false, maxTokensField = "max_tokens" } = options;
  const { requestsAtOnce = 8, retries = 4, timeoutMs = 120_000 } = options;
  checkPositiveIntegers("openaiBackend", { requestsAtOnce, timeoutMs });
  const isCount = Number.isInteger(retries) && retries >= 0;
  checkNumber("openaiBackend", "retries to be a whole number of at least 0", retries, isCount);
  checkBooleans("openaiBackend", { logProbs });
  if (typeof model !== "string" || model === "")
    throw new ConfigError(`openaiBackend: expected model to be the server's name for it, got ${shown(model)}`);
  checkKey(apiKey);
  const endpoint: Endpoint = { url: chatUrl(baseUrl), retries, timeoutMs, ...(apiKey !== undefined && { apiKey }) };

  async function complete(prompt: Prompt, i: number, options: GenerateOptions): Promise<readonly Completion[]> {
    const { count = 1, temperature = 1, signal } = options;
    const messages = await chatMessages(prompt);
    // Servers refuse several greedy completions, which are all the same.
    const wanted = temperature === 0 ? 1 : count;
    const completions: Completion[] = [];
    // Some servers write one completion whatever was asked for.
    while (completions.length < wanted) {
      const seed = deriveSeed(options.seed, i, completions.length);
      const body = {
        ...{ model, messages, temperature, n: wanted - completions.length },
        // Servers take signed 32-bit seeds.
        seed: seed >>> 1,
        ...settings(options, maxTokensField),
        ...(logProbs && { logprobs: true }),
      };
      completions.push(...(await requestChoices(endpoint, body, { seed, ...(signal && { signal }) })));
    }
    return Array.from({ length: count }, (_, k) => completions[temperature === 0 ? 0 : k]!);
  }

  return {
    name: model,
    capabilities: { logProbs: false, reproducible: false },
    async generate(prompts, options) {
      checkOptions("generate", options, generateNames);
      options.signal?.throwIfAborted();
      const failed = new AbortController();
      const signal = AbortSignal.any([failed.signal, ...(options.signal ? [options.signal] : [])]);
      const groups: (readonly Completion[])[] = [];
      const waiting = prompts.entries();
      const work = async () => {
        for (const [i, prompt] of waiting) groups[i] = await complete(prompt, i, { ...options, signal });
      };
      try {
        await Promise.all(Array.from({ length: Math.min(requestsAtOnce, prompts.length) }, work));
      } catch (error) {
        // What is under way for the other prompts is of no use any more.
        failed.abort(error);
        throw error;
      }
      return groups;
    },
    checkImage: async (image) => void (await loadImage(image)),
    dispose: async () => {},
  };
}

const settings = ({ maxTokens = 256, topP, topK, repetitionPenalty, stop = [] }: GenerateOptions, limit: string) => ({
  [limit]: maxTokens,
  ...(topP !== undefined && { top_p: topP }),
  ...(topK !== undefined && { top_k: topK }),
  ...(repetitionPenalty !== undefined && { repetition_penalty: repetitionPenalty }),
  ...(stop.length > 0 && { stop }),
});

function chatUrl(baseUrl: string): string {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  if (!url || !/^https?:$/.test(url.protocol))
    throw new ConfigError(
      `openaiBackend: baseUrl: expected an http or https address, got ${shown(url ? url.protocol : baseUrl)}`,
    );
  if (url.username !== "" || url.password !== "")
    throw new ConfigError("openaiBackend: baseUrl: expected no user name or password in it; pass the key as apiKey");
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/chat/completions`;
  return url.href;
}

/** Here, because fetch would quote the whole key when it refuses it. */
function checkKey(apiKey: string | undefined): void {
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey))
    throw new ConfigError(
      "openaiBackend: apiKey: expected printable ASCII without spaces or line breaks, got something else",
    );
}
