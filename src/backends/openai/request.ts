import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { BackendError } from "../../errors";
import { createRng } from "../../rng";
import type { Completion } from "../../types";

export interface Endpoint {
  readonly url: string;
  readonly apiKey?: string;
  readonly retries: number;
  readonly timeoutMs: number;
}

/**
 * Posts one chat-completions request, again after 429, 5xx, a broken connection or a timeout.
 *
 * The n-th wait is what `Retry-After` asks for, else 2ⁿ⁻¹/2 s times 0.5 … 1, at most 30 s.
 *
 * @param options.seed of the waits
 * @returns at least one completion
 * @throws BackendError for a refusal, an answer that is no chat completion, or when the retries are used up
 */
export async function requestChoices(
  endpoint: Endpoint,
  body: object,
  { seed, signal }: { readonly seed: number; readonly signal?: AbortSignal },
): Promise<readonly Completion[]> {
  for (let attempt = 0; ; attempt++) {
    const result = await post(endpoint, body, signal);
    if ("text" in result) return readChoices(endpoint, result.text);
    if (!result.isTemporary) throw refusal(endpoint, result);
    if (attempt === endpoint.retries) throw refusal(endpoint, result, ` after ${attempt + 1} tries`);
    const backoff = Math.min(30_000, 500 * 2 ** attempt) * (0.5 + createRng(seed, attempt).uniform() / 2);
    await pause(result.waitMs ?? backoff, signal);
  }
}

interface Failure {
  readonly reason: string;
  readonly isTemporary: boolean;
  readonly waitMs?: number | undefined;
  readonly cause?: unknown;
}

async function post(
  { url, apiKey, timeoutMs }: Endpoint,
  body: object,
  signal: AbortSignal | undefined,
): Promise<{ readonly text: string } | Failure> {
  signal?.throwIfAborted();
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.any([timeout, ...(signal ? [signal] : [])]),
    });
    const text = await response.text();
    if (response.ok) return { text };
    return {
      reason: `${response.status}: ${wordsOf(text) || response.statusText}`,
      isTemporary: response.status === 429 || response.status >= 500,
      waitMs: retryAfterMs(response.headers.get("retry-after")),
    };
  } catch (cause) {
    signal?.throwIfAborted();
    if (timeout.aborted) return { reason: `no answer within ${timeoutMs} ms`, isTemporary: true };
    return { reason: wordsOfError(cause), isTemporary: true, cause };
  }
}

const choicesSchema = z.object({
  choices: z
    .array(
      z.object({
        message: z.object({ content: z.string().nullish() }),
        finish_reason: z.string().nullish(),
        logprobs: z.object({ content: z.array(z.object({ logprob: z.number() })).nullish() }).nullish(),
      }),
    )
    .min(1),
});

function readChoices(endpoint: Endpoint, text: string): readonly Completion[] {
  const parsed = choicesSchema.safeParse(jsonOf(text));
  if (!parsed.success)
    throw refusal(endpoint, {
      reason: `expected a chat completion with at least one choice, got ${text.slice(0, 200)}`,
      isTemporary: false,
    });
  return parsed.data.choices.map(({ message, finish_reason, logprobs }) => ({
    // A filtered answer has no content: what was written is nothing.
    text: message.content ?? "",
    finishReason: finish_reason === "length" ? "length" : "stop",
    ...(logprobs?.content && { logProbs: logprobs.content.map(({ logprob }) => logprob) }),
  }));
}

/** A server may repeat the key in what it says. */
function refusal({ url, apiKey }: Endpoint, { reason, cause }: Failure, ending = ""): BackendError {
  const { origin, pathname } = new URL(url);
  const safe = apiKey === undefined ? reason : reason.replaceAll(apiKey, "[key]");
  return new BackendError(`${origin}${pathname}: ${safe}${ending}`, cause === undefined ? {} : { cause });
}

/** The `error.message` of OpenAI's errors, `message` of others', else the text itself. */
function wordsOf(text: string): string {
  const message = z.union([z.object({ error: z.object({ message: z.string() }) }), z.object({ message: z.string() })]);
  const { data } = message.safeParse(jsonOf(text));
  if (data === undefined) return text.trim().slice(0, 500);
  return "error" in data ? data.error.message : data.message;
}

/** fetch says only that it failed; why, and at which address, its causes do. */
function wordsOfError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, code = "", cause } = error as Error & { readonly code?: string };
  // Of a name that stands for several addresses.
  const own = message || (error instanceof AggregateError && error.errors.map(wordsOfError).join(", ")) || code;
  return cause === undefined ? own : `${own}: ${wordsOfError(cause)}`;
}

/** Seconds, or a date.  `undefined` where it is neither */
function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+(\.\d+)?$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Ends early, with the signal's own reason. */
async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(ms, undefined, signal && { signal }).catch(() => {});
  signal?.throwIfAborted();
}
