import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { BackendError } from "../../src/errors";
import { limitedFetch } from "../../src/remote/http";
import { withoutSecrets } from "../../src/remote/secrets";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A server on this machine, and what it was asked. */
async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const seen: { readonly method: string; readonly url: string; readonly authorization: string | undefined }[] = [];
  const server = createServer((request, response) => {
    const { method = "", url = "", headers } = request;
    seen.push({ method, url, authorization: headers.authorization });
    answer(request, response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}
const redirect = (location: string) => (_: IncomingMessage, response: ServerResponse) =>
  void response.writeHead(302, { location }).end();
const limits = { maxBytes: 1000 };
const authorization = "Bearer hf_secret";

describe("limitedFetch", () => {
  it("reads a body of maxBytes and refuses one of a byte more", async () => {
    const { url } = await serve((request, response) => void response.end("x".repeat(Number(request.url!.slice(1)))));
    expect(await (await limitedFetch(`${url}/1000`, {}, limits)).text()).toHaveLength(1000);
    const large = await limitedFetch(`${url}/1001`, {}, limits);
    await expect(large.text()).rejects.toThrow(BackendError);
  });

  it("ends when nothing comes for idleMs, before the headers or in the body", async () => {
    const silent = await serve(() => {});
    await expect(limitedFetch(silent.url, {}, { ...limits, idleMs: 50 })).rejects.toThrow("no byte came within 50 ms");
    const stalled = await serve((_, response) => void response.write("x"));
    // A busy machine may take its time for the headers, which do come.
    const response = await limitedFetch(stalled.url, {}, { ...limits, idleMs: 2000 });
    await expect(response.text()).rejects.toThrow("no byte came within 2000 ms");
  });

  it("leaves no timer behind, however the body ends", async () => {
    const { url } = await serve((request, response) => {
      response.writeHead(200, { "content-length": "10" }).write("xx");
      setTimeout(() => (request.url === "/broken" ? response.destroy() : response.end("x".repeat(8))), 20);
    });
    const idleMs = 77_777;
    const started = vi.spyOn(globalThis, "setTimeout");
    const cleared = vi.spyOn(globalThis, "clearTimeout");
    const ends: Readonly<Record<string, (response: Response) => Promise<unknown>>> = {
      "": (response) => response.text(),
      broken: (response) => expect(response.text()).rejects.toThrow(),
      cancelled: (response) => response.body!.cancel(),
    };
    for (const [path, end] of Object.entries(ends))
      await end(await limitedFetch(`${url}/${path}`, {}, { ...limits, idleMs }));
    const watches = started.mock.results.filter((_, i) => started.mock.calls[i]![1] === idleMs);
    expect(watches).toHaveLength(3);
    for (const { value } of watches) expect(cleared).toHaveBeenCalledWith(value);
    vi.restoreAllMocks();
  });

  it("leaves credentials behind when it may leave the host, and never takes them up again", async () => {
    const last = await serve((_, response) => void response.end("here"));
    const middle = await serve(redirect(`${last.url}/b`));
    const first = await serve(redirect(`${middle.url}/a`));
    const ask = (mayLeaveHost: boolean) =>
      limitedFetch(first.url, { headers: { Authorization: authorization } }, { ...limits, mayLeaveHost });
    await expect(ask(false)).rejects.toThrow(`the server redirects to ${middle.url}/a, another host`);
    expect(middle.seen).toEqual([]);
    const response = await ask(true);
    expect([await response.text(), response.url]).toEqual(["here", first.url]);
    expect([first, middle, last].map(({ seen }) => seen.at(-1)!.authorization)).toEqual([
      authorization,
      undefined,
      undefined,
    ]);
  });

  it("keeps credentials on the same host", async () => {
    const { url, seen } = await serve((request, response) =>
      request.url === "/b" ? void response.end() : redirect("/b")(request, response),
    );
    await limitedFetch(`${url}/a`, { headers: { authorization } }, limits);
    expect(seen.map((request) => [request.url, request.authorization])).toEqual([
      ["/a", authorization],
      ["/b", authorization],
    ]);
  });

  it("takes a redirect without an address for an answer", async () => {
    const { url } = await serve((_, response) => void response.writeHead(304).end());
    expect((await limitedFetch(url, {}, limits)).status).toBe(304);
  });
});

describe("withoutSecrets", () => {
  it.each([
    ["key sk-12345678 is wrong", ["sk-12345678"], "key [key] is wrong"],
    ["sk-1234 and sk-12345678", ["sk-1234", "sk-12345678"], "[key] and [key]"],
    ["only dGVzdA== is there", ["Basic dGVzdA=="], "only [key] is there"],
    ["a%2Fb%3Dc in an address", ["a/b=c"], "[key] in an address"],
    ["1 or 2", ["1"], "1 or 2"],
    ["Bearer of news", ["Bearer abcd"], "Bearer of news"],
  ])("makes of %j", (text, secrets, safe) => expect(withoutSecrets(text, secrets)).toBe(safe));
});
