import type { GenerateOptions, VlmBackend } from "../backend";
import { BackendError, concernsOnePrompt } from "../errors";
import { counted, listed, shown } from "../options/display";
import { deriveSeed } from "../rng";
import type { Completion, FinishReason, Prompt } from "../types";

/** A prompt's completions, or the error that it had instead. */
export type Outcome = readonly Completion[] | Error;

/** Calls `backend.generate`, and checks the number of completions, their texts and their finish reasons. */
export async function generate(
  backend: VlmBackend,
  prompts: readonly Prompt[],
  options: GenerateOptions,
): Promise<readonly (readonly Completion[])[]> {
  const { count = 1, signal, onPromptEnd } = options;
  const failed = new Set<number>();
  const completions = await backend.generate(prompts, {
    ...options,
    ...(onPromptEnd && {
      async onPromptEnd(i: number, outcome: Outcome) {
        if (outcome instanceof Error) failed.add(i);
        else checkCompletions(backend, outcome);
        await onPromptEnd(i, outcome);
      },
    }),
  });
  signal?.throwIfAborted();
  const numbers = Array.isArray(completions) ? completions.map((group: unknown) => Object(group).length) : undefined;
  const bad = prompts.findIndex((_, i) => numbers?.[i] !== (failed.has(i) ? 0 : count));
  if (bad >= 0 || numbers?.length !== prompts.length)
    throw new BackendError(
      `${backend.name}: expected ${counted(count, "completion")} for each of ${counted(prompts.length, "prompt")}, got ${numbers ? listed(numbers.map(String), ", ", 20) : shown(completions)}`,
      { scope: "backend" },
    );
  checkCompletions(backend, completions.flat());
  return completions;
}

/**
 * Generates so that a prompt may fail without the others: its place holds the error. A backend that only rejects is
 * called again for one prompt after another.
 *
 * @param onEnd is called once for each prompt, as soon as its outcome is known, and awaited; its error ends the call
 * @throws errors that concern more than one prompt: a wrong key, a server that is down, a broken model, an aborted
 * signal
 */
export async function generateEach(
  backend: VlmBackend,
  prompts: readonly Prompt[],
  options: Omit<GenerateOptions, "onPromptEnd">,
  onEnd: (index: number, outcome: Outcome) => void | Promise<void> = () => {},
): Promise<readonly Outcome[]> {
  const outcomes = new Map<number, Outcome>();
  let refused: { readonly error: unknown } | undefined;
  const end = async (i: number, outcome: Outcome) => {
    if (outcomes.has(i)) return;
    outcomes.set(i, outcome);
    try {
      await onEnd(i, outcome);
    } catch (error) {
      refused = { error };
      throw error;
    }
  };
  try {
    const groups = await generate(backend, prompts, { ...options, onPromptEnd: end });
    await Promise.all(groups.map((group, i) => end(i, group)));
  } catch (error) {
    if (refused) throw refused.error;
    if (options.signal?.aborted || !concernsOnePrompt(error)) throw error;
    if (prompts.length === 1) await end(0, error);
    for (const [i, prompt] of prompts.entries()) {
      if (outcomes.has(i)) continue;
      const seed = deriveSeed(options.seed, "alone", i);
      await generateEach(backend, [prompt], { ...options, seed }, (_, outcome) => end(i, outcome));
    }
  }
  return prompts.map((_, i) => outcomes.get(i)!);
}

const finishReasons: readonly FinishReason[] = ["stop", "length", "content_filter", "other"];

function checkCompletions({ name }: VlmBackend, completions: readonly Completion[]): void {
  const isOdd = (one: Completion) => typeof one?.text !== "string" || !finishReasons.includes(one.finishReason);
  const odd = completions.findIndex(isOdd);
  if (odd >= 0)
    throw new BackendError(
      `${name}: expected completions with a text and a finishReason of "${finishReasons.join('", "')}", got ${shown(completions[odd])}`,
      { scope: "backend" },
    );
}
