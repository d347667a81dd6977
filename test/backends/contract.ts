import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GenerateOptions, VlmBackend } from "../../src/backend";
import type { Completion, Prompt } from "../../src/types";

/** What every backend is held to. */
export function describeBackend(
  name: string,
  create: () => Promise<VlmBackend>,
  {
    prompts,
    maxTokens = 12,
    tolerance = 0,
  }: {
    /** At least two, different ones. */
    readonly prompts: readonly Prompt[];
    readonly maxTokens?: number;
    /** How far log-probs may be apart when the same prompt runs in another batch, nats. */
    readonly tolerance?: number;
  },
): void {
  describe(`backend ${name}`, () => {
    let backend: VlmBackend;
    const generate = (asked: readonly Prompt[], options: Partial<GenerateOptions> = {}) =>
      backend.generate(asked, { maxTokens, seed: 1, ...options });

    beforeAll(async () => {
      backend = await create();
    });
    afterAll(() => backend.dispose());

    it("writes the asked number of completions for each prompt", async () => {
      const completions = await generate(prompts, { count: 3 });
      expect(completions.map((group) => group.length)).toEqual(prompts.map(() => 3));
      for (const completion of completions.flat()) expect(["stop", "length"]).toContain(completion.finishReason);
    });

    it("tells onPromptEnd what it returns, if it tells anything", async () => {
      const told = new Map<number, unknown>();
      const groups = await generate(prompts, { count: 2, onPromptEnd: (i, outcome) => void told.set(i, outcome) });
      for (const [i, outcome] of told) expect(outcome).toEqual(groups[i]);
      expect([0, prompts.length]).toContain(told.size);
    });

    it("writes nothing for no prompts", async () => {
      expect(await generate([])).toEqual([]);
    });

    it("gives the same completions for the same seed, and others for other seeds", async () => {
      if (!backend.capabilities.reproducible) return;
      expect(textsOf(await generate(prompts, { count: 2 }))).toEqual(textsOf(await generate(prompts, { count: 2 })));
      const bySeed = new Set<string>();
      for (let seed = 0; seed < 8; seed++)
        bySeed.add(JSON.stringify(textsOf(await generate(prompts, { seed, count: 2 }))));
      expect(bySeed.size).toBeGreaterThan(1);
    });

    it("writes completion k of prompt i whatever else is in the batch", async () => {
      if (!backend.capabilities.reproducible) return;
      const [alone] = await generate(prompts.slice(0, 1), { count: 2 });
      const [together] = await generate(prompts, { count: 3 });
      expectAlike(together!.slice(0, 2), alone!, tolerance);
    });

    it("draws different completions for one prompt", async () => {
      const [completions] = await generate(prompts.slice(0, 1), { count: 12 });
      expect(new Set(completions!.map(({ text }) => text)).size).toBeGreaterThan(1);
    });

    it("writes the same at temperature 0 whatever the seed", async () => {
      if (!backend.capabilities.reproducible) return;
      const greedy = (seed: number) => generate(prompts, { temperature: 0, seed, count: 2 });
      const [first, second] = [await greedy(1), await greedy(2)];
      expect(textsOf(first)).toEqual(textsOf(second));
      for (const [a, b] of first) expect(a!.text).toBe(b!.text);
    });

    it("stops after maxTokens, and says so", async () => {
      const whole = (await generate(prompts, { temperature: 0 })).map(([completion]) => completion!);
      const short = (await generate(prompts, { temperature: 0, maxTokens: 1 })).map(([completion]) => completion!);
      for (const [i, { text, finishReason, tokenIds }] of short.entries()) {
        expect(whole[i]!.text.startsWith(text.replace(/\uFFFD+$/, ""))).toBe(true);
        if (tokenIds) expect(tokenIds).toHaveLength(1);
        if (text !== whole[i]!.text) expect(finishReason).toBe("length");
      }
    });

    it("ends a completion before a stop text", async () => {
      const [[whole]] = (await generate(prompts.slice(0, 1), { temperature: 0 })) as [[Completion]];
      const stop = whole.text.slice(Math.floor(whole.text.length / 2)).slice(0, 4);
      expect(stop).not.toBe("");
      const [[stopped]] = (await generate(prompts.slice(0, 1), { temperature: 0, stop: [stop] })) as [[Completion]];
      expect(stopped).toMatchObject({ text: whole.text.slice(0, whole.text.indexOf(stop)), finishReason: "stop" });
    });

    it("gives a log-prob of at most 0 for every token, where it gives any", async () => {
      for (const { tokenIds, logProbs, samplingLogProbs } of (await generate(prompts, { count: 2 })).flat()) {
        if (!backend.capabilities.logProbs) continue;
        expect(tokenIds!.length).toBeGreaterThan(0);
        expect(logProbs).toHaveLength(tokenIds!.length);
        for (const logProb of [...logProbs!, ...(samplingLogProbs ?? [])]) expect(logProb).toBeLessThanOrEqual(0);
      }
    });

    it("refuses to begin under an aborted signal", async () => {
      await expect(generate(prompts, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
    });
  });
}

const textsOf = (completions: readonly (readonly Completion[])[]) =>
  completions.map((group) => group.map(({ text }) => text));

function expectAlike(actual: readonly Completion[], expected: readonly Completion[], tolerance: number): void {
  expect(textsOf([actual])).toEqual(textsOf([expected]));
  for (const [i, { tokenIds, logProbs }] of expected.entries()) {
    expect(actual[i]!.tokenIds).toEqual(tokenIds);
    for (const [t, logProb] of (logProbs ?? []).entries())
      expect(Math.abs(actual[i]!.logProbs![t]! - logProb)).toBeLessThanOrEqual(tolerance);
  }
}
