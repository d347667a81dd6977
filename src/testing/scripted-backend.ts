import type { VlmBackend } from "../backend";
import { createRng, type Rng } from "../rng";
import type { Completion, Prompt } from "../types";

/** Writes one completion: texts to draw from, or a function of the prompt and a random generator. */
export type Script = readonly string[] | ((prompt: Prompt, rng: Rng) => string);

/**
 * Makes a backend that writes scripted texts, for tests and dry runs. A token is a word.
 * @param script completion k of prompt i draws from a list with a generator seeded by (seed, i, k), or is the first
 * text at temperature 0; a function gets the prompt and that generator
 * @example
 * const backend = scriptedBackend(["a small grey cat", "nobody knows"]);
 */
export function scriptedBackend(script: Script): VlmBackend {
  return {
    name: "scripted",
    capabilities: { logProbs: false, reproducible: true },
    async generate(prompts, { count = 1, maxTokens = 256, temperature = 1, seed, stop = [], signal }) {
      signal?.throwIfAborted();
      return prompts.map((prompt, i) =>
        Array.from({ length: count }, (_, k) => {
          const rng = temperature === 0 ? createRng(0) : createRng(seed, i, k);
          const text = typeof script === "function" ? script(prompt, rng) : pick(script, temperature, rng);
          return cut(text, maxTokens, stop);
        }),
      );
    },
    dispose: async () => {},
  };
}

const pick = (texts: readonly string[], temperature: number, rng: Rng) =>
  texts[temperature === 0 ? 0 : rng.integer(texts.length)] ?? "";

function cut(text: string, maxTokens: number, stop: readonly string[]): Completion {
  const words = splitWords(text);
  const written = words.slice(0, maxTokens).join("");
  const ends = stop.map((end) => written.indexOf(end)).filter((at) => at >= 0);
  if (ends.length > 0) return { text: written.slice(0, Math.min(...ends)), finishReason: "stop" };
  return { text: written, finishReason: words.length > maxTokens ? "length" : "stop" };
}

/** Words, each with the space before it; joined they are the text. */
export const splitWords = (text: string): readonly string[] => text.match(/\s*\S+|\s+$/g) ?? [];

/** All text of a prompt and its image names, which distinguish prompts. */
export const promptKey = (prompt: Prompt): string =>
  prompt
    .flatMap(({ content }) => content)
    .map((part) => (part.type === "text" ? part.text : typeof part.image === "string" ? `[${part.image}]` : "[image]"))
    .join("\n");
