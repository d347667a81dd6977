import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { openaiBackend } from "../../src/backends/openai";
import { BackendError, ConfigError, DataError } from "../../src/errors";
import { imagePrompt } from "../../src/prompts/template";
import type { Prompt, RawImage } from "../../src/types";
import { type ChatServer, chatServer } from "./chat-server";
import { describeBackend } from "./contract";

const pixel = (red: number): RawImage => ({ width: 1, height: 1, data: Uint8Array.from([red, 0, 0]) });
const prompts = [imagePrompt(pixel(0), "What is this?"), imagePrompt(pixel(255), "And this?")] as const;
const apiKey = "sk-secret-0123456789";
const generation = { seed: 1, maxTokens: 12 };

let server: ChatServer;
beforeAll(async () => {
  server = await chatServer(["a small grey cat", "a small brown dog in the grass", "nobody knows"]);
});
afterEach(() => server.reset());
afterAll(() => server.close());

const open = (options: object = {}) => openaiBackend({ baseUrl: server.url, apiKey, model: "tiny", ...options });

const arrived = (count: number) =>
  vi.waitFor(() => expect(server.requests).toHaveLength(count), { timeout: 120_000, interval: 10 });

const remote = { prompts, callsOnPromptEnd: true, capabilities: { tokenIds: false, reproducible: false } };
const withoutLogProbs = { ...remote, capabilities: { ...remote.capabilities, logProbs: false } };
describeBackend("openai", async () => open(), withoutLogProbs);
describeBackend("openai, asked for log-probs", async () => open({ logProbs: true }), remote);
describeBackend(
  "openai, of a server that writes one completion a request",
  async () => {
    const single = await chatServer(["a small grey cat", "a small brown dog", "nobody knows"], { onlyOne: true });
    return { ...openaiBackend({ baseUrl: single.url, model: "tiny" }), dispose: () => single.close() };
  },
  withoutLogProbs,
);

describe("openaiBackend", () => {
  it("sends the prompt, its picture as a data URL, and the settings under the endpoint's names", async () => {
    const options = { count: 2, temperature: 0.7, topP: 0.9, stop: ["."], maxTokens: 7, seed: 3 };
    await open().generate(prompts.slice(0, 1), options);
    const [{ path, authorization, body }] = server.requests as [ChatServer["requests"][number]];
    expect([path, authorization]).toEqual(["/v1/chat/completions", `Bearer ${apiKey}`]);
    expect(body).toMatchObject({ model: "tiny", n: 2, temperature: 0.7, top_p: 0.9, stop: ["."], max_tokens: 7 });
    expect(body.seed).toSatisfy((seed: number) => Number.isInteger(seed) && seed >= 0 && seed < 2 ** 31);
    expect(body.messages).toEqual([
      {
        role: "user",
        content: [
          { type: "image_url", image_url: { url: expect.stringMatching(/^data:image\/png;base64,iVBORw0KGgo/) } },
          { type: "text", text: "What is this?" },
        ],
      },
    ]);
    expect(Object.keys(body)).not.toContain("top_k");
    expect(Object.keys(body)).not.toContain("logprobs");
  });

  it("sends a file's own bytes, but a picture that lies on its side upright, as a PNG", async () => {
    const picture = sharp({ create: { width: 3, height: 2, channels: 3, background: "red" } }).jpeg();
    const upright = await picture.clone().toBuffer();
    const turned = await picture.clone().withMetadata({ orientation: 6 }).toBuffer();
    for (const image of [upright, turned]) await open().generate([imagePrompt(image, "?")], generation);
    const [kept, converted] = server.requests.map(({ body }) => {
      const [, url] = /"url":"([^"]+)"/.exec(JSON.stringify(body.messages))!;
      return url!.split(";base64,") as [string, string];
    });
    expect(kept).toEqual(["data:image/jpeg", upright.toString("base64")]);
    expect(converted![0]).toBe("data:image/png");
    expect(await sharp(Buffer.from(converted![1], "base64")).metadata()).toMatchObject({ width: 2, height: 3 });
  });

  it("asks once for greedy completions, however many are wanted", async () => {
    const [completions] = await open().generate(prompts.slice(0, 1), { ...generation, temperature: 0, count: 3 });
    expect(completions!.map(({ text }) => text)).toEqual(Array(3).fill("a small grey cat"));
    expect(server.requests.map(({ body }) => body.n)).toEqual([1]);
  });

  it("gives the server's log-probs where they are asked for and given", async () => {
    const generate = (logProbs: boolean) => open({ logProbs }).generate(prompts, { ...generation, temperature: 0 });
    expect((await generate(true))[0]![0]!.logProbs).toEqual([-0.5, -0.5, -0.5, -0.5]);
    expect((await generate(false))[0]![0]).not.toHaveProperty("logProbs");
  });

  it.each([429, 500, 503])("tries again after a %i", async (status) => {
    server.faults.push({ status, retryAfter: "0" }, { status, retryAfter: "0" });
    expect(await open().generate(prompts.slice(0, 1), generation)).toHaveLength(1);
    expect(server.requests).toHaveLength(3);
  });

  it("tries again when the connection breaks, and when no answer comes in time", async () => {
    server.faults.push("break", "hang");
    expect(await open({ timeoutMs: 300 }).generate(prompts.slice(0, 1), generation)).toHaveLength(1);
    expect(server.requests).toHaveLength(3);
  });

  it("says why it could not connect, and where", async () => {
    const connect = (host: string) =>
      open({ baseUrl: `http://${host}:2/v1`, retries: 0 }).generate(prompts.slice(0, 1), generation);
    await expect(connect("127.0.0.1")).rejects.toThrow("fetch failed: connect ECONNREFUSED 127.0.0.1:2 after 1 try");
    await expect(connect("localhost")).rejects.toThrow(/fetch failed: .*ECONNREFUSED/);
  });

  it("waits as long as Retry-After asks", async () => {
    server.faults.push({ status: 429, retryAfter: "1" });
    const start = performance.now();
    await open().generate(prompts.slice(0, 1), generation);
    // Its own first wait would be half a second at most.
    expect(performance.now() - start).toBeGreaterThanOrEqual(990);
  });

  it("gives up after the retries, and tries nothing again that was refused", async () => {
    server.faults.push(...Array(3).fill({ status: 503, retryAfter: "0" }));
    const url = `${server.url}/chat/completions`;
    const overloaded = open({ retries: 2 }).generate(prompts.slice(0, 1), generation);
    await expect(overloaded).rejects.toThrow(`${url}: 503: ordered after 3 tries`);
    expect(server.requests).toHaveLength(3);
    server.faults.push({ status: 400 });
    await expect(open().generate(prompts.slice(0, 1), generation)).rejects.toThrow(`${url}: 400: ordered`);
    expect(server.requests).toHaveLength(4);
  });

  it("never shows the key, not even where the server repeats it", async () => {
    server.faults.push({ status: 401, message: `Incorrect API key provided: ${apiKey}` });
    const error = await open()
      .generate(prompts.slice(0, 1), generation)
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(BackendError);
    expect((error as Error).message).toContain("401: Incorrect API key provided: [key]");
    expect(`${(error as Error).stack} ${JSON.stringify(error)}`).not.toContain(apiKey);
    for (const bad of [`${apiKey}\n`, `${apiKey} x`]) {
      expect(() => open({ apiKey: bad })).toThrow(ConfigError);
      expect(() => open({ apiKey: bad })).not.toThrow(apiKey);
    }
  });

  it("says what it got in place of a chat completion", async () => {
    server.faults.push({ status: 200, message: "<html>welcome</html>" });
    await expect(open().generate(prompts.slice(0, 1), generation)).rejects.toThrow("got <html>welcome</html>");
  });

  it("stops under way, and in a wait, when its signal aborts", async () => {
    for (const fault of ["hang", { status: 429, retryAfter: "600" }] as const) {
      server.faults.push(fault);
      const stop = new AbortController();
      const running = open().generate(prompts.slice(0, 1), { ...generation, signal: stop.signal });
      const rejected = expect(running).rejects.toThrow("enough");
      await arrived(1);
      setTimeout(() => stop.abort(new Error("enough")), 100);
      await rejected;
      expect(server.requests).toHaveLength(1);
      server.reset();
    }
  });

  it("has no more requests under way than it was told", async () => {
    server.faults.push(...Array<"hang">(7).fill("hang"));
    const stop = new AbortController();
    const running = open({ requestsAtOnce: 2 }).generate(Array(7).fill(prompts[0]), {
      ...generation,
      signal: stop.signal,
    });
    const rejected = expect(running).rejects.toThrow("enough");
    await arrived(2);
    setTimeout(() => stop.abort(new Error("enough")), 100);
    await rejected;
    expect(server.requests).toHaveLength(2);
  });

  it("refuses an address, a number, a prompt or a picture that it cannot use", async () => {
    expect(() => open({ baseUrl: "localhost" })).toThrow("http or https");
    expect(() => open({ baseUrl: "http://host/v1/chat/completions/" })).toThrow(
      "the address before /chat/completions; leave",
    );
    expect(() => open({ baseUrl: "https://me:secret@host/v1" })).toThrow(ConfigError);
    expect(() => open({ retries: -1 })).toThrow(ConfigError);
    expect(() => open({ model: undefined })).toThrow("expected model to be the server's name for it, got nothing");
    expect(() => open({ baseURL: "x" })).toThrow('openaiBackend: unknown option "baseURL"; did you mean "baseUrl"?');
    expect(() => openaiBackend(apiKey as never)).toThrow(
      "openaiBackend: expected its options to be an object, got text",
    );
    const misspelled = { ...generation, maxtokens: 5 };
    await expect(open().generate(prompts, misspelled)).rejects.toThrow('unknown option "maxtokens"');
    const text = "What is this?" as unknown as Prompt;
    await expect(open().generate([text], generation)).rejects.toThrow(/expected a prompt.*got 'What is this\?'/);
    await expect(open().generate([imagePrompt("no-such.png", "?")], generation)).rejects.toThrow(DataError);
    expect(server.requests).toEqual([]);
  });
});
