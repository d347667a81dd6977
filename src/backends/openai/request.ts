import { setTimeout as sleep } from "node:timers/promises";
import { BackendError } from "../../errors";
import { limitedFetch } from "../../remote/http";
import { withoutSecrets } from "../../remote/secrets";
import { createRng } from "../../rng";
import type { Completion } from "../../types";
import { connectionFault, errorIn, type Fault, faultOf, faultWithin, type Said, wayOut } from "./faults";
import { type ReplyOptions, readChoice, replySchema } from "./reply";

export interface Endpoint {
  readonly url: string;
  /** Headers of the next try, including the key. */
  readonly headers: () => Promise<Readonly<Record<string, string>>>;
  /** Texts that no message may show, besides the values of headers. */
  readonly secrets: readonly string[];
  readonly retries: number;
  readonly timeoutMs: number;
  readonly maxWaitMs: number;
  readonly maxReplyBytes: number;
  /** A reply without log-probs is an error. */
  readonly logProbs: boolean;
  /** The remedy for each refused field. */
  readonly waysOut: ReadonlyMap<string, string>;
  /** Learns from a refusal how to write bodies. @returns whether the request is worth sending again */
  readonly adapt: (body: object, words: string) => boolean;
  readonly warn: (code: string, message: string) => void;
}

export interface RequestOptions extends Pick<ReplyOptions, "joinReasoning"> {
  /** Seed of the random waits. */
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/**
 * Posts one chat-completions request, and retries after temporary faults: 408, 409, 425, 429, 5xx, a broken connection,
 * a timeout, an empty or cut answer, and such an error with status 200.
 *
 * The n-th wait is what `Retry-After` asks for, else 2ⁿ⁻¹/2 s times 0.5 … 1; at most `maxWaitMs`. A connection that an
 * earlier request had used may have been closed meanwhile: then the request is sent once more at once, which counts as
 * the same try.
 *
 * @param body is asked again after a refusal that `adapt` has learned from
 * @returns at least one completion
 * @throws BackendError for a refusal, an answer that is not a chat completion, or when the retries are used up
 */
export async function requestChoices(
  endpoint: Endpoint,
  body: () => object,
  { seed, joinReasoning, signal }: RequestOptions,
): Promise<readonly Completion[]> {
  for (let attempt = 0; ; attempt++) {
    const sent = body();
    const send = () => post(endpoint, sent, joinReasoning, signal);
    const first = await send();
    const result = "isStale" in first && first.isStale ? await send() : first;
    if ("completions" in result) return result.completions;
    if (result.said && endpoint.adapt(sent, result.said.words))
      return requestChoices(endpoint, body, { seed, joinReasoning, ...(signal && { signal }) });
    if (!result.isTemporary) throw refusal(endpoint, result);
    if (attempt === endpoint.retries)
      throw refusal(endpoint, result, ` after ${attempt + 1} ${attempt > 0 ? "tries" : "try"}`);
    const backoff = 500 * 2 ** attempt * (0.5 + createRng(seed, attempt).uniform() / 2);
    await pause(waitMs(endpoint, result.waitMs, backoff), signal);
  }
}

async function post(
  endpoint: Endpoint,
  body: object,
  joinReasoning: boolean,
  signal: AbortSignal | undefined,
): Promise<{ readonly completions: readonly Completion[] } | Fault> {
  signal?.throwIfAborted();
  const { url, timeoutMs, maxReplyBytes } = endpoint;
  const headers = { "content-type": "application/json", ...(await endpoint.headers()) };
  const secrets = [...endpoint.secrets, ...Object.values(headers)].filter((value) => value !== "application/json");
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await limitedFetch(
      url,
      {
        method: "POST",
        headers,
        body: JSON.stringify(body),
        signal: AbortSignal.any([timeout, ...(signal ? [signal] : [])]),
      },
      { maxBytes: maxReplyBytes },
    );
    const text = await response.text();
    const safe = (words: string) => withoutSecrets(words, secrets);
    const result = read(endpoint, response, text, { joinReasoning, safe });
    // Nothing says why; vLLM and llama.cpp take them.
    const isStopSuspected = "reason" in result && response.status === 500 && "stop" in body;
    return isStopSuspected ? { ...result, reason: `${result.reason}${stopRemedy}` } : result;
  } catch (cause) {
    signal?.throwIfAborted();
    if (timeout.aborted) return { reason: `no answer within ${timeoutMs} ms`, scope: "moment", isTemporary: true };
    if (cause instanceof BackendError)
      return { reason: withoutSecrets(cause.message, secrets), scope: cause.scope, isTemporary: false };
    const fault = connectionFault(cause);
    return { ...fault, reason: withoutSecrets(fault.reason, secrets) };
  }
}

const stopRemedy =
  "; the request has stop texts, which transformers serve fails on for models with images: leave them out with " +
  'omitFields: ["stop"], and completions are cut here';

function read(
  { logProbs, waysOut }: Endpoint,
  { ok, status, statusText, headers }: Response,
  text: string,
  { joinReasoning, safe }: ReplyOptions,
): { readonly completions: readonly Completion[] } | Fault {
  const body = jsonOf(text);
  const said = errorIn(body);
  const quoted = (words: string) => safe(words).trim().slice(0, 500);
  const wait = { waitMs: retryAfterMs(headers) };
  if (!ok) {
    const error: Said = said ?? { words: text, kind: "" };
    const reason = `${status}: ${quoted(error.words) || statusText}${wayOut(error, waysOut)}`;
    return { reason, ...faultOf(status, error), ...wait, said: error };
  }
  const { data } = replySchema.safeParse(body);
  const within = errorIn(firstChoice(body)) ?? (data ? undefined : said);
  if (within) {
    const reason = `${status} with an error: ${within.status ? `${within.status}: ` : ""}${quoted(within.words)}${wayOut(within, waysOut)}`;
    return { reason, ...faultWithin(within), ...wait };
  }
  const completions = data?.choices.map((choice) => readChoice(choice, { joinReasoning, safe }));
  if (logProbs && completions?.some(lacksLogProbs))
    return { reason: `${status}: ${noLogProbs}`, scope: "backend", isTemporary: false };
  if (completions) return { completions };
  const start = text.trim();
  if (start === "") return { reason: `${status}: an empty answer`, scope: "moment", isTemporary: true, ...wait };
  if (body === undefined && /^[[{]/.test(start))
    return { reason: `${status}: JSON that is cut off: ${quoted(text)}`, scope: "moment", isTemporary: true, ...wait };
  return {
    reason: `expected a chat completion with at least one choice, got ${quoted(text).slice(0, 200)}`,
    // A web page, or JSON of another kind: this is not the endpoint.
    scope: Object.hasOwn(Object(body), "choices") ? "prompt" : "backend",
    isTemporary: false,
  };
}

/** A refusal has no tokens of an answer. */
const lacksLogProbs = ({ text, finishReason, logProbs }: Completion) =>
  logProbs === undefined && text !== "" && ["stop", "length"].includes(finishReason);

const noLogProbs =
  "expected log-probs, which the request asks for, got an answer without; the server ignores the field, as " +
  "transformers serve does: leave out logProbs: true, or use a server that gives them, such as vLLM";

/** The first choice: OpenRouter puts the error of a failed provider into it. */
const firstChoice = (body: unknown): unknown => (body as { choices?: readonly unknown[] } | undefined)?.choices?.[0];

/** Makes the error without a cause, which might hold a key. */
function refusal({ url }: Endpoint, { reason, scope }: Fault, ending = ""): BackendError {
  const { origin, pathname } = new URL(url);
  return new BackendError(`${origin}${pathname}: ${reason}${ending}`, { scope });
}

function waitMs({ maxWaitMs, warn }: Endpoint, asked: number | undefined, backoff: number): number {
  if (asked !== undefined && asked > maxWaitMs)
    warn(
      "RISE_RETRY_AFTER",
      `the server asks to wait ${Math.ceil(asked / 1000)} s; waiting ${maxWaitMs / 1000} s (maxWaitMs)`,
    );
  return Math.min(asked ?? backoff, maxWaitMs);
}

/** Reads the wait in milliseconds, seconds, or as a date; `undefined` for anything else. */
function retryAfterMs(headers: Headers): number | undefined {
  const milliseconds = numberIn(headers.get("retry-after-ms"));
  if (milliseconds !== undefined) return milliseconds;
  const header = headers.get("retry-after");
  if (header === null) return undefined;
  const seconds = numberIn(header);
  const ms = seconds === undefined ? Date.parse(header) - Date.now() : seconds * 1000;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

const numberIn = (header: string | null): number | undefined =>
  header !== null && /^\d+(\.\d+)?$/.test(header.trim()) ? Number(header) : undefined;

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Waits; ends early with the signal's own reason. */
async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(ms, undefined, signal && { signal }).catch(() => {});
  signal?.throwIfAborted();
}
