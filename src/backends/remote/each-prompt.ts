import type { GenerateOptions } from "../../backend";
import { concernsOnePrompt } from "../../errors";
import type { Completion, Prompt } from "../../types";

/**
 * Completes all prompts, at most `atOnce` at a time, as `VlmBackend.generate` promises: `onPromptEnd` is called for
 * each, and with it a failure of one prompt rejects nothing.
 * @param complete writes a prompt's completions; its signal ends it when another prompt's failure ends the call
 */
export async function eachPrompt(
  prompts: readonly Prompt[],
  { onPromptEnd, signal: outer }: Pick<GenerateOptions, "onPromptEnd" | "signal">,
  atOnce: number,
  complete: (prompt: Prompt, index: number, signal: AbortSignal) => Promise<readonly Completion[]>,
): Promise<readonly (readonly Completion[])[]> {
  outer?.throwIfAborted();
  const failed = new AbortController();
  const signal = AbortSignal.any([failed.signal, ...(outer ? [outer] : [])]);
  const groups: (readonly Completion[])[] = [];
  const waiting = prompts.entries();
  const answer = (prompt: Prompt, i: number) =>
    complete(prompt, i, signal).catch((error: unknown) => {
      if (!onPromptEnd || signal.aborted || !concernsOnePrompt(error)) throw error;
      return error;
    });
  const work = async () => {
    for (const [i, prompt] of waiting) {
      const outcome = await answer(prompt, i);
      groups[i] = outcome instanceof Error ? [] : outcome;
      await onPromptEnd?.(i, outcome);
    }
  };
  // The other prompts' requests are useless now.
  const stop = (error: unknown) => failed.abort(error);
  // Wait for all of them, so that onPromptEnd is not called after the end.
  await Promise.all(Array.from({ length: Math.min(atOnce, prompts.length) }, () => work().catch(stop)));
  outer?.throwIfAborted();
  failed.signal.throwIfAborted();
  return groups;
}
