import { setTimeout as sleep } from "node:timers/promises";
import type { VlmBackend } from "../backend";
import { checkedSampling } from "../engine/sampling/options";
import { BackendError } from "../errors";
import { loadImage } from "../models/inputs/image";
import { shown } from "../options/display";
import { count, flag, having, object, readOptions, type Settings, specOf } from "../options/spec";
import { checkPrompt } from "../prompts/check-prompt";
import { createRng, deriveSeed } from "../rng";
import type { Completion, FinishReason, Prompt } from "../types";
import { cutAtStop } from "./openai/reply";
import { eachPrompt } from "./remote/each-prompt";
import { encodedImage } from "./remote/encoded-image";

/** A model of the AI SDK, such as `openai("gpt-5-mini")`: its specification v2, v3 or v4. */
export interface AiSdkModel {
  readonly specificationVersion: "v2" | "v3" | "v4";
  readonly provider: string;
  readonly modelId: string;
  /** Asks the model for one completion. */
  // The SDK's own types differ between its versions, and method parameters are compared both ways.
  doGenerate(options: never): PromiseLike<AiSdkReply>;
}

/** The part of a reply that counts here. */
export interface AiSdkReply {
  readonly content: readonly { readonly type: string; readonly text?: string }[];
  readonly finishReason: string | { readonly unified: string };
}

/** Options of `aiSdkBackend`. */
export interface AiSdkBackendOptions {
  /** The model, as a provider of the AI SDK makes it. */
  readonly model: AiSdkModel;
  /** Provider options by provider, such as `{ openai: { reasoningEffort: "low" } }` (none). */
  readonly providerOptions?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Puts reasoning that the model gives apart in front of the text, as `<think>…</think>` (false). */
  readonly joinReasoning?: boolean;
  /** Images with more pixels are scaled down before they are sent (no limit). */
  readonly maxPixels?: number;
  /** Requests under way at the same time (8). */
  readonly requestsAtOnce?: number;
  /** Retries after an error that the provider calls retryable (4). */
  readonly retries?: number;
}

export const aiSdkBackendSpec = specOf<AiSdkBackendOptions>()(() => ({
  model: having<AiSdkModel>('a model of the AI SDK, such as openai("gpt-5-mini")', "doGenerate").describe(
    "The model, as a provider of the AI SDK makes it",
  ),
  providerOptions: object().default({}).describe("Provider options by provider"),
  joinReasoning: flag().default(false).describe("Reasoning that the model gives apart becomes <think>…</think>"),
  maxPixels: count().optional().describe("Images with more pixels are scaled down before they are sent"),
  requestsAtOnce: count().default(8).describe("Requests under way at the same time"),
  retries: count(0).default(4).describe("Retries after an error that the provider calls retryable"),
}));

/**
 * Samples any model of the AI SDK, for best-of-G cots and evaluations.
 *
 * A model gives neither log-probs nor token ids, so a trainer cannot learn from its completions. A provider may ignore
 * `topK` and `seed`; a repetition penalty is refused, because no provider takes one.
 * @throws ConfigError for wrong options; `generate` throws BackendError with the provider's words
 * @example
 * import { openai } from "@ai-sdk/openai";
 * import { aiSdkBackend } from "rise-ts/backends/ai-sdk";
 * const backend = aiSdkBackend({ model: openai("gpt-5-mini") });
 */
export function aiSdkBackend(options: AiSdkBackendOptions): VlmBackend {
  const settings = readOptions("aiSdkBackend", options, aiSdkBackendSpec);
  const { model } = settings;
  if (!["v2", "v3", "v4"].includes(model.specificationVersion))
    throw new BackendError(
      `aiSdkBackend: expected a model of specification v2, v3 or v4, got ${model.specificationVersion}`,
      { scope: "backend" },
    );
  return {
    name: `${model.provider} ${model.modelId}`,
    capabilities: { logProbs: false, tokenIds: false, reproducible: false },
    async generate(prompts, options) {
      const sampling = checkedSampling(options);
      if (sampling.repetitionPenalty !== 1)
        throw new BackendError("aiSdkBackend: expected repetitionPenalty 1, which no provider takes otherwise", {
          scope: "backend",
        });
      return eachPrompt(prompts, options, settings.requestsAtOnce, (prompt, i, signal) =>
        complete(settings, prompt, i, sampling, signal),
      );
    },
    checkImage: async (image) => void (await loadImage(image)),
    dispose: async () => {},
  };
}

type AiSdkSettings = Settings<AiSdkBackendOptions, typeof aiSdkBackendSpec>;
type Sampling = ReturnType<typeof checkedSampling>;

/** Each completion is a request of its own: the SDK's interface has one answer a call. */
async function complete(
  settings: AiSdkSettings,
  prompt: Prompt,
  i: number,
  { count, maxTokens, temperature, topK, topP, stop, seed }: Sampling,
  signal: AbortSignal,
): Promise<readonly Completion[]> {
  const messages = await sdkMessages(prompt, settings);
  const call = (k: number) => ({
    prompt: messages,
    maxOutputTokens: maxTokens,
    temperature,
    ...(Number.isFinite(topK) && { topK }),
    ...(topP !== 1 && { topP }),
    ...(stop.length > 0 && { stopSequences: [...stop] }),
    // Providers take signed 32-bit seeds.
    seed: deriveSeed(seed, i, k) >>> 1,
    providerOptions: settings.providerOptions,
    abortSignal: signal,
  });
  // Greedy completions of one prompt are all the same.
  const wanted = temperature === 0 ? 1 : count;
  const completions: Completion[] = [];
  for (let k = 0; k < wanted; k++) completions.push(cutAtStop(await request(settings, call(k), signal), stop));
  return Array.from({ length: count }, (_, k) => completions[temperature === 0 ? 0 : k]!);
}

async function sdkMessages(prompt: Prompt, { model, maxPixels = Number.POSITIVE_INFINITY }: AiSdkSettings) {
  checkPrompt(prompt);
  return Promise.all(
    prompt.map(async ({ role, content }) => {
      const parts = await Promise.all(
        content.map(async (part) => {
          if (part.type === "text") return part;
          const { mime: mediaType, bytes } = await encodedImage(part.image, maxPixels);
          const data = new Uint8Array(bytes);
          return { type: "file", mediaType, data: model.specificationVersion === "v4" ? { type: "data", data } : data };
        }),
      );
      // A system message is text in the SDK's form.
      const text = content.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n");
      return { role, content: role === "system" ? text : parts };
    }),
  );
}

/** The longest wait between two tries. */
const longestWaitMs = 60_000;

/** The n-th wait is 2ⁿ⁻¹/2 s times 0.5 … 1, which the call's seed decides, so that calls do not wait in step. */
async function request(
  { model, retries, joinReasoning }: AiSdkSettings,
  call: { readonly seed: number },
  signal: AbortSignal,
) {
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted();
    try {
      const reply = await model.doGenerate(call as never);
      if (Array.isArray(reply?.content) && reply.finishReason) return read(reply, joinReasoning);
      throw new BackendError(
        `${model.provider} ${model.modelId}: expected a reply with content and finishReason, got ${shown(reply)}`,
      );
    } catch (cause) {
      signal.throwIfAborted();
      if (cause instanceof BackendError) throw cause;
      const { isRetryable = false, statusCode, message } = cause as ProviderError;
      if (!isRetryable || attempt === retries)
        throw refusal(model, statusCode, `${message ?? cause}`, isRetryable, cause);
      const backoff = 500 * 2 ** attempt * (0.5 + createRng(call.seed, attempt).uniform() / 2);
      await sleep(Math.min(backoff, longestWaitMs), undefined, { signal }).catch(() => {});
    }
  }
}

/** The fields of the SDK's APICallError that matter here. */
interface ProviderError {
  readonly isRetryable?: boolean;
  readonly statusCode?: number;
  readonly message?: string;
}

function refusal(model: AiSdkModel, status: number | undefined, words: string, isRetryable: boolean, cause: unknown) {
  const isForAll = status === undefined || [401, 402, 403, 404, 405].includes(status);
  return new BackendError(`${model.provider} ${model.modelId}: ${status ?? ""} ${words}`.replace(/ {2,}/g, " "), {
    scope: isRetryable ? "moment" : isForAll ? "backend" : "prompt",
    cause,
  });
}

const finishReasons = new Map<string, FinishReason>([
  ["stop", "stop"],
  ["length", "length"],
  ["content-filter", "content_filter"],
]);

function read({ content, finishReason }: AiSdkReply, joinReasoning: boolean): Completion {
  const textOf = (type: string) =>
    content.flatMap((part) => (part.type === type && part.text !== undefined ? [part.text] : [])).join("");
  const [answer, reasoning] = [textOf("text"), textOf("reasoning")];
  const reason = typeof finishReason === "string" ? finishReason : finishReason.unified;
  const remarks = [
    answer.trim() === "" && "the reply has no text",
    reasoning !== "" && !joinReasoning && "the model gave its reasoning apart; joinReasoning: true keeps it",
    !["stop", "length"].includes(reason) && `finish reason ${JSON.stringify(reason)}`,
  ].filter((remark) => remark !== false);
  return {
    text: joinReasoning && reasoning !== "" ? `<think>${reasoning}</think>${answer}` : answer,
    finishReason: finishReasons.get(reason) ?? "other",
    ...(remarks.length > 0 && { remark: remarks.join("; ") }),
  };
}
