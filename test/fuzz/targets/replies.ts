import { readFileSync } from "node:fs";
import { openaiBackend } from "../../../src/backends/openai";
import { createRng } from "../../../src/rng";
import type { Completion } from "../../../src/types";
import { mutated, mutatedSettings, pick } from "../mutate";
import { notFinite, type Target } from "../target";

const replies = readFileSync(new URL("../../backends/server-replies.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => Buffer.from(JSON.stringify((JSON.parse(line) as { body: unknown }).body ?? {})));
const usual = {
  id: "c",
  choices: [
    {
      index: 0,
      message: { role: "assistant", content: "a mug", reasoning_content: "I see", refusal: null },
      finish_reason: "stop",
      logprobs: { content: [{ token: "a", logprob: -0.5 }] },
    },
  ],
};
const parts = { choices: [{ message: { content: [{ type: "thinking", thinking: [{ text: "x" }] }, { text: "y" }] } }] };

const statuses = [
  ...Array<number>(40).fill(200),
  204,
  301,
  302,
  303,
  307,
  308,
  400,
  401,
  403,
  404,
  408,
  413,
  429,
  500,
  503,
];
const host = "http://models.test";
const targets = [
  `${host}/other`,
  "/v1/other",
  "http://evil.test/",
  "ftp://x/",
  "http://u:p@models.test/",
  "http://[",
  "",
];
const waits = ["0", "1", "86400", "3000000", "1e30", "-1", "NaN", "Fri, 31 Dec 9999 23:59:59 GMT", "\u00e9"];

/** A key that no message, remark or text may repeat. */
const apiKey = "sk-0123456789abcdefghijklmnopqrstuvwxyz";

export const repliesTarget: Target = {
  name: "replies",
  share: 60_000,
  inTest: 250,
  async open() {
    const { fetch } = globalThis;
    const warn = process.emitWarning;
    const seeds = [
      ...replies,
      ...[...Array<object>(14).fill(usual), parts].map((body) => Buffer.from(JSON.stringify(body))),
    ];
    const asked: string[] = [];
    let body: Uint8Array = new Uint8Array();
    globalThis.fetch = async (address) => {
      asked.push(String(address));
      const rng = createRng(body.length, "reply", asked.length);
      const status = pick(rng, statuses);
      const headers = new Headers({ "content-type": pick(rng, ["application/json", "text/html"]) });
      if (status > 300 && status < 400) headers.set("location", pick(rng, targets));
      if (rng.integer(3) === 0) headers.set("retry-after", pick(rng, waits));
      return new Response(status === 204 ? null : Buffer.from(body), { status, headers });
    };
    process.emitWarning = () => {};
    const open = (joinReasoning: boolean) =>
      openaiBackend({
        ...{ baseUrl: `${host}/v1`, apiKey, model: "tiny", joinReasoning, logProbs: true },
        ...{ retries: 2, maxWaitMs: 1, maxReplyBytes: 2 ** 18 },
      });
    const backends = [open(false), open(true)];
    return {
      make(rng) {
        const bytes = rng.integer(3) === 0 ? mutated(rng, seeds) : mutatedSettings(rng, seeds);
        // Servers repeat what they are sent, the key too.
        return { file: "reply.json", bytes: rng.integer(5) > 0 ? bytes : Buffer.concat([bytes, Buffer.from(apiKey)]) };
      },
      async read({ bytes }) {
        body = bytes;
        asked.length = 0;
        const prompt = [{ role: "user" as const, content: [{ type: "text" as const, text: "What is this?" }] }];
        const backend = backends[bytes.length % 2]!;
        try {
          return await backend.generate([prompt], { seed: 1, maxTokens: 4 });
        } catch (error) {
          if (String(error).includes(apiKey.slice(0, 12)))
            throw new Error("a message that holds a key", { cause: error });
          throw error;
        } finally {
          const elsewhere = asked.find((address) => !address.startsWith(`${host}/`));
          // biome-ignore lint/correctness/noUnsafeFinally: whatever came of it, this is worse
          if (elsewhere !== undefined) throw new Error(`a request to ${elsewhere}`);
        }
      },
      problem([completions]: readonly (readonly Completion[])[]) {
        const wrong = completions!.find(({ text, remark = "" }) => typeof text !== "string" || remark.length > 10_000);
        if (wrong) return "a completion without text, or with an endless remark";
        if (completions!.some(({ remark = "" }) => remark.includes(apiKey))) return "a remark that holds the key";
        return notFinite(completions);
      },
      close() {
        globalThis.fetch = fetch;
        process.emitWarning = warn;
      },
    };
  },
};
