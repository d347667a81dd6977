import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout } from "node:timers/promises";
import { expect, it } from "vitest";
import { EngineError } from "../../src/errors";
import { openWire } from "../../src/trainers/workers/wire";

/** A way to workers that answer as `answer` says, and end when `end` is called. */
async function wireTo(answer: (call: string, response: ServerResponse) => void) {
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    answer(JSON.parse(body).call, response);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  let end = (_words: string) => {};
  const ended = new Promise<string>((settle) => {
    end = settle;
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const ask = openWire({ url, token: "t", ended, pids: [], kill: () => {}, close: async () => {} }, 60_000);
  return { ask, end, server };
}

/** The timers that last: others come and go. */
async function lastingTimers(): Promise<number> {
  const counts: number[] = [];
  for (let i = 0; i < 10; i++) {
    await setTimeout(20);
    counts.push(process.getActiveResourcesInfo().filter((name) => name === "Timeout").length);
  }
  return Math.min(...counts);
}

it("a connection that breaks as the workers end leaves no timer that would keep this program running", async () => {
  const { ask, end, server } = await wireTo((_, response) => response.destroy());
  const before = await lastingTimers();
  const failing = ask("info");
  await Promise.all([
    expect(failing).rejects.toThrow("torchTrainer, info: expected an answer, but rank 1 was ended by signal 9"),
    setTimeout(50).then(() => end("rank 1 was ended by signal 9")),
  ]);
  server.close();
  expect(await lastingTimers()).toBeLessThanOrEqual(before);
});

it("the call under way is named when the workers end, though another one was answered meanwhile", async () => {
  let hangs: ServerResponse | undefined;
  const { ask, end, server } = await wireTo((call, response) => {
    if (call === "backward") hangs = response;
    else response.end("{}");
  });
  const failing = ask("backward");
  while (!hangs) await setTimeout(5);
  await ask("info");
  end("rank 0 ended");
  await setTimeout(5);
  hangs.destroy();
  await expect(failing).rejects.toThrow(EngineError);
  await expect(failing).rejects.toThrow("torchTrainer, backward: expected an answer, but rank 0 ended");
  server.close();
});
