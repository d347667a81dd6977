import { describe, expect, it } from "vitest";
import { type AiSdkModel, aiSdkBackend } from "../../src/backends/ai-sdk";
import { BackendError, ConfigError } from "../../src/errors";
import { imagePrompt } from "../../src/prompts/template";
import { createRng } from "../../src/rng";
import type { RawImage } from "../../src/types";
import { describeBackend } from "./contract";

type Reply = Awaited<ReturnType<AiSdkModel["doGenerate"]>>;
interface Call {
  readonly prompt: readonly { readonly role: string; readonly content: readonly Readonly<Record<string, unknown>>[] }[];
  readonly seed: number;
  readonly abortSignal: AbortSignal;
  readonly [option: string]: unknown;
}

/** A model that answers each call as `answer` says, and the calls that it received. */
function fake(
  answer: (call: Call, nth: number) => Reply | Promise<Reply>,
  specificationVersion: AiSdkModel["specificationVersion"] = "v4",
) {
  const calls: Call[] = [];
  const model: AiSdkModel = {
    specificationVersion,
    provider: "test.chat",
    modelId: "m1",
    async doGenerate(call: Call) {
      call.abortSignal.throwIfAborted();
      return answer(call, calls.push(call));
    },
  };
  return { model, calls };
}

const written = (text: string, finishReason: Reply["finishReason"] = { unified: "stop" }): Reply => ({
  content: [{ type: "text", text }],
  finishReason,
});
const failing = (statusCode: number, isRetryable: boolean) =>
  Object.assign(new Error(`no: ${statusCode}`), { statusCode, isRetryable });

const pixel = (red: number): RawImage => ({ width: 1, height: 1, data: Uint8Array.from([red, 0, 0]) });
const prompts = [imagePrompt(pixel(0), "What is this?"), imagePrompt(pixel(255), "And this?")] as const;
const texts = ["a small grey cat", "a small brown dog in the grass", "nobody knows"];

describeBackend(
  "the AI SDK",
  async () =>
    aiSdkBackend({
      model: fake(({ seed, maxOutputTokens }) => {
        const words = texts[createRng(seed, "text").integer(3)]!.split(" ");
        const most = Number(maxOutputTokens);
        return words.length > most
          ? written(words.slice(0, most).join(" "), { unified: "length" })
          : written(words.join(" "));
      }).model,
    }),
  { prompts, callsOnPromptEnd: true, capabilities: { logProbs: false, tokenIds: false, reproducible: false } },
);

describe("aiSdkBackend", () => {
  it.each(["v2", "v3", "v4"] as const)("sends text, image and settings in the form of %s", async (version) => {
    const { model, calls } = fake(() => written("a cat"), version);
    const backend = aiSdkBackend({ model, providerOptions: { test: { effort: "low" } } });
    const options = { count: 2, temperature: 0.7, topP: 0.9, topK: 5, stop: ["."], maxTokens: 7, seed: 3 };
    const [completions] = await backend.generate(prompts.slice(0, 1), options);
    expect(completions!.map(({ text }) => text)).toEqual(["a cat", "a cat"]);
    expect(calls).toHaveLength(2);
    expect(calls[0]!.seed).not.toBe(calls[1]!.seed);
    expect(calls[0]).toMatchObject({
      maxOutputTokens: 7,
      temperature: 0.7,
      topP: 0.9,
      topK: 5,
      stopSequences: ["."],
      providerOptions: { test: { effort: "low" } },
    });
    const [image, text] = calls[0]!.prompt[0]!.content;
    expect(text).toEqual({ type: "text", text: "What is this?" });
    expect(image).toMatchObject({ type: "file", mediaType: "image/png" });
    const bytes = version === "v4" ? (image!.data as { data: Uint8Array }).data : (image!.data as Uint8Array);
    expect([...bytes.subarray(0, 4)]).toEqual([0x89, 0x50, 0x4e, 0x47]);
  });

  it("asks once for greedy completions, which are all the same", async () => {
    const { model, calls } = fake(() => written("a cat"));
    const [completions] = await aiSdkBackend({ model }).generate(prompts.slice(0, 1), {
      count: 3,
      temperature: 0,
      seed: 0,
    });
    expect(completions).toHaveLength(3);
    expect(calls).toHaveLength(1);
  });

  it("puts reasoning in front if asked to, and else says that it was given apart", async () => {
    const reply: Reply = {
      content: [
        { type: "reasoning", text: "It has whiskers." },
        { type: "text", text: "<answer>cat</answer>" },
      ],
      finishReason: "stop",
    };
    const { model } = fake(() => reply, "v2");
    const ask = async (joinReasoning: boolean) =>
      (await aiSdkBackend({ model, joinReasoning }).generate(prompts.slice(0, 1), { seed: 0 }))[0]![0]!;
    expect((await ask(true)).text).toBe("<think>It has whiskers.</think><answer>cat</answer>");
    expect(await ask(false)).toMatchObject({ text: "<answer>cat</answer>", remark: expect.stringMatching(/apart/) });
  });

  it("tries again after an error that passes, and gives up with the provider's words", async () => {
    const { model, calls } = fake((_, nth) => {
      if (nth < 3) throw failing(429, true);
      return written("a cat");
    });
    const [completions] = await aiSdkBackend({ model }).generate(prompts.slice(0, 1), { seed: 0 });
    expect(completions![0]!.text).toBe("a cat");
    expect(calls).toHaveLength(3);
    const busy = fake(() => {
      throw failing(503, true);
    });
    await expect(
      aiSdkBackend({ model: busy.model, retries: 1 }).generate(prompts.slice(0, 1), { seed: 0 }),
    ).rejects.toMatchObject({ name: "BackendError", scope: "moment", message: "test.chat m1: 503 no: 503" });
  });

  it.each([
    [401, "backend"],
    [400, "prompt"],
  ])("says how far a refusal with status %i reaches: %s", async (status, scope) => {
    const { model, calls } = fake(() => {
      throw failing(status, false);
    });
    const failed = aiSdkBackend({ model }).generate(prompts.slice(0, 1), { seed: 0 });
    await expect(failed).rejects.toMatchObject({ name: "BackendError", scope });
    expect(calls).toHaveLength(1);
  });

  it("does not try again in step: each call has a wait of its own", async () => {
    const again: number[] = [];
    const order: number[] = [];
    const { model } = fake(({ seed }) => {
      if (!order.includes(seed)) {
        order.push(seed);
        throw failing(429, true);
      }
      again.push(seed);
      return written("a cat");
    });
    await aiSdkBackend({ model }).generate([...prompts, ...prompts, ...prompts], { seed: 0 });
    expect(again.toSorted()).toEqual(order.toSorted());
    expect(again).not.toEqual(order);
  });

  it.each([undefined, { finishReason: "stop" }, { content: [] }])(
    "says what came in place of a reply: %j",
    async (reply) => {
      const { model } = fake(() => reply as never);
      await expect(aiSdkBackend({ model }).generate(prompts.slice(0, 1), { seed: 0 })).rejects.toThrow(
        "test.chat m1: expected a reply with content and finishReason, got ",
      );
    },
  );

  it("says that a filter ended the text", async () => {
    const { model } = fake(() => written("", { unified: "content-filter" }));
    const [[completion]] = (await aiSdkBackend({ model }).generate(prompts.slice(0, 1), { seed: 0 })) as [[object]];
    expect(completion).toMatchObject({
      finishReason: "content_filter",
      remark: expect.stringContaining("content-filter"),
    });
  });

  it("refuses what no provider can do, and what is no model", async () => {
    const { model } = fake(() => written("a cat"));
    expect(() => aiSdkBackend({ model: "gpt-5-mini" as never })).toThrow(ConfigError);
    expect(() => aiSdkBackend({ model: { ...model, specificationVersion: "v1" as never } })).toThrow(BackendError);
    await expect(
      (async () => aiSdkBackend({ model }).generate(prompts, { seed: 0, repetitionPenalty: 1.2 }))(),
    ).rejects.toThrow(/repetitionPenalty/);
  });
});
