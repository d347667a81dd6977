import { readFile } from "node:fs/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ConfigError } from "../../src/errors";
import { trackio, wandb } from "../../src/trackers";
import * as requests from "./wandb-requests";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A server that closes when the test ends. */
async function listen(...reply: Parameters<typeof requests.listen>) {
  const server = await requests.listen(...reply);
  closing.push(server.close);
  return server;
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
    [
      { project: "a", run: "a", url: "http://me:passw0rd@localhost:7860" },
      /without a password, got "http:..\[key\]@loc/,
    ],
    [{ project: "a", run: "a", config: null as never }, /config to be an object, got null/],
    [{ project: "a", run: "a", token: "two words" }, /token/],
    [{ project: "a", run: "a", runs: 1 }, /did you mean "run"/],
  ])("refuses wrong options, %#", (options, message) => {
    expect(() => trackio(options)).toThrow(ConfigError);
    expect(() => trackio(options)).toThrow(message);
  });
});

describe("wandb", () => {
  const apiKey = "k".repeat(40);

  it("tells a server what wandb's own client told it of the same run", async () => {
    const recording = new URL("../reference/trackers/wandb.json", import.meta.url);
    const theirs: { requests: requests.WandbRequest[] } = JSON.parse(await readFile(recording, "utf8"));
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const { url, received } = await listen();
    const tracker = wandb({ project: "mugs", run: "cot", apiKey, url, config: { lr: 1e-5 } });
    tracker.record({ stage: "sft", step: 1, reward: 0.1, "rise/leak_rate": 0 });
    tracker.record({ stage: "sft", step: 2, reward: 0.2, loss: Number.NaN, kl: Number.NEGATIVE_INFINITY });
    await vi.waitFor(() => expect(received.length).toBeGreaterThan(1));
    await vi.advanceTimersByTimeAsync(30_000);
    tracker.record({ stage: "sft", step: 5, reward: 3 });
    await tracker.close(new Error("the run failed"));
    vi.useRealTimers();
    expect(requests.told(received)).toEqual(requests.told(theirs.requests));
    const [own, known] = [received, theirs.requests].map(([run]) => requests.mutation(run!.body.query));
    expect(known!.input).toEqual(expect.arrayContaining(own!.input));
    expect(known!.asked).toEqual(expect.arrayContaining(own!.asked));
  });

  it("sends lines again when the server failed, and says that a run came to its end", async () => {
    const { url, received } = await listen((request, nth) =>
      nth === 2 ? [503, "busy"] : requests.wandbReply(request),
    );
    const tracker = wandb({ project: "mugs", apiKey, url });
    tracker.record(step(1));
    tracker.record(step(2));
    await tracker.close();
    const { history, end } = requests.told(received.filter((_, i) => i !== 1));
    expect(history).toMatchObject([
      { _step: 1, reward: 0.1 },
      { _step: 2, reward: 0.2 },
    ]);
    expect(end).toEqual({ complete: true, exitcode: 0 });
  });

  it("says what came when no run was made", async () => {
    const { url } = await listen(() => [200, '{"errors": [{"message": "no such project"}]}']);
    const tracker = wandb({ project: "mugs", apiKey, url });
    tracker.record(step(1));
    await expect(tracker.close()).rejects.toThrow(/expected a new run.*no such project/);
  });
});
