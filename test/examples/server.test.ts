import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import sharp from "sharp";
import { afterEach, describe, expect, it, vi } from "vitest";
import { serve as servePage } from "../../examples/browser/server";
import { type AnnotateServerOptions, annotateServer } from "../../examples/server/annotate-server";
import type { GenerateOptions, VlmBackend } from "../../src/backend";
import { BackendError } from "../../src/errors";
import { loadImage } from "../../src/models/inputs/image";
import { detection } from "../../src/tasks/detection";
import type { Box, Prompt } from "../../src/types";

const task = detection({ target: "the mug" });
const written = "<think>It stands on the left.</think><answer>[10, 20, 30, 40]</answer>";
const image = await sharp({ create: { width: 8, height: 8, channels: 3, background: "red" } })
  .png()
  .toBuffer();

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** Serves a model that decodes the image, does `before`, and answers. */
async function serve(
  before: (options: GenerateOptions) => Promise<void> = async () => {},
  options: Partial<AnnotateServerOptions<readonly Box[]>> = {},
) {
  const backend: VlmBackend = {
    name: "scripted",
    capabilities: { logProbs: false, reproducible: true },
    async generate(prompts: readonly Prompt[], options) {
      for (const { content } of prompts.flat())
        for (const part of content) if (part.type === "image") await loadImage(part.image);
      await before(options);
      return prompts.map(() => [{ text: written, finishReason: "stop" as const }]);
    },
    dispose: async () => {},
  };
  const server = annotateServer({ task, backend, ...options }).listen(0, "127.0.0.1");
  await once(server, "listening");
  stops.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  const post = async (body: Uint8Array, init: RequestInit = {}, path = "/annotate") => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method: "POST",
      body: Buffer.from(body),
      ...init,
    });
    return { status: response.status, reply: await response.json(), headers: response.headers };
  };
  return { port, post };
}

/** The first line of the reply to a request for what is no address. */
async function statusOfNoAddress(port: number): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write("POST http://[ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  let reply = "";
  for await (const part of socket) reply += part;
  return reply.split("\r\n")[0]!;
}

describe("the page server", () => {
  it("answers a request for what is no address, and the next one", async () => {
    const server = await servePage({ model: "no model", port: 0 });
    stops.push(() => new Promise((resolve) => server.close(() => resolve())));
    const { port } = server.address() as AddressInfo;
    for (const _ of [1, 2]) expect(await statusOfNoAddress(port)).toBe("HTTP/1.1 404 Not Found");
  });
});

describe("the annotate server", () => {
  it("answers with thought and annotation", async () => {
    const { post } = await serve();
    expect(await post(image)).toMatchObject({
      status: 200,
      reply: {
        think: "It stands on the left.",
        annotation: [{ x: 10, y: 20, width: 30, height: 40 }],
        failure: null,
      },
    });
  });

  it("refuses what is not an image, too large, without a token or elsewhere, and says why", async () => {
    const { port, post } = await serve(undefined, { maxBytes: 500, token: "secret" });
    const headers = { authorization: "Bearer secret" };
    expect(await post(Buffer.from("hello"), { headers })).toMatchObject({ status: 400 });
    expect(await post(Buffer.alloc(0), { headers })).toMatchObject({ status: 400 });
    expect(await post(Buffer.alloc(501), { headers })).toMatchObject({ status: 413 });
    expect(await post(image)).toMatchObject({ status: 401 });
    expect(await post(image, { headers: { authorization: "Bearer secres" } })).toMatchObject({ status: 401 });
    expect(await post(image, { headers }, "/other")).toMatchObject({ status: 404 });
    expect(await statusOfNoAddress(port)).toBe("HTTP/1.1 404 Not Found");
    expect(await post(image, { method: "PUT", headers })).toMatchObject({ status: 405 });
    expect(await post(image, { headers })).toMatchObject({ status: 200 });
  });

  it("lets a few requests wait, and refuses the next", async () => {
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const { post } = await serve(() => gate, { maxWaiting: 1 });
    const accepted = [post(image), post(image)];
    await vi.waitFor(async () => expect((await post(image)).status).toBe(503), { timeout: 60_000 });
    open();
    expect((await Promise.all(accepted)).map(({ status }) => status)).toEqual([200, 200]);
  });

  it("ends the work of a client that leaves, and of one that takes too long", async () => {
    let aborted = 0;
    const hang = ({ signal }: GenerateOptions) =>
      new Promise<void>((_, reject) => {
        signal!.addEventListener("abort", () => {
          aborted++;
          reject(signal!.reason);
        });
      });
    const { post, port } = await serve(hang, { timeoutMs: 1500 });
    const socket = connect(port, "127.0.0.1");
    socket.write(`POST /annotate HTTP/1.1\r\nhost: a\r\ncontent-length: ${image.length}\r\n\r\n`);
    socket.write(image);
    await new Promise((resolve) => setTimeout(resolve, 300));
    socket.destroy();
    await vi.waitFor(() => expect(aborted).toBe(1), { timeout: 60_000 });
    expect(await post(image)).toMatchObject({ status: 504 });
    expect(aborted).toBe(2);
  });

  it("tells nobody of this machine's files when the model fails", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const { post } = await serve(async () => {
      throw new BackendError("/home/me/model: damaged");
    });
    expect(await post(image)).toMatchObject({ status: 502, reply: { error: "the model failed" } });
    expect(log).toHaveBeenCalledOnce();
    log.mockRestore();
  });
});
