import { describe, expect, it } from "vitest";
import type { VlmBackend } from "../../src/backend";
import { BackendError } from "../../src/errors";
import { generate } from "../../src/runs/generate";
import type { Prompt } from "../../src/types";

const prompt: Prompt = [{ role: "user", content: [{ type: "text", text: "What is it?" }] }];
const backendOf = (answer: unknown): VlmBackend => ({
  name: "mine",
  capabilities: { logProbs: false, tokenIds: false, reproducible: false },
  generate: async () => answer as never,
  dispose: async () => {},
});

describe("generate", () => {
  it.each<[string, unknown, string]>([
    ["nothing", undefined, "mine: expected 1 completion for each of 1 prompt, got undefined"],
    ["no list", [undefined], "expected 1 completion for each of 1 prompt, got undefined"],
    ["two lists", [[], []], "expected 1 completion for each of 1 prompt, got 0, 0"],
    ["no completion", [[undefined]], 'a finishReason of "stop", "length", "content_filter", "other", got undefined'],
    [
      "another finish reason, after a long text",
      [[{ text: "a".repeat(1e5), finishReason: "eos" }]],
      'got {"text":"aaaa',
    ],
  ])("names what a backend gives instead of completions: %s", async (_, answer, message) => {
    const failing = generate(backendOf(answer), [prompt], { seed: 0 });
    await expect(failing).rejects.toBeInstanceOf(BackendError);
    await expect(failing).rejects.toThrow(message);
    await failing.catch((error: Error) => expect(error.message.length).toBeLessThan(300));
  });
});
