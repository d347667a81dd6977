import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { GenerateOptions } from "../../src/backend";
import { type OpenaiBackendOptions, openaiBackend } from "../../src/backends/openai";
import { BackendError, ConfigError } from "../../src/errors";
import { evaluate } from "../../src/evaluation/evaluate";
import { imagePrompt } from "../../src/prompts/template";
import { classification } from "../../src/tasks/classification";
import type { Completion, Example, LabelDistribution, RawImage } from "../../src/types";
import { type ChatServer, chatServer, type Fault } from "./chat-server";

const pixel = (red: number): RawImage => ({ width: 1, height: 1, data: Uint8Array.from([red, 0, 0]) });
const prompt = imagePrompt(pixel(0), "What is this?");
const apiKey = "sk-secret-0123456789-and-so-on-until-it-is-long";
const generation: GenerateOptions = { seed: 1, maxTokens: 12 };

let server: ChatServer;
beforeAll(async () => {
  server = await chatServer(["a small grey cat"]);
});
afterEach(() => {
  server.reset();
  vi.restoreAllMocks();
});
afterAll(() => server.close());

const open = (options: Partial<OpenaiBackendOptions> = {}) =>
  openaiBackend({ baseUrl: server.url, apiKey, model: "tiny", ...options });
const ask = async (fault: Fault | undefined, options: Partial<OpenaiBackendOptions> = {}): Promise<Completion> => {
  if (fault) server.faults.push(fault);
  const [completions] = await open(options).generate([prompt], generation);
  return completions![0]!;
};
const failure = async (fault: Fault, options: Partial<OpenaiBackendOptions> = {}): Promise<BackendError> => {
  const error: unknown = await ask(fault, options).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(BackendError);
  return error as BackendError;
};
const reply = (message: object, finish_reason: string | null = "stop"): Fault => ({
  status: 200,
  body: { choices: [{ index: 0, message, finish_reason }] },
});

/** Replies that servers are known to give, in our own wording; `only`: to that request, `first`: to the first one. */
const known = readFileSync(new URL("server-replies.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as { id: string; status: number; body: object; only?: number; first?: boolean });
const fault = (n: number): Fault => ({ ...known[n]!, headers: { "retry-after": "0" } });

const labels = ["anger", "joy"];
const task = classification({ labels });
const dataset: readonly Example<LabelDistribution>[] = [0, 1, 2].map((i) => ({
  id: `e${i}`,
  image: pixel(i),
  annotation: { anger: 0.1, joy: 0.9 },
}));
const think = "<think>The child smiles.</think><answer>{'anger': 0.10, 'joy': 0.90}</answer>";
/** One of the replies to the second example, and a good answer to the others. */
const evaluated = async (reply: Fault, options: Partial<OpenaiBackendOptions> = {}) => {
  let request = 0;
  server.rule = () => (request++ === 1 ? reply : { status: 200, body: goodReply });
  const evaluation = await evaluate({ task, dataset, backend: open({ ...options, requestsAtOnce: 1 }), batchSize: 1 });
  return { ...evaluation, second: evaluation.records[1]! };
};
const goodReply = { choices: [{ message: { content: think }, finish_reason: "stop" }] };

describe("a known reply of a server", () => {
  it("F1: refuses temperature 0, until an option leaves the field out", async () => {
    const rule = (body: object): Fault | undefined =>
      "temperature" in body || "seed" in body || "n" in body ? fault(0) : { status: 200, body: goodReply };
    server.rule = rule;
    const evaluating = (options: object) => evaluate({ task, dataset, backend: open(options) });
    await expect(evaluating({})).rejects.toThrow(/example e\d: .*400: Unsupported value: temperature 0.*no example/);
    server.rule = rule;
    const { metrics } = await evaluating({ omitFields: ["temperature", "seed", "n"] });
    expect(metrics.formatRate).toBe(1);
  });

  it("F2: fails that example by its id, and keeps the others", async () => {
    const { records, failures, metrics, second } = await evaluated(fault(1));
    expect(second).toMatchObject({ exampleId: "e1", text: "", finishReason: "error", prediction: null });
    expect(second.failure).toMatch(/400: The prompt was stopped by the content filter\.$/);
    expect(records.map(({ prediction }) => prediction?.joy)).toEqual([0.9, undefined, 0.9]);
    expect([failures, metrics.formatRate]).toEqual([1, 2 / 3]);
  });

  it.each([2, 3])("F3: names reasoning_content, or joins it as think (reply %i)", async (n) => {
    const plain = await evaluated(fault(n), { joinReasoning: false });
    expect(plain.second.failure).toMatch(/\d+ characters are in reasoning_content.*joinReasoning: true/);
    const joined = await evaluated(fault(n));
    expect(joined.second).toMatchObject({ think: "The child smiles.", prediction: { anger: 0.1, joy: 0.9 } });
    expect(joined.second).not.toHaveProperty("failure");
  });

  it("F4a: tries a 429 within a 200 again, and quotes it when the tries are used up", async () => {
    expect((await ask(fault(4))).text).toBe("a small grey cat");
    expect(server.requests).toHaveLength(2);
    const { message, scope } = await failure(fault(4), { retries: 0 });
    expect(message).toContain("200 with an error: 429: Rate limit exceeded after 1 try");
    expect(scope).toBe("moment");
  });

  it("F5b: quotes the refusal, and says content_filter", async () => {
    expect((await evaluated(fault(5))).second.failure).toContain('refusal: "I can\'t help with that."');
    const { second } = await evaluated(fault(6));
    expect(second.failure).toContain("finish_reason content_filter");
    expect(second.finishReason).toBe("content_filter");
  });

  it("F5c: quotes the provider's own reason", async () => {
    const { message } = await failure(fault(7), { retries: 0 });
    expect(message).toContain(
      "429: Provider returned error: the model is rate-limited upstream: add a key of your own",
    );
  });
});

describe("what a reply says", () => {
  it.each<[string, object, string | null, Partial<Completion>]>([
    [
      "content in parts",
      {
        content: [
          { type: "text", text: "a " },
          { type: "text", text: "b" },
        ],
      },
      "stop",
      { text: "a b" },
    ],
    ["no finish_reason", { content: "a" }, null, { text: "a", finishReason: "stop" }],
    ["max_tokens", { content: "a" }, "max_tokens", { finishReason: "length" }],
    ["an unknown reason", { content: "a" }, "abort", { finishReason: "other", remark: "finish_reason abort" }],
    ["a filter after some text", { content: "a" }, "content_filter", { text: "a", finishReason: "content_filter" }],
    [
      "a refusal as a part",
      { content: [{ type: "refusal", refusal: "No." }] },
      "stop",
      { remark: 'the reply has no text; refusal: "No."' },
    ],
    ["nothing", { content: null }, "stop", { text: "", remark: "the reply has no text" }],
    [
      "fields of odd kinds",
      { content: "a", refusal: 7, reasoning: { x: 1 } },
      "stop",
      { text: "a", finishReason: "stop" },
    ],
  ])("is read: %s", async (_, message, finish, expected) => {
    expect(await ask(reply(message, finish))).toMatchObject(expected);
  });

  it.each<[string, object, string]>([
    ["reasoning", { content: "B", reasoning: "A" }, "<think>A</think>B"],
    [
      "reasoning in parts",
      {
        content: [
          { type: "thinking", thinking: [{ type: "text", text: "A" }] },
          { type: "text", text: "B" },
        ],
      },
      "<think>A</think>B",
    ],
    [
      "reasoning that content has already",
      { content: "<think>A</think>B", reasoning_content: "A" },
      "<think>A</think>B",
    ],
    ["no reasoning", { content: "B", reasoning_content: "" }, "B"],
  ])("joins %s", async (_, message, text) => {
    const completion = await ask(reply(message), { joinReasoning: true });
    expect(completion.text).toBe(text);
    expect(completion).not.toHaveProperty("remark");
  });
});

describe("a server that fails", () => {
  const now = { headers: { "retry-after": "0" } };
  it.each<[string, Fault]>([
    ["408", { status: 408, ...now }],
    ["409", { status: 409, ...now }],
    ["425", { status: 425, ...now }],
    ["529", { status: 529, ...now }],
    ["204", { status: 204, ...now }],
    ["an empty 200", { status: 200, body: "", ...now }],
    ["JSON that is cut off", { status: 200, body: '{"choices": [{"mess', ...now }],
    ["an error without a code within a 200", { status: 200, body: { error: "overloaded" }, ...now }],
    [
      "a provider's error within a choice",
      { status: 200, body: { choices: [{ error: { code: 502, message: "bad gateway" } }] }, ...now },
    ],
    ["plain text that claims to be gzip", { status: 200, body: "plain", headers: { "content-encoding": "gzip" } }],
  ])("is asked again after %s", async (_, once) => {
    expect((await ask(once)).text).toBe("a small grey cat");
    expect(server.requests).toHaveLength(2);
  });

  it.each<[string, "prompt" | "backend", Fault]>([
    ["a wrong key", "backend", { status: 401, message: "Invalid authentication" }],
    ["a wrong key, told with 400", "backend", { status: 400, message: "API key not valid" }],
    [
      "no credit",
      "backend",
      { status: 429, body: { error: { message: "You have no credit", code: "insufficient_quota" } } },
    ],
    ["no payment", "backend", { status: 402 }],
    ["an unknown model", "backend", { status: 404, message: "The model `x` does not exist" }],
    ["a country", "backend", { status: 403, message: "not available in your region" }],
    ["moderation", "prompt", { status: 403, message: "your input was flagged" }],
    ["a prompt that is too long", "prompt", { status: 422, message: "too long" }],
    ["an image that is too large", "prompt", { status: 413, body: "<html>413</html>" }],
    [
      "llama.cpp's 500 for good",
      "prompt",
      { status: 500, message: "image input is not supported - hint: you may need to provide the mmproj" },
    ],
    [
      "an invalid request within a 200",
      "prompt",
      { status: 200, body: { error: { message: "no", type: "invalid_request_error" } } },
    ],
    ["a web page", "backend", { status: 200, body: "<html>welcome</html>" }],
    ["choices without one", "prompt", { status: 200, body: { choices: [] } }],
  ])("is not asked again after %s, which concerns the %s", async (_, scope, once) => {
    expect((await failure(once)).scope).toBe(scope);
    expect(server.requests).toHaveLength(1);
  });

  const refused = (message: string, more: object = {}): Fault => ({
    status: 400,
    body: { error: { message, ...more } },
  });
  it.each<[string, Fault, string, Partial<OpenaiBackendOptions>]>([
    [
      "OpenAI's temperature",
      refused("Unsupported value: only the default is there.", { param: "temperature", code: "unsupported_value" }),
      '; leave the field out with omitFields: ["temperature"]',
      {},
    ],
    [
      "OpenAI's max_tokens",
      refused("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'."),
      '; set maxTokensField: "max_completion_tokens"',
      {},
    ],
    [
      "Mistral's list",
      { status: 422, body: { detail: [{ type: "extra_forbidden", loc: ["body", "seed"], msg: "Extra inputs" }] } },
      '; leave the field out with omitFields: ["seed"]',
      {},
    ],
    [
      "Gemini's list of errors",
      {
        status: 400,
        body: [{ error: { code: 400, message: 'Unknown name "seed": Cannot find field.', status: "X" } }],
      },
      '400: Unknown name "seed": Cannot find field.; leave the field out with omitFields: ["seed"]',
      {},
    ],
    ["Groq's n", refused("'n' : number must be at most 1"), 'omitFields: ["n"]', {}],
    ["Kimi's temperature", refused("invalid temperature: only 1 is allowed"), 'omitFields: ["temperature"]', {}],
    ["an unquoted name", refused("top_k is not supported"), 'omitFields: ["top_k"]', {}],
    [
      "a renamed field",
      refused("unknown field `limit`"),
      'omitFields: ["max_tokens"]',
      { renameFields: { max_tokens: "limit" } },
    ],
    ["an extra field", refused("unknown field '(x'"), '; take "(x" out of extraBody', { extraBody: { "(x": 1 } }],
    [
      "an error within a 200",
      { status: 200, body: { error: { message: "'logprobs' is not supported", type: "invalid_request_error" } } },
      'omitFields: ["logprobs"]',
      {},
    ],
  ])("names the option that leaves a refused field out: %s", async (_, once, advice, options) => {
    expect((await failure(once, options)).message).toContain(advice);
  });

  it.each([
    "temperature must be at most 2",
    "The request was stopped: unknown reason",
    "The model is unknown",
    "an extra n was found",
  ])("names no option when a server refuses for another reason: %s", async (message) => {
    expect((await failure({ status: 400, message })).message).toMatch(new RegExp(`400: ${message}$`));
  });

  it("names no option that the caller has already used", async () => {
    const once = refused("'temperature' is not supported");
    expect((await failure(once, { omitFields: ["temperature"] })).message).toMatch(/is not supported$/);
  });

  it("concerns every prompt when nobody listens", async () => {
    const error = (await open({ baseUrl: "http://127.0.0.1:2/v1", retries: 0 })
      .generate([prompt], generation)
      .catch((caught: unknown) => caught)) as BackendError;
    expect(error.scope).toBe("backend");
  });

  it.each(["86400", "3000000", `1${"0".repeat(30)}`, "Fri, 31 Dec 9999 23:59:59 GMT"])(
    "waits no longer than maxWaitMs when Retry-After is %s, and says so",
    async (retryAfter) => {
      const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
      const fault: Fault = { status: 429, retryAfter };
      server.faults.push(fault, fault);
      const start = performance.now();
      expect((await ask(undefined, { maxWaitMs: 60 })).text).toBe("a small grey cat");
      expect(performance.now() - start).toBeGreaterThanOrEqual(115);
      expect(server.requests).toHaveLength(3);
      expect(warn.mock.calls[0]![0]).toMatch(/the server asks to wait \d+(e\+\d+)? s; waiting 0\.06 s \(maxWaitMs\)/);
    },
  );

  it("is read up to maxReplyBytes, decompressed, and not asked again for more", async () => {
    const large = gzipSync(JSON.stringify({ choices: [{ message: { content: "x".repeat(10_000_000) } }] }));
    expect(large.length).toBeLessThan(20_000);
    const fault: Fault = { status: 200, body: large, headers: { "content-encoding": "gzip" } };
    const { message, scope } = await failure(fault, { maxReplyBytes: 1_000_000 });
    expect(message).toContain("expected an answer of at most 1000000 bytes, got more");
    expect([scope, server.requests.length]).toEqual(["prompt", 1]);
    expect((await ask(fault)).text).toHaveLength(10_000_000);
    expect(
      (await failure({ status: 400, body: "y".repeat(2_000_000) }, { maxReplyBytes: 1_000_000 })).message,
    ).toContain("at most");
  });

  it("ends a try whose answer trickles when timeoutMs is over", async () => {
    server.faults.push("trickle");
    const error = await open({ timeoutMs: 200, retries: 0 })
      .generate([prompt], generation)
      .catch((caught) => caught);
    expect(error).toMatchObject({ scope: "moment", message: expect.stringContaining("no answer within 200 ms") });
  });
});

describe("a server that redirects", () => {
  it.each([301, 302, 303, 307, 308])("is not followed to another host (%i)", async (status) => {
    const other = await chatServer(["stolen"]);
    const { message, scope } = await failure({ status, headers: { location: `${other.url}/chat/completions?key=x` } });
    expect(message).toContain(`${status}: the server redirects to ${other.url}/chat/completions, another host`);
    expect([scope, other.requests.length, server.requests.length]).toEqual(["backend", 0, 1]);
    await other.close();
  });

  it.each([301, 302, 307, 308])("is followed with the same request on the same host (%i)", async (status) => {
    expect((await ask({ status, headers: { location: "/v2/chat/completions" } })).text).toBe("a small grey cat");
    const [first, second] = server.requests;
    expect(second).toMatchObject({ path: "/v2/chat/completions", authorization: `Bearer ${apiKey}` });
    expect(second!.body).toEqual(first!.body);
  });

  it.each([
    ["in a circle", "/v1/chat/completions", "the redirect number 6 in a row"],
    ["to no address", "http://[", "no address"],
    ["to a file", "file:///etc/passwd", "not an http or https address"],
  ])("is given up %s", async (_, location, words) => {
    server.rule = () => ({ status: 307, headers: { location } });
    await expect(ask(undefined)).rejects.toThrow(words);
  });

  it("is not followed with 303, which asks for another request", async () => {
    expect((await failure({ status: 303, headers: { location: "/v2" } })).message).toContain("an answer to another");
  });
});

describe("keys", () => {
  const secrets = { "api-key": "azure-0123456789-abcdef", "x-team": "Basic dGVhbTpwYXNzd29yZA==" };
  const shows = (error: BackendError) => `${inspect(error, { depth: 9 })} ${JSON.stringify(error)}`;

  it("are sent as headers and query, and anew for every try if a function gives them", async () => {
    let tries = 0;
    const headers = async () => ({ ...secrets, Authorization: `Bearer token-${tries++}` });
    server.faults.push({ status: 503, retryAfter: "0" });
    await ask(undefined, { headers, query: { "api-version": "2024-10-21" } });
    expect(server.requests.map(({ path }) => path)).toEqual(
      Array(2).fill("/v1/chat/completions?api-version=2024-10-21"),
    );
    expect(server.requests.map(({ authorization }) => authorization)).toEqual(["Bearer token-0", "Bearer token-1"]);
    expect(server.requests[0]!.headers).toMatchObject(secrets);
  });

  it("concern every prompt if the function that gives them throws", async () => {
    const headers = () => Promise.reject(new Error("no token"));
    await expect(ask(undefined, { headers })).rejects.toMatchObject({ scope: "backend" });
  });

  it.each([0, 20, 180, 190, 199, 480, 490, 499])(
    "never show when the server repeats them at character %i",
    async (at) => {
      const all = [apiKey, secrets["api-key"], "dGVhbTpwYXNzd29yZA=="];
      const repeated = (key: string) => `${"-".repeat(at)}${key}`;
      for (const key of all)
        for (const body of [
          repeated(key),
          `[${repeated(key)}`,
          { error: { message: repeated(key) } },
          { detail: [repeated(key)] },
        ])
          for (const status of [200, 400]) {
            const shown = shows(await failure({ status, body }, { headers: secrets, retries: 0 }));
            for (let length = 8; length <= key.length; length++) expect(shown).not.toContain(key.slice(0, length));
          }
    },
  );

  it("never show in a remark, nor when they stand in the query or are escaped", async () => {
    expect((await ask(reply({ content: "", refusal: `no ${apiKey}` }))).remark).not.toContain(apiKey);
    const inQuery = { query: { key: "AIza-0123456789" } };
    expect(shows(await failure({ status: 400, message: "bad AIza-0123456789" }, inQuery))).not.toContain("AIza");
    const odd = { apiKey: 'sk-"quoted"\\key' };
    expect(shows(await failure({ status: 400, body: JSON.stringify([odd.apiKey]) }, odd))).not.toContain("quoted");
  });

  it("never show when a redirect or a broken answer repeats them", async () => {
    const location = `http://127.0.0.1:2/${apiKey}`;
    expect(shows(await failure({ status: 307, headers: { location } }))).not.toContain(apiKey.slice(0, 8));
    const cut: Fault = { status: 200, body: `{"a": "${apiKey}`, headers: { "retry-after": "0" } };
    expect(shows(await failure(cut, { retries: 0 }))).not.toContain(apiKey.slice(0, 8));
  });

  it("never show when a header is refused", async () => {
    const bad = { "api-key": "secret\nline" };
    expect(() => open({ headers: bad })).toThrow(ConfigError);
    expect(() => open({ headers: bad })).not.toThrow("secret");
    await expect(ask(undefined, { headers: () => bad })).rejects.toThrow(ConfigError);
    await expect(ask(undefined, { headers: () => bad })).rejects.not.toThrow("secret");
    expect(() => open({ headers: "sk-123456" as never })).not.toThrow("sk-123456");
    expect(server.requests).toEqual([]);
  });
});

describe("a request", () => {
  it("has the fields that were asked for: without some, under other names, with more", async () => {
    await ask(undefined, {
      omitFields: ["seed", "n"],
      renameFields: { max_tokens: "max_new_tokens" },
      extraBody: { reasoning_effort: "low", temperature: 1, nested: { deep: [1] } },
    });
    const { messages, ...body } = server.requests[0]!.body;
    expect(messages).toHaveLength(1);
    expect(body).toEqual({
      ...{ model: "tiny", temperature: 1, max_new_tokens: 12 },
      ...{ reasoning_effort: "low", nested: { deep: [1] } },
    });
  });

  it("brings as many completions as are wanted when n is omitted", async () => {
    const [completions] = await open({ omitFields: ["n"] }).generate([prompt], { ...generation, count: 3 });
    expect([completions!.length, server.requests.length]).toEqual([3, 3]);
  });

  it.each<[object, string]>([
    [{ omitFields: ["temprature"] }, 'omitFields: unknown field "temprature"; did you mean "temperature"?'],
    [{ omitFields: "seed" }, 'expected omitFields to be a list of fields, got "seed"'],
    [{ renameFields: { maxTokens: "x" } }, 'renameFields: unknown field "maxTokens"; did you mean "max_tokens"?'],
    [{ renameFields: { seed: "" } }, "renameFields: expected a different name for each field"],
    [{ renameFields: { seed: "n", n: "n" } }, "renameFields: expected a different name for each field"],
    [{ extraBody: { stream: true } }, 'extraBody: expected fields other than "stream"'],
    [{ extraBody: [1] }, "expected extraBody to be an object, got [1]"],
    [{ extraBody: "sk-secret" }, "expected extraBody to be an object, got text"],
    [{ renameFields: "sk-secret" }, "expected renameFields to be an object, got text"],
    [{ headers: { "api key": "abcdef" } }, 'something else for "api key"'],
    [{ headers: { a: 7 } }, 'headers: expected text for "a", got number'],
    [{ query: { "api-version": 1 } }, 'query: expected text for "api-version", got number'],
    [{ joinReasoning: "yes" }, "expected joinReasoning to be true or false"],
    [{ maxPixels: 0 }, "maxPixels to be a whole number of at least 1"],
    [{ maxWaitMs: 2 ** 31 }, "maxWaitMs to be a whole number of at least 1, at most 2147483647"],
    [{ timeoutMs: 2 ** 31 }, "timeoutMs to be a whole number of at least 1, at most 2147483647"],
    [{ header: {} }, 'unknown option "header"; did you mean "headers"?'],
  ])("refuses %j", (options, message) => {
    expect(() => open(options)).toThrow(ConfigError);
    expect(() => open(options)).toThrow(message);
  });

  it.each([
    ["jpeg", 100, 60, 1500],
    ["png", 100, 60, 1500],
    ["png", 1000, 1, 100],
  ] as const)("holds no image of more than maxPixels: %s of %i×%i", async (format, width, height, maxPixels) => {
    const image = await sharp({ create: { width, height, channels: 3, background: "#c05030" } })
      [format]()
      .toBuffer();
    const sent = async (limit?: number) => {
      await open(limit === undefined ? {} : { maxPixels: limit }).generate([imagePrompt(image, "?")], generation);
      const [, mime, data] = /data:([^;]+);base64,([^"]+)/.exec(JSON.stringify(server.requests.at(-1)!.body))!;
      return { mime, bytes: Buffer.from(data!, "base64") };
    };
    expect((await sent(width * height)).bytes).toEqual(image);
    const { mime, bytes } = await sent(maxPixels);
    expect(mime).toBe(`image/${format}`);
    const size = await sharp(bytes).metadata();
    expect(size.width * size.height).toBeLessThanOrEqual(maxPixels);
    expect(size.width * size.height).toBeGreaterThan(0.9 * maxPixels);
    const [red, green, blue] = await sharp(bytes).raw().toBuffer();
    for (const [value, was] of [
      [red!, 0xc0],
      [green!, 0x50],
      [blue!, 0x30],
    ] as const)
      expect(Math.abs(value - was)).toBeLessThanOrEqual(3);
  });
});

describe("onPromptEnd", () => {
  const prompts = [0, 1, 2, 3].map((red) => imagePrompt(pixel(red), `number ${red}`));
  const refuse = (which: number, status: number) => (body: object) =>
    JSON.stringify(body).includes(`number ${which}`) ? { status } : undefined;

  it("is told of every prompt, and the failure of one does not touch the others", async () => {
    server.rule = refuse(2, 400);
    const told = new Map<number, unknown>();
    const onPromptEnd = (i: number, outcome: unknown) => void told.set(i, outcome);
    const groups = await open().generate(prompts, { ...generation, onPromptEnd });
    expect(groups.map((group) => group.length)).toEqual([1, 1, 0, 1]);
    expect(told.get(2)).toBeInstanceOf(BackendError);
    expect(told.get(3)).toEqual(groups[3]);
  });

  it("is told of what came before a failure that concerns all prompts", async () => {
    server.rule = refuse(2, 401);
    const told: number[] = [];
    const generating = open({ requestsAtOnce: 1 }).generate(prompts, {
      ...generation,
      onPromptEnd: (i) => void told.push(i),
    });
    await expect(generating).rejects.toThrow("401");
    expect([told, server.requests.length]).toEqual([[0, 1], 3]);
  });
});
