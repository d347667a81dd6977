import type { VlmBackend } from "../backend";
import { generateSpec } from "../engine/sampling/options";
import { loadImage } from "../models/inputs/image";
import { milliseconds } from "../options/milliseconds";
import { choice, count, flag, given, list, object, readOptions, secret, specOf, text } from "../options/spec";
import { deriveSeed } from "../rng";
import type { Completion, Prompt } from "../types";
import { chatUrl, type HeaderSource, headersOf, isKey, secretsOf } from "./openai/address";
import {
  type BodyOptions,
  checkBodyOptions,
  fieldsToNest,
  type RequestField,
  requestBody,
  type SentSampling,
  samplingFields,
  waysOut,
} from "./openai/body";
import { areEqualSamples, equalSamples } from "./openai/equal-samples";
import { chatMessages } from "./openai/messages";
import { cutAtStop } from "./openai/reply";
import { type Endpoint, requestChoices } from "./openai/request";
import { eachPrompt } from "./remote/each-prompt";

export type { HeaderSource } from "./openai/address";
export type { RequestField } from "./openai/body";

/** Options of `openaiBackend`. */
export interface OpenaiBackendOptions {
  /** The address before `/chat/completions`: "https://api.openai.com/v1", "http://localhost:8000/v1". */
  readonly baseUrl: string;
  /** Sent as a bearer token (none). */
  readonly apiKey?: string;
  /** The server's name for the model. */
  readonly model: string;
  /**
   * Further header fields, such as Azure's `api-key`, or a function that is asked before every try (none). No message
   * shows a value.
   */
  readonly headers?: HeaderSource;
  /** Parameters of the address, such as Azure's `api-version` (none). */
  readonly query?: Readonly<Record<string, string>>;
  /** Fields not to send, such as `["temperature", "seed", "n"]`; the server then uses its own defaults (none). */
  readonly omitFields?: readonly RequestField[];
  /** Other names of fields, such as `{ max_tokens: "max_completion_tokens" }` (none). */
  readonly renameFields?: Readonly<Partial<Record<RequestField, string>>>;
  /** Fields to send besides, such as `{ reasoning_effort: "low" }`; they win over ours (none). */
  readonly extraBody?: Readonly<Record<string, unknown>>;
  /**
   * Asks for log-probs (false): not every server gives them, and some refuse the request. An answer without them is an
   * error.
   */
  readonly logProbs?: boolean;
  /** The field that limits a completion ("max_tokens"); OpenAI's newer models take only the other. */
  readonly maxTokensField?: "max_tokens" | "max_completion_tokens";
  /**
   * Puts reasoning that the server split off in front of the text, as `<think>…</think>` (for prompts that ask for
   * `<think>`).
   */
  readonly joinReasoning?: boolean;
  /**
   * Images with more pixels are scaled down before they are sent (no limit). Boxes in fractions or thousandths stay
   * valid; a model that answers in pixels refers to the smaller image.
   */
  readonly maxPixels?: number;
  /** Prompts under way at the same time (8). */
  readonly requestsAtOnce?: number;
  /** Retries after 408, 409, 425, 429, 5xx, a broken connection, a timeout, or a cut or empty answer (4). */
  readonly retries?: number;
  /** Milliseconds for one try, the whole answer included (120 000). */
  readonly timeoutMs?: number;
  /**
   * Longest wait between two tries in milliseconds, whatever `Retry-After` asks for; a longer request gives a warning
   * (60 000).
   */
  readonly maxWaitMs?: number;
  /** Bytes of an answer, decompressed; a larger one is a failure (67 108 864, 64 MiB). */
  readonly maxReplyBytes?: number;
}

export const openaiBackendSpec = specOf<OpenaiBackendOptions>()(() => ({
  baseUrl: given("an http or https address").describe("The address that `/chat/completions` is appended to"),
  apiKey: secret("printable ASCII without spaces or line breaks", isKey)
    .optional()
    .describe("Sent as a bearer token; none without it"),
  model: text("the server's name for it").describe("The server's name for the model"),
  headers: given("header fields, or a function that gives them").default({}).describe("Further header fields"),
  query: given("texts by name").default({}).describe("Parameters of the address"),
  omitFields: list("a list of fields").default([]).describe("Fields not to send"),
  renameFields: object().default({}).describe("Other names of fields"),
  extraBody: object().default({}).describe("Fields to send besides; they win over ours"),
  logProbs: flag().default(false).describe("Ask for log-probs: not every server gives them"),
  maxTokensField: choice(["max_tokens", "max_completion_tokens"])
    .default("max_tokens")
    .describe("The field that limits a completion"),
  joinReasoning: flag()
    .optional()
    .describe(
      "Reasoning that the server split off becomes <think>…</think>; without it, for prompts that ask for <think>",
    ),
  maxPixels: count().optional().describe("Images with more pixels are scaled down before they are sent"),
  requestsAtOnce: count().default(8).describe("Prompts under way at the same time"),
  retries: count(0).default(4).describe("How often a request is tried again after a fault that may pass"),
  timeoutMs: milliseconds().default(120_000).describe("Milliseconds for one try, the whole answer included"),
  maxWaitMs: milliseconds().default(60_000).describe("Longest wait between two tries, in milliseconds"),
  maxReplyBytes: count()
    .default(2 ** 26)
    .describe("Bytes of an answer, decompressed; a larger one is a failure"),
}));

/**
 * Samples a model behind an OpenAI-compatible chat-completions endpoint: vLLM, llama.cpp, OpenAI, Azure. Images travel
 * as data URLs.
 *
 * A remote gives no token ids and promises no reproducibility, so its `capabilities` claim neither; they claim
 * log-probs, which are the server's own, if `logProbs` asks for them. `topK` and `repetitionPenalty` are sent under
 * vLLM's names, and only where they are set; a server that refuses them as transformers serve does gets them within
 * `generation_config`. A refusal, split-off reasoning and an unusual `finish_reason` are the completion's `remark`. A
 * redirect is followed on the same host only. A warning says so, once, if all samples of each prompt are equal.
 *
 * @throws ConfigError for an address, a key or a field that no request can carry; `generate` throws BackendError with
 * the server's own words for a request that it refuses, or that fails after all retries; no message holds a key
 * @example
 * const azure = openaiBackend({
 *   baseUrl: "https://NAME.openai.azure.com/openai/deployments/DEPLOYMENT",
 *   model: "gpt-5-mini",
 *   headers: { "api-key": process.env.AZURE_KEY! },
 *   query: { "api-version": "2024-10-21" },
 *   omitFields: ["temperature", "seed", "n"],
 *   maxTokensField: "max_completion_tokens",
 * });
 */
export function openaiBackend(options: OpenaiBackendOptions): VlmBackend {
  const settings = readOptions("openaiBackend", options, openaiBackendSpec);
  const { baseUrl, apiKey, model, logProbs, maxTokensField, joinReasoning, maxPixels } = settings;
  const { requestsAtOnce, retries, timeoutMs, maxReplyBytes, maxWaitMs } = settings;
  const { headers, query, omitFields, renameFields, extraBody } = settings;
  checkBodyOptions({ omitFields, renameFields, extraBody });
  const bodyOptions = { omitFields, renameFields: { max_tokens: maxTokensField, ...renameFields }, extraBody };
  const url = chatUrl(baseUrl, query);
  const nested = new Set<RequestField>();
  let hasWarned = false;
  const endpoint: Endpoint = {
    url,
    retries,
    timeoutMs,
    maxWaitMs,
    maxReplyBytes,
    logProbs,
    headers: headersOf(apiKey, headers),
    waysOut: waysOut(bodyOptions),
    secrets: [...(apiKey === undefined ? [] : [apiKey]), ...secretsOf(url)],
    adapt: (body, words) => {
      const refused = fieldsToNest(body, words);
      for (const field of refused) nested.add(field);
      return refused.length > 0;
    },
    warn: (code, message) => process.emitWarning(`${model}: ${message}`, { code }),
  };
  const server: Server = { endpoint, model, maxPixels, logProbs, joinReasoning, bodyOptions, nested };
  return {
    name: model,
    capabilities: { logProbs, tokenIds: false, reproducible: false },
    async generate(prompts, options) {
      const sampling = { ...readOptions("generate", options, generateSpec), topP: options.topP };
      const groups = await eachPrompt(prompts, options, requestsAtOnce, (prompt, i, signal) =>
        complete(server, prompt, i, sampling, signal),
      );
      if (!hasWarned && options.temperature !== 0 && areEqualSamples(groups)) {
        hasWarned = true;
        endpoint.warn("RISE_EQUAL_SAMPLES", equalSamples(groups));
      }
      return groups;
    },
    checkImage: async (image) => void (await loadImage(image)),
    dispose: async () => {},
  };
}

/** An endpoint, and the parts of its request bodies that are the same for all prompts. */
interface Server {
  readonly endpoint: Endpoint;
  readonly model: string;
  readonly maxPixels: number | undefined;
  readonly logProbs: boolean;
  readonly joinReasoning: boolean | undefined;
  readonly bodyOptions: BodyOptions;
  /** Fields that the server takes within `generation_config`, as its refusals taught. */
  readonly nested: ReadonlySet<RequestField>;
}

/** Asks for a prompt's completions, until the server has written all of them. */
async function complete(
  { endpoint, model, maxPixels, logProbs, joinReasoning: joins, bodyOptions, nested }: Server,
  prompt: Prompt,
  i: number,
  sampling: SentSampling,
  signal: AbortSignal,
): Promise<readonly Completion[]> {
  const { count, temperature } = sampling;
  const messages = await chatMessages(prompt, maxPixels);
  const joinReasoning = joins ?? asksForThink(prompt);
  // Servers refuse several greedy completions, which are all the same.
  const wanted = temperature === 0 ? 1 : count;
  const completions: Completion[] = [];
  // Some servers always write a single completion.
  while (completions.length < wanted) {
    const seed = deriveSeed(sampling.seed, i, completions.length);
    // Servers take signed 32-bit seeds.
    const values = { model, n: wanted - completions.length, seed: seed >>> 1, ...samplingFields(sampling, logProbs) };
    const body = () => requestBody(messages, values, bodyOptions, nested);
    const written = await requestChoices(endpoint, body, { seed, joinReasoning, signal });
    completions.push(...written.map((completion) => cutAtStop(completion, sampling.stop)));
  }
  return Array.from({ length: count }, (_, k) => completions[temperature === 0 ? 0 : k]!);
}

const asksForThink = (prompt: Prompt) =>
  prompt.some(({ content }) => content.some((part) => part.type === "text" && part.text.includes("<think>")));
