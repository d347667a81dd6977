import { getEventListeners } from "node:events";
import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../../src/errors";
import { answerReward, paperReward } from "../../src/reward/paper";
import { type RewardServer, type RewardServerOptions, rewardServer } from "../../src/reward-server";
import { classification } from "../../src/tasks/classification";
import type { Example, LabelDistribution } from "../../src/types";

const task = classification({ labels: ["joy", "fear"] });
const dataset: readonly Example<LabelDistribution>[] = ["a", "b"].map((id, i) => ({
  id,
  image: { width: 1, height: 1, data: new Uint8Array(3) },
  annotation: { joy: 0.25 + i / 2, fear: 0.75 - i / 2 },
}));
const right = (i: number) => `<think>It rains.</think><answer>${task.format(dataset[i]!.annotation)}</answer>`;
const cot = "Dark clouds hang over the sea.";

let server: RewardServer;
beforeAll(async () => {
  server = await rewardServer({ task, dataset, maxBytes: 4000 });
});
afterAll(() => server.close());

const bearer = () => ({ authorization: `Bearer ${server.token}` });
async function post(path: string, body: unknown, headers: Record<string, string> = bearer()) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const response = await fetch(`${server.url}${path}`, { method: "POST", headers, body: text });
  return { status: response.status, body: (await response.json()) as Record<string, never> };
}
const rewardOf = (i: number, text: string) => answerReward(task, { truth: dataset[i]!.annotation, text }).reward.reward;
const wrong = "<think>It rains.</think><answer>{'joy': 0.9, 'fear': 0.1}</answer>";

describe("a reward call", () => {
  it("of TRL or ms-swift gets the library's own rewards, in the order of the completions", async () => {
    const texts = [right(0), wrong, "no answer", right(1)];
    const { status, body } = await post("/reward", {
      completions: texts,
      id: ["a", "a", "b", "b"],
      prompts: [],
      step: 3,
    });
    expect(status).toBe(200);
    expect(body).toEqual({ rewards: [1, rewardOf(0, wrong), 0, 1] });
    expect(rewardOf(0, wrong)).toBeLessThan(1);
  });

  it("of TRL may have a data set's column that is named as another trainer's field", async () => {
    const { body } = await post("/reward", { query: ["Which?"], completions: [right(0)], id: ["a"] });
    expect(body).toEqual({ rewards: [1] });
  });

  it("of TRL with messages, or with parts of messages, reads their text", async () => {
    const completions = [
      [{ role: "assistant", content: right(0) }],
      [{ role: "assistant", content: [{ type: "text", text: right(1) }] }],
    ];
    expect((await post("/reward", { completions, id: ["a", "b"] })).body).toEqual({ rewards: [1, 1] });
  });

  it("of OpenRLHF finds the completion behind the prompt's image tokens, without its end token", async () => {
    const prompt = "<|im_start|>user\n<|image_pad|>Which?<|im_end|>\n<|im_start|>assistant\n";
    const expanded = prompt.replace("<|image_pad|>", "<|image_pad|>".repeat(16));
    const body = {
      query: [`${expanded}${right(0)}<|im_end|>`, `${prompt}${wrong}`],
      prompts: [prompt, prompt],
      labels: ["a", "a"],
    };
    expect((await post("/reward", body)).body).toEqual({
      rewards: [1, rewardOf(0, wrong)],
      scores: [1, rewardOf(0, wrong)],
      extra_logs: { similarity: [1, rewardOf(0, wrong)], format: [1, 1], leaks: [0, 0] },
    });
  });

  it("of verl gets a score with its parts, alone or as a batch", async () => {
    const single = {
      data_source: "rise",
      solution_str: right(1),
      ground_truth: null,
      extra_info: { id: "b", index: 4 },
    };
    const score = { score: 1, similarity: 1, format: 1, leaks: 0 };
    expect((await post("/reward", single)).body).toEqual(score);
    const batch = { solution_strs: [right(1), "none"], extra_infos: [{ id: "b" }, { id: "b" }] };
    expect((await post("/reward", batch)).body).toEqual([score, { score: 0, similarity: 0, format: 0, leaks: 0 }]);
  });

  it("of stage 1 judges cot and reconstruction together", async () => {
    const truth = dataset[0]!.annotation;
    const [reconstruction, leak] = [task.format(truth), "It is 0.25 joy."];
    const body = { id: ["a", "a"], cots: [cot, leak], reconstructions: [reconstruction, reconstruction] };
    expect((await post("/reward", body)).body).toEqual({ rewards: [1, 0] });
    expect(paperReward(task, { truth, cot: leak, reconstruction }).reward.leaks.length).toBeGreaterThan(0);
  });

  it("takes numbers as ids, as a column may hold them", async () => {
    const numbered = await rewardServer({ task, dataset: [{ ...dataset[0]!, id: "7" }] });
    const headers = { authorization: `Bearer ${numbered.token}` };
    const body = JSON.stringify({ completions: [right(0)], id: [7] });
    const response = await fetch(`${numbered.url}/reward`, { method: "POST", headers, body });
    expect(await response.json()).toEqual({ rewards: [1] });
    await numbered.close();
  });
});

describe("/reconstruct", () => {
  it("gives the prompt of each cot as messages with a place for the image", async () => {
    const { body } = await post("/reconstruct", { id: ["a"], cots: [cot] });
    const [message] = task.reconstructionPrompt(dataset[0]!, cot);
    const [, question] = message!.content;
    expect(question).toMatchObject({ type: "text", text: expect.stringContaining(cot) });
    expect(body).toEqual({ prompts: [[{ role: "user", content: [{ type: "image" }, question] }]] });
  });
});

describe("a request that cannot be answered", () => {
  it.each<[string, unknown, number, string]>([
    ["no JSON", "{completions", 400, 'expected JSON, got "{completions"'],
    ["no form", { texts: ["x"] }, 400, "expected an object with one of completions, reconstructions, query,"],
    ["a list", [1], 400, "expected an object with one of"],
    ["no ids", { completions: ["x"] }, 400, "id: expected a list"],
    ["an empty call", { completions: [], id: [] }, 400, "id: expected at least 1 element"],
    ["a number as a completion", { completions: [1], id: ["a"] }, 400, "completions.0: expected text or a list"],
    ["too few ids", { completions: ["x", "y"], id: ["a"] }, 400, "expected lists of the same length, got 1 and 2"],
    ["an unknown id", { completions: ["x"], id: ["c"] }, 400, 'expected an id of the dataset\'s 2 examples, got "c"'],
    ["verl without an id", { solution_str: "x", extra_info: {} }, 400, "extra_info.id: expected"],
    [
      "OpenRLHF's query of another prompt",
      { query: ["x"], prompts: ["a prompt"], labels: ["a"] },
      400,
      "query: expected the prompt",
    ],
    [
      "too much",
      { completions: ["x".repeat(5000)], id: ["a"] },
      413,
      "expected a body of at most 4000 bytes, got more",
    ],
  ])("is refused with words: %s", async (_, body, status, words) => {
    const refused = await post("/reward", body);
    expect(refused).toEqual({ status, body: { error: expect.stringContaining(words) } });
  });

  it.each<[string, () => Record<string, string>]>([
    ["no header", () => ({})],
    ["another token", () => ({ authorization: `Bearer ${"x".repeat(server.token.length)}` })],
    ["a shorter token", () => ({ authorization: `Bearer ${server.token.slice(1)}` })],
    ["another scheme", () => ({ authorization: `Digest ${server.token}` })],
    [
      "the token as a user name",
      () => ({ authorization: `Basic ${Buffer.from(`${server.token}:`).toString("base64")}` }),
    ],
  ])("is refused with 401 before its body is read: %s", async (_, headers) => {
    const { status, body } = await post("/reward", "not JSON", headers());
    expect(status).toBe(401);
    expect(JSON.stringify(body)).not.toContain(server.token);
  });

  it("is answered when the token is the password of the address", async () => {
    const basic = Buffer.from(`rise:${server.token}`).toString("base64");
    const { status } = await post(
      "/reward",
      { completions: [right(0)], id: ["a"] },
      { authorization: `Basic ${basic}` },
    );
    expect(status).toBe(200);
  });

  it("names the paths, and the method", async () => {
    expect(await post("/rewards", {})).toMatchObject({
      status: 404,
      body: { error: expect.stringContaining("/reconstruct") },
    });
    const got = await fetch(`${server.url}/reward`, { headers: bearer() });
    expect([got.status, await got.json()]).toEqual([405, { error: "expected POST, got GET" }]);
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
  });

  it("is cut off when it sends more than it may in pieces", async () => {
    const status = await new Promise<number | undefined>((resolve) => {
      const request = httpRequest(`${server.url}/reward`, { method: "POST", headers: bearer() }, (response) =>
        resolve(response.statusCode),
      );
      request.on("error", () => resolve(undefined));
      for (let i = 0; i < 5; i++) request.write("x".repeat(1000));
      // It never ends.
    });
    expect(status).toBe(413);
  });
});

describe("a client that hangs up in the middle of its body", () => {
  it("does not end the server", async () => {
    const request = httpRequest(`${server.url}/reward`, { method: "POST", headers: bearer() });
    request.on("error", () => {});
    request.write('{"completions": [');
    await new Promise((resolve) => setTimeout(resolve, 50));
    request.destroy();
    expect((await post("/reward", { completions: [right(0)], id: ["a"] })).status).toBe(200);
  });
});

describe("a reward function of the caller's", () => {
  const asking = async (options: Partial<RewardServerOptions<LabelDistribution>>) => {
    const own = await rewardServer({ task, dataset, ...options });
    const headers = { authorization: `Bearer ${own.token}` };
    const body = JSON.stringify({ completions: ["x"], id: ["a"] });
    const response = await fetch(`${own.url}/reward`, { method: "POST", headers, body });
    const answer = { status: response.status, body: await response.json() };
    await own.close();
    return answer;
  };
  const judged = (reward: number) => ({
    prediction: null,
    reward: { reward, similarity: 0, leaks: [], format: { ok: true as const } },
  });

  it("is asked instead of answerReward, and awaited", async () => {
    expect(await asking({ reward: async () => judged(0.5) })).toEqual({ status: 200, body: { rewards: [0.5] } });
  });

  it("is a 500 with its words when it throws, and when its reward is not finite", async () => {
    const thrown = () => {
      throw new Error("out of luck");
    };
    expect(await asking({ reward: thrown })).toEqual({
      status: 500,
      body: { error: "the reward failed: out of luck" },
    });
    expect(await asking({ reward: () => judged(Number.NaN) })).toMatchObject({
      status: 500,
      body: { error: expect.stringContaining("with finite numbers") },
    });
  });
});

describe("rewardServer", () => {
  it("listens on this machine alone, with a token of its own each time", async () => {
    const other = await rewardServer({ task, dataset });
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(server.token.length).toBeGreaterThanOrEqual(43);
    expect(other.token).not.toBe(server.token);
    await other.close();
  });

  it("is not left open when its signal aborts while it opens its port", async () => {
    const stop = new AbortController();
    const opening = rewardServer({ task, dataset, signal: stop.signal });
    stop.abort(new Error("enough"));
    await expect(opening).rejects.toThrow("enough");
  });

  it("closes when it is told to, when its signal aborts, and twice", async () => {
    const stop = new AbortController();
    const other = await rewardServer({ task, dataset, signal: stop.signal });
    stop.abort();
    await expect(fetch(`${other.url}/health`)).rejects.toThrow();
    await other.close();
  });

  it("does not stay with a signal that outlives it", async () => {
    const { signal } = new AbortController();
    const other = await rewardServer({ task, dataset, signal });
    await other.close();
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it("names the port that is taken", async () => {
    const port = Number(new URL(server.url).port);
    await expect(rewardServer({ task, dataset, port })).rejects.toThrow(
      new RegExp(`^rewardServer: expected a port that is free at 127.0.0.1, got ${port}: .*EADDRINUSE`),
    );
  });

  it.each<[object, string]>([
    [
      { token: "short" },
      "expected token to be at least 16 printable ASCII characters without spaces, got something else",
    ],
    [{ port: 70_000 }, "expected port to be a port, from 0 to 65535, got 70000"],
    [{ host: "" }, "expected host to be a host name or an IP address"],
    [{ max_bytes: 1 }, 'unknown option "max_bytes"; did you mean "maxBytes"?'],
    [{ task: undefined }, "expected task to be a task"],
  ])("refuses %j", async (options, words) => {
    await expect(rewardServer({ task, dataset, ...options } as never)).rejects.toThrow(words);
    await expect(rewardServer({ task, dataset, ...options } as never)).rejects.toThrow(ConfigError);
  });

  it("refuses a dataset as a run does", async () => {
    await expect(rewardServer({ task, dataset: [] })).rejects.toThrow(DataError);
    await expect(rewardServer({ task, dataset: [dataset[0]!, dataset[0]!] })).rejects.toThrow('got "a" twice');
  });
});
