import { strict as assert } from "node:assert";
import type { GenerateOptions, VlmBackend } from "../../backend";
import { ConfigError } from "../../errors";
import type { Completion, Prompt } from "../../types";
import { describeLaws, type Laws, type Skipping, type Skips, type TestRunner } from "../laws/laws";

/** A backend's facts that the laws of `VlmBackend` need. */
export interface BackendContract extends Skipping {
  /** At least two different prompts. */
  readonly prompts: readonly Prompt[];
  /** Tokens of the completions that the laws ask for (12). */
  readonly maxTokens?: number;
  /** Largest difference of log-probs, in nats, when the same prompt runs in another batch (0). */
  readonly tolerance?: number;
  /** The capabilities that the backend must claim (all); laws about the others are skipped. */
  readonly capabilities?: Partial<VlmBackend["capabilities"]>;
  /** Whether `generate` calls `onPromptEnd` (false). */
  readonly callsOnPromptEnd?: boolean;
}

interface BackendSubject {
  readonly prompts: readonly Prompt[];
  readonly tolerance: number;
  readonly claimed: Required<VlmBackend["capabilities"]>;
  readonly open: () => Promise<VlmBackend>;
  generate(prompts: readonly Prompt[], options?: Partial<GenerateOptions>): ReturnType<VlmBackend["generate"]>;
}

/**
 * Holds a backend to what `VlmBackend` promises: counts, seeds, batches, temperature 0, token limits, stop texts,
 * log-probs, signals. One backend is created for all laws, and disposed of after the last.
 * @throws ConfigError for a runner without `afterAll` or `after`, and when `skip` names a law that does not exist
 * @example
 * import { afterAll, describe, it } from "vitest";
 * import { describeBackend } from "rise-ts/testing";
 * const capabilities = { logProbs: false, tokenIds: false, reproducible: false };
 * describeBackend({ describe, it, afterAll }, "my server", async () => myBackend(), { prompts, capabilities });
 */
export function describeBackend(
  runner: TestRunner,
  name: string,
  create: () => Promise<VlmBackend>,
  contract: BackendContract,
): void {
  const { prompts, maxTokens = 12, tolerance = 0, callsOnPromptEnd = false, skip } = contract;
  const claimed = { logProbs: true, tokenIds: true, reproducible: true, ...contract.capabilities };
  const afterAll = runner.afterAll ?? runner.after;
  if (!afterAll) throw new ConfigError("describeBackend: expected a test runner with afterAll or after, got neither");
  let backend: Promise<VlmBackend> | undefined;
  const open = () => (backend ??= create());
  const generate: BackendSubject["generate"] = async (asked, options) =>
    (await open()).generate(asked, { maxTokens, seed: 1, ...options });
  const unlikeItself = !claimed.reproducible && "the backend does not claim to be reproducible";
  const skips: Skips = {
    "tells onPromptEnd what it returns, and of every prompt":
      !callsOnPromptEnd && "the backend does not call onPromptEnd",
    "gives the same completions for the same seed, and others for other seeds": unlikeItself,
    "writes completion k of prompt i whatever else is in the batch": unlikeItself,
    "writes the same at temperature 0 whatever the seed": unlikeItself,
    "gives token ids for every completion": !claimed.tokenIds && "the backend does not claim token ids",
    "gives a log-prob of at most 0 for every token": !claimed.logProbs && "the backend does not claim log-probs",
    ...skip,
  };
  runner.describe(`backend ${name}`, () => {
    afterAll(async () => (await backend)?.dispose());
    describeLaws(runner, "as every backend", backendLaws, { prompts, tolerance, claimed, open, generate }, skips);
  });
}

const backendLaws: Laws<BackendSubject> = {
  "claims the capabilities it is held to": async ({ open, claimed }) => {
    const { logProbs, tokenIds = logProbs, reproducible } = (await open()).capabilities;
    assert.deepEqual({ logProbs, tokenIds, reproducible }, claimed);
  },

  "writes the asked number of completions for each prompt": async ({ generate, prompts }) => {
    const completions = await generate(prompts, { count: 3 });
    assert.deepEqual(
      completions.map((group) => group.length),
      prompts.map(() => 3),
    );
    for (const { finishReason } of completions.flat()) assert.ok(["stop", "length"].includes(finishReason));
  },

  "tells onPromptEnd what it returns, and of every prompt": async ({ generate, prompts }) => {
    const told = new Map<number, unknown>();
    const groups = await generate(prompts, { count: 2, onPromptEnd: (i, outcome) => void told.set(i, outcome) });
    assert.equal(told.size, prompts.length);
    for (const [i, outcome] of told) assert.deepEqual(outcome, groups[i]);
  },

  "writes nothing for no prompts": async ({ generate }) => assert.deepEqual(await generate([]), []),

  "gives the same completions for the same seed, and others for other seeds": async ({ generate, prompts }) => {
    const texts = async (seed: number) => textsOf(await generate(prompts, { seed, count: 2 }));
    assert.deepEqual(await texts(1), await texts(1));
    const bySeed = new Set<string>();
    for (let seed = 0; seed < 8; seed++) bySeed.add(JSON.stringify(await texts(seed)));
    assert.ok(bySeed.size > 1, "eight seeds gave the same completions");
  },

  "writes completion k of prompt i whatever else is in the batch": async ({ generate, prompts, tolerance }) => {
    const [alone] = await generate(prompts.slice(0, 1), { count: 2 });
    const [together] = await generate(prompts, { count: 3 });
    expectAlike(together!.slice(0, 2), alone!, tolerance);
  },

  "draws different completions for one prompt": async ({ generate, prompts }) => {
    const [completions] = await generate(prompts.slice(0, 1), { count: 12 });
    assert.ok(new Set(completions!.map(({ text }) => text)).size > 1, "twelve completions were the same");
  },

  "writes the same at temperature 0 whatever the seed": async ({ generate, prompts }) => {
    const first = await generate(prompts, { temperature: 0, seed: 1, count: 2 });
    const second = await generate(prompts, { temperature: 0, seed: 2, count: 2 });
    assert.deepEqual(textsOf(first), textsOf(second));
    for (const [a, b] of first) assert.equal(a!.text, b!.text);
  },

  "stops after maxTokens, and says so": async ({ generate, prompts }) => {
    const whole = (await generate(prompts, { temperature: 0 })).map(([completion]) => completion!);
    const short = (await generate(prompts, { temperature: 0, maxTokens: 1 })).map(([completion]) => completion!);
    for (const [i, { text, finishReason, tokenIds }] of short.entries()) {
      assert.ok(whole[i]!.text.startsWith(text.replace(/\uFFFD+$/, "")), `"${whole[i]!.text}" begins with "${text}"`);
      if (tokenIds) assert.equal(tokenIds.length, 1);
      if (text !== whole[i]!.text) assert.equal(finishReason, "length");
    }
  },

  "ends a completion before a stop text": async ({ generate, prompts }) => {
    const [[whole]] = (await generate(prompts.slice(0, 1), { temperature: 0 })) as [[Completion]];
    const stop = whole.text.slice(Math.floor(whole.text.length / 2)).slice(0, 4);
    assert.notEqual(stop, "");
    const [[stopped]] = (await generate(prompts.slice(0, 1), { temperature: 0, stop: [stop] })) as [[Completion]];
    assert.equal(stopped.text, whole.text.slice(0, whole.text.indexOf(stop)));
    assert.equal(stopped.finishReason, "stop");
  },

  "gives token ids for every completion": async ({ generate, prompts }) => {
    for (const { tokenIds } of (await generate(prompts, { count: 2 })).flat())
      assert.ok(tokenIds !== undefined && tokenIds.length > 0, `expected token ids, got ${tokenIds}`);
  },

  "gives a log-prob of at most 0 for every token": async ({ generate, prompts }) => {
    for (const { tokenIds, logProbs, samplingLogProbs } of (await generate(prompts, { count: 2 })).flat()) {
      assert.ok(logProbs !== undefined && logProbs.length > 0, `expected log-probs, got ${logProbs}`);
      if (tokenIds) assert.equal(logProbs.length, tokenIds.length);
      for (const logProb of [...logProbs, ...(samplingLogProbs ?? [])])
        assert.ok(logProb <= 0, `expected a log-prob of at most 0, got ${logProb}`);
    }
  },

  "refuses to begin under an aborted signal": async ({ generate, prompts }) =>
    assert.rejects(generate(prompts, { signal: AbortSignal.abort(new Error("enough")) }), /enough/),
};

const textsOf = (completions: readonly (readonly Completion[])[]) =>
  completions.map((group) => group.map(({ text }) => text));

function expectAlike(actual: readonly Completion[], expected: readonly Completion[], tolerance: number): void {
  assert.deepEqual(textsOf([actual]), textsOf([expected]));
  for (const [i, { tokenIds, logProbs }] of expected.entries()) {
    assert.deepEqual(actual[i]!.tokenIds, tokenIds);
    for (const [t, logProb] of (logProbs ?? []).entries()) {
      const gap = Math.abs(actual[i]!.logProbs![t]! - logProb);
      assert.ok(gap <= tolerance, `completion ${i}, token ${t}: expected log-probs within ${tolerance}, got ${gap}`);
    }
  }
}
