import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { text as textOf } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type OpenaiBackendOptions, openaiBackend } from "../../src/backends/openai";
import { BackendError } from "../../src/errors";
import { imagePrompt } from "../../src/prompts/template";
import type { RawImage } from "../../src/types";
import { type ChatServer, chatServer, type Fault } from "./chat-server";

const image: RawImage = { width: 1, height: 1, data: Uint8Array.from([200, 0, 0]) };
const plain = imagePrompt(image, "What is this?");
const think = imagePrompt(image, "What is this? Write <think>your reasoning</think><answer>a name</answer>.");

let server: ChatServer;
beforeAll(async () => {
  server = await chatServer(["a small grey cat", "a small brown dog", "nobody knows"]);
});
afterEach(() => {
  server.reset();
  vi.restoreAllMocks();
});
afterAll(() => server.close());

const open = (options: Partial<OpenaiBackendOptions> = {}) =>
  openaiBackend({ baseUrl: server.url, model: "tiny", ...options });
const reply = (message: object, more: object = {}): Fault => ({
  status: 200,
  body: { choices: [{ index: 0, message, finish_reason: "stop", ...more }] },
});
const warnings = () => {
  const emit = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  return () => emit.mock.calls.map(([message]) => String(message));
};

describe("reasoning that a server splits off", () => {
  const split = { content: "<answer>cat</answer>", reasoning_content: "It has fur." };

  it("is put back when the prompt asks for <think>, and named when it does not", async () => {
    server.rule = () => reply(split);
    const [asked, other] = (await open().generate([think, plain], { seed: 1 })).flat();
    expect(asked).toEqual({ text: "<think>It has fur.</think><answer>cat</answer>", finishReason: "stop" });
    expect(other).toMatchObject({
      text: "<answer>cat</answer>",
      remark: "11 characters are in reasoning_content, which is not read; pass joinReasoning: true",
    });
  });

  it("gets back the <think> that a reasoning model's chat template wrote into the prompt", async () => {
    server.rule = () => reply({ content: "It has fur.</think>\n<answer>cat</answer>" });
    const [asked, other] = (await open().generate([think, plain], { seed: 1 })).flat();
    expect(asked!.text).toBe("<think>It has fur.</think>\n<answer>cat</answer>");
    expect(other!.text).toBe("It has fur.</think>\n<answer>cat</answer>");
  });

  it("is named when it is all that there is", async () => {
    server.rule = () => reply({ content: null, reasoning: "It has" }, { finish_reason: "length" });
    const [cut] = (await open().generate([think], { seed: 1 })).flat();
    expect(cut!.remark).toBe("the reply is reasoning alone, which maxTokens cut off: raise it");
    server.rule = () => reply({ content: "", reasoning: "It has" });
    const [ended] = (await open().generate([think], { seed: 1 })).flat();
    expect(ended!.remark).toBe("the reply is reasoning alone");
  });

  it("is put back always or never when joinReasoning says so", async () => {
    server.rule = () => reply({ content: "<answer>cat</answer>", reasoning: "It has fur." });
    for (const [joinReasoning, prompt, start] of [
      [true, plain, "<think>It has fur.</think>"],
      [false, think, "<answer>"],
    ] as const) {
      const [completions] = await open({ joinReasoning }).generate([prompt], { seed: 1 });
      expect(completions![0]!.text.startsWith(start)).toBe(true);
    }
  });
});

describe("fields that transformers serve takes within generation_config", () => {
  /** Refuses as transformers 5.24 does. */
  const strict = (body: object): Fault | undefined => {
    const unexpected = ["top_k", "repetition_penalty"].filter((field) => field in body);
    const detail = `Unexpected fields in the request: {${unexpected.map((field) => `'${field}'`).join(", ")}}`;
    return unexpected.length > 0 ? { status: 422, body: { detail } } : undefined;
  };
  const sampling = { seed: 1, topK: 5, repetitionPenalty: 1.2, maxTokens: 9 };

  it("go there after the first refusal, and stay there", async () => {
    server.rule = strict;
    const backend = open({ retries: 0, requestsAtOnce: 1 });
    await backend.generate([plain, plain], sampling);
    await backend.generate([plain], { ...sampling, temperature: 0 });
    const bodies = server.requests.map(({ body }) => body as unknown as Record<string, unknown>);
    expect(bodies.map((body) => "top_k" in body)).toEqual([true, false, false, false]);
    const config = { top_k: 5, top_p: 1, repetition_penalty: 1.2, do_sample: true };
    expect(bodies.slice(1).map((body) => JSON.parse(String(body.generation_config)))).toEqual([
      config,
      config,
      { ...config, do_sample: false },
    ]);
  });

  it("go there for requests that were refused at the same time", async () => {
    server.rule = strict;
    const groups = await open({ retries: 0 }).generate([plain, think, plain], sampling);
    expect(groups.map((group) => group.length)).toEqual([1, 1, 1]);
  });

  it("are refused in the server's words when the caller has a generation_config of their own", async () => {
    server.rule = strict;
    const backend = open({ extraBody: { generation_config: "{}" } });
    await expect(backend.generate([plain], sampling)).rejects.toThrow(
      /422: Unexpected fields in the request: \{'top_k', 'repetition_penalty'\}; leave the field out/,
    );
    expect(server.requests).toHaveLength(1);
  });

  it("are refused once when the server does not take generation_config either", async () => {
    server.rule = (body) =>
      "generation_config" in body
        ? { status: 422, body: { detail: "Unexpected fields in the request: {'generation_config'}" } }
        : strict(body);
    await expect(open().generate([plain], sampling)).rejects.toThrow("Unexpected fields in the request: {'generation");
    expect(server.requests).toHaveLength(2);
  });
});

describe("equal samples", () => {
  const generation = { seed: 1, count: 3, maxTokens: 9 };

  it("are warned of once, with what to change, when every prompt has several and they are equal", async () => {
    const said = warnings();
    server.rule = () => reply({ content: "a cat" });
    const backend = open();
    await backend.generate([plain, think], generation);
    await backend.generate([plain], generation);
    expect(said()).toEqual([expect.stringMatching(/^tiny: .* got 3 equal completions of every prompt\..*do_sample/)]);
  });

  it("are not warned of when a prompt has different ones, when greedy, or when there is one", async () => {
    const said = warnings();
    await open().generate([plain, think], generation);
    server.rule = () => reply({ content: "a cat" });
    await open().generate([plain], { ...generation, temperature: 0 });
    await open().generate([plain, think], { ...generation, count: 1 });
    expect(said()).toEqual([]);
  });
});

describe("log-probs that were asked for", () => {
  const backend = () => open({ logProbs: true });

  it.each<[string, object]>([
    ["are absent", {}],
    ["are null", { logprobs: null }],
    ["have no content", { logprobs: { content: null } }],
  ])("are an error of the server, and no try is repeated, when they %s", async (_, more) => {
    server.rule = () => reply({ content: "a cat" }, more);
    const error: unknown = await backend()
      .generate([plain], { seed: 1 })
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(BackendError);
    expect(error).toMatchObject({ scope: "backend", message: expect.stringContaining("200: expected log-probs") });
    expect(server.requests).toHaveLength(1);
  });

  it("may be absent when the answer has no text, or was filtered", async () => {
    for (const fault of [
      reply({ content: null, refusal: "No." }),
      reply({ content: "a" }, { finish_reason: "safety" }),
    ]) {
      server.faults.push(fault);
      expect(await backend().generate([plain], { seed: 1 })).toHaveLength(1);
    }
  });
});

describe("stop texts", () => {
  it("end a completion here when the server does not know of them, and its log-probs go", async () => {
    server.rule = () =>
      reply(
        { content: "a cat. A dog." },
        { logprobs: { content: Array(5).fill({ logprob: -1 }) }, finish_reason: "length" },
      );
    const backend = open({ omitFields: ["stop"], logProbs: true });
    const [completions] = await backend.generate([plain], { seed: 1, stop: ["!", "."] });
    expect(completions).toEqual([{ text: "a cat", finishReason: "stop" }]);
    expect(server.requests[0]!.body).not.toHaveProperty("stop");
  });

  it("are suspected when the server answers 500 to a request with them, and only then", async () => {
    server.rule = () => ({ status: 500, body: "Internal Server Error" });
    const backend = open({ retries: 0 });
    const remedy = 'omitFields: ["stop"], and completions are cut here';
    await expect(backend.generate([plain], { seed: 1, stop: ["."] })).rejects.toThrow(remedy);
    await expect(backend.generate([plain], { seed: 1 })).rejects.not.toThrow(remedy);
  });
});

describe("a model that the server does not have", () => {
  it("is an error of all prompts, in the server's words", async () => {
    const detail = "Server is pinned to '/models/tiny'; requested 'tiny'.";
    server.rule = () => ({ status: 400, body: { detail } });
    await expect(open().generate([plain], { seed: 1 })).rejects.toMatchObject({
      scope: "backend",
      message: expect.stringContaining(`400: ${detail}`),
    });
  });
});

describe("a connection that the server closed while it was idle", () => {
  /** Answers the first request of a connection, and hangs up at the second: as many times as it should. */
  async function hangingUp(times: number) {
    const seen = new WeakSet<Socket>();
    let requests = 0;
    let left = times;
    const http: Server = createServer(async (request, response) => {
      requests++;
      await textOf(request);
      if (seen.has(request.socket) && left-- > 0) return void request.socket.end();
      seen.add(request.socket);
      response.end(JSON.stringify({ choices: [{ message: { content: "a cat" }, finish_reason: "stop" }] }));
    });
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    const baseUrl = `http://127.0.0.1:${(http.address() as AddressInfo).port}/v1`;
    const close = () => {
      http.closeAllConnections();
      http.close();
    };
    return { baseUrl, requests: () => requests, close };
  }

  it("is replaced once without counting as a try", async () => {
    const { baseUrl, requests, close } = await hangingUp(1);
    const backend = open({ baseUrl, retries: 0 });
    for (let i = 0; i < 2; i++) await backend.generate([plain], { seed: i });
    expect(requests()).toBe(3);
    close();
  });

  it("is an error at once when it was a new one", async () => {
    const fresh = await chatServer(["a cat"]);
    fresh.faults.push("break");
    const backend = open({ baseUrl: fresh.url, retries: 0 });
    await expect(backend.generate([plain], { seed: 1 })).rejects.toThrow(/after 1 try/);
    expect(fresh.requests).toHaveLength(1);
    await fresh.close();
  });
});
