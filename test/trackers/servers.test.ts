import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors";
import { trackio, wandb } from "../../src/trackers";

interface Received {
  readonly path: string;
  readonly headers: Readonly<Record<string, unknown>>;
  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON came
  readonly body: any;
}

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A server that answers with `reply`, and what it received. */
async function listen(reply: (received: Received, nth: number) => readonly [status: number, body: string]) {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const text = Buffer.concat(await request.toArray()).toString();
    const one = { path: request.url!, headers: request.headers, body: JSON.parse(text) };
    const [status, body] = reply(one, received.push(one));
    response.writeHead(status).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received };
}

const step = (n: number) => ({ stage: "rise-cot", step: n, reward: n / 10 });

describe("trackio", () => {
  it("sends each step once, in order, with the token, and the settings with the first", async () => {
    const { url, received } = await listen(() => [200, '{"data": null}']);
    const tracker = trackio({ project: "mugs", run: "cot", url, token: "t0ken", config: { lr: 1e-5 } });
    for (const n of [1, 2, 3]) tracker.record(step(n));
    await tracker.close();
    const logs = received.flatMap(({ body }) => body.logs);
    expect(logs.map((log) => [log.project, log.run, log.step, log.metrics])).toEqual(
      [1, 2, 3].map((n) => ["mugs", "cot", n, { reward: n / 10 }]),
    );
    expect(logs.map((log) => log.config)).toEqual([{ lr: 1e-5 }, undefined, undefined]);
    for (const { path, headers } of received) {
      expect(path).toBe("/api/bulk_log");
      expect(headers["x-trackio-write-token"]).toBe("t0ken");
    }
  });

  it("sends what is no number of JSON as trackio's own client does, and knows each step again", async () => {
    const { url, received } = await listen((_, nth) => (nth === 1 ? [503, "busy"] : [200, "{}"]));
    const tracker = trackio({ project: "mugs", run: "cot", url });
    tracker.record({ ...step(1), loss: Number.NaN, kl: Number.NEGATIVE_INFINITY });
    await tracker.close();
    const [first, again] = received.map(({ body }) => body.logs[0]);
    expect(first.metrics).toEqual({ reward: 0.1, loss: "NaN", kl: "-Infinity" });
    expect(first.log_id).toMatch(/^[\da-f-]{36}$/);
    expect(again).toEqual(first);
  });

  it("sends a step again with the next one when the server failed", async () => {
    const { url, received } = await listen((_, nth) => (nth === 1 ? [503, "busy"] : [200, "{}"]));
    const tracker = trackio({ project: "mugs", run: "cot", url });
    tracker.record(step(1));
    tracker.record(step(2));
    await tracker.close();
    expect(received.slice(1).flatMap(({ body }) => body.logs.map((log: { step: number }) => log.step))).toEqual([1, 2]);
  });

  it("says on closing what the server said, without the token", async () => {
    const { url } = await listen(() => [400, '{"error": "wrong token t0ken-123"}']);
    const tracker = trackio({ project: "mugs", run: "cot", url, token: "t0ken-123" });
    tracker.record(step(1));
    await expect(tracker.close()).rejects.toThrow(/expected status 200, got 400.*wrong token \[key\]/);
  });

  it.each([
    [{ project: "", run: "a" }, /project/],
    [{ project: "a", run: "a", url: "localhost:7860" }, /url.*http/],
    [{ project: "a", run: "a", token: "two words" }, /token/],
    [{ project: "a", run: "a", runs: 1 }, /did you mean "run"/],
  ])("refuses wrong options, %#", (options, message) => {
    expect(() => trackio(options)).toThrow(ConfigError);
    expect(() => trackio(options)).toThrow(message);
  });
});

describe("wandb", () => {
  const bucket = { name: "r1", project: { name: "mugs", entity: { name: "me" } } };
  const reply = ({ path }: Received): readonly [number, string] =>
    path === "/graphql" ? [200, JSON.stringify({ data: { upsertBucket: { bucket } } })] : [200, "{}"];

  it("makes a run, appends to its history, and completes it", async () => {
    const { url, received } = await listen(reply);
    const tracker = wandb({ project: "mugs", run: "cot", apiKey: "k".repeat(40), url, config: { lr: 1e-5 } });
    tracker.record(step(1));
    tracker.record({ ...step(2), loss: Number.NaN });
    await tracker.close();
    const [run, ...stream] = received;
    expect(run!.body.variables).toMatchObject({
      project: "mugs",
      displayName: "cot",
      config: '{"lr":{"value":0.00001}}',
    });
    expect(run!.headers.authorization).toBe(`Basic ${Buffer.from(`api:${"k".repeat(40)}`).toString("base64")}`);
    expect(new Set(stream.map(({ path }) => path))).toEqual(new Set(["/files/me/mugs/r1/file_stream"]));
    const lines = stream.slice(0, -1).flatMap(({ body }) => {
      const { offset, content } = body.files["wandb-history.jsonl"];
      return content.map((line: string, i: number) => [offset + i, JSON.parse(line)]);
    });
    expect(lines).toEqual([
      [0, { reward: 0.1, _step: 1, _timestamp: expect.any(Number) }],
      [1, { reward: 0.2, loss: "NaN", _step: 2, _timestamp: expect.any(Number) }],
    ]);
    expect(stream.at(-1)!.body).toEqual({ complete: true, exitcode: 0 });
  });

  it("says what came when no run was made", async () => {
    const { url } = await listen(() => [200, '{"errors": [{"message": "no such project"}]}']);
    const tracker = wandb({ project: "mugs", apiKey: "k".repeat(40), url });
    tracker.record(step(1));
    await expect(tracker.close()).rejects.toThrow(/expected a new run.*no such project/);
  });
});
