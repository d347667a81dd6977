import * as z from "zod";
import type { Completion, FinishReason } from "../../types";

/** Schema of fields that a server may omit or misuse without losing the reply. */
const optionalText = z.string().optional().catch(undefined);

const partSchema = z.looseObject({ text: optionalText, refusal: optionalText, thinking: z.unknown().optional() });
const choiceSchema = z.object({
  message: z.object({
    content: z.union([z.string(), z.array(partSchema)]).nullish(),
    reasoning_content: optionalText,
    reasoning: optionalText,
    refusal: optionalText,
  }),
  finish_reason: optionalText,
  // vLLM's, for `return_token_ids`.
  token_ids: z.array(z.int()).optional().catch(undefined),
  logprobs: z
    .object({ content: z.array(z.object({ logprob: z.number() })) })
    .optional()
    .catch(undefined),
});

export const replySchema = z.object({ choices: z.array(choiceSchema).min(1) });

type Part = z.infer<typeof partSchema>;
type Choice = z.infer<typeof choiceSchema>;

export interface ReplyOptions {
  /** Puts reasoning that the server split off in front of the text, as `<think>…</think>`. */
  readonly joinReasoning: boolean;
  /** Removes keys from the server's words. */
  readonly safe: (text: string) => string;
}

/**
 * Ends a completion before its first stop text: a server that was not asked to, or does not listen, writes on. Then its
 * tokens and log-probs, of which there are more than are left, are dropped.
 */
export function cutAtStop(completion: Completion, stop: readonly string[]): Completion {
  const ends = stop.map((end) => completion.text.indexOf(end)).filter((at) => at >= 0);
  if (ends.length === 0) return completion;
  const { logProbs, tokenIds, ...rest } = completion;
  return { ...rest, text: completion.text.slice(0, Math.min(...ends)), finishReason: "stop" };
}

/** Reads a choice of a chat completion; what it says besides the text becomes the completion's `remark`. */
export function readChoice(
  { message, finish_reason = "stop", logprobs, token_ids }: Choice,
  { joinReasoning, safe }: ReplyOptions,
): Completion {
  const parts: readonly Part[] =
    typeof message.content === "string" ? [{ text: message.content, thinking: "" }] : (message.content ?? []);
  const content = parts.map(({ text = "" }) => text).join("");
  const field = message.reasoning_content ? "reasoning_content" : "reasoning";
  const reasoning = message[field] || parts.map(({ thinking }) => textIn(thinking)).join("");
  const refusal = message.refusal || parts.map((part) => part.refusal ?? "").join("");
  const text = joinReasoning ? joined(reasoning, content) : content;
  const finishReason = finishReasons.get(finish_reason.toLowerCase()) ?? "other";
  const remarks = [
    text.trim() === "" && "the reply has no text",
    joinReasoning &&
      reasoning.trim() !== "" &&
      content.trim() === "" &&
      `the reply is reasoning alone${finishReason === "length" ? ", which maxTokens cut off: raise it" : ""}`,
    refusal !== "" && `refusal: ${JSON.stringify(safe(refusal).slice(0, 500))}`,
    !joinReasoning &&
      reasoning !== "" &&
      `${reasoning.length} characters are in ${field}, which is not read; pass joinReasoning: true`,
    ["content_filter", "other"].includes(finishReason) && `finish_reason ${safe(finish_reason).slice(0, 100)}`,
  ].filter((remark) => remark !== false);
  return {
    text,
    finishReason,
    ...(remarks.length > 0 && { remark: remarks.join("; ") }),
    ...(token_ids && { tokenIds: token_ids }),
    ...(logprobs && { logProbs: logprobs.content.map(({ logprob }) => logprob) }),
  };
}

const finishReasons = new Map<string, FinishReason>([
  ...["", "stop", "eos", "eos_token", "end_turn", "stop_sequence"].map((word) => [word, "stop"] as const),
  ...["length", "max_tokens"].map((word) => [word, "length"] as const),
  ...["content_filter", "safety"].map((word) => [word, "content_filter"] as const),
]);

/**
 * Joins the two; reasoning that has the marks already stays as it is. The chat templates of reasoning models write
 * `<think>` into the prompt, so that a reply without its reasoning split off begins inside the thought.
 */
function joined(reasoning: string, content: string): string {
  if (content.includes("<think>")) return content;
  if (reasoning.trim() === "") return content.includes("</think>") ? `<think>${content}` : content;
  return reasoning.includes("<think>") ? `${reasoning}${content}` : `<think>${reasoning.trim()}</think>${content}`;
}

/** Text of Mistral's thinking, which is text or parts of text. */
function textIn(thinking: unknown): string {
  if (typeof thinking === "string") return thinking;
  return Array.isArray(thinking)
    ? thinking.map((part) => textIn((part as { text?: unknown } | null)?.text)).join("")
    : "";
}
