import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promptKey } from "../../src/testing/scripted-backend";
import { scriptedTrainer } from "../../src/testing/scripted-trainer";
import type { Trainer } from "../../src/trainer";
import type { Prompt } from "../../src/types";

export const texts = ["a small grey cat", "a small brown dog in the grass", "nobody knows"];

/** A prompt by its text, since its image travels as data. */
const context = (prompt: Prompt) => promptKey(prompt).replace(/\[.*?\]\n?/g, "");

/** A scripted policy whose checkpoints look like LoRA adapters, unless `lora` is false. */
export function adapterTrainer({ lora = true } = {}): Trainer {
  const trainer = scriptedTrainer({ texts, context });
  return {
    ...trainer,
    async save(dir) {
      await trainer.save(dir);
      if (lora) await writeFile(join(dir, "adapter_config.json"), "{}");
    },
  };
}

export interface VllmServer {
  readonly url: string;
  /** Calls in order: "load NAME", "unload NAME", "chat NAME". */
  readonly calls: string[];
  readonly bodies: Record<string, unknown>[];
  readonly loaded: ReadonlyMap<string, Trainer>;
  /** The server's behaviour otherwise. */
  fault: Fault | undefined;
  /** Forgets all adapters, as a restart does. */
  restart(): void;
  close(): Promise<void>;
}

export type Fault =
  | "no runtime loading"
  | "adapter refused"
  | "raw log-probs"
  | "no token ids"
  | "a log-prob less"
  | "no log-probs"
  | "stale adapter"
  | "unload fails"
  | "load hangs"
  | "load's answer stops midway";

/** The part of vLLM's server that `vllmSampler` calls: it samples the policy that was saved in an adapter's folder. */
export async function vllmServer(): Promise<VllmServer> {
  const loaded = new Map<string, Trainer>();
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  let first: Trainer | undefined;

  async function load({ lora_name, lora_path }: { lora_name: string; lora_path: string }): Promise<[number, object]> {
    vllm.calls.push(`load ${lora_name}`);
    if (vllm.fault === "no runtime loading") return [404, { detail: "Not Found" }];
    if (vllm.fault === "adapter refused")
      return [400, { error: { message: "LoRA rank 64 is greater than max_lora_rank 16." } }];
    if (loaded.has(lora_name))
      return [400, { error: { message: `The lora adapter '${lora_name}' has already been loaded.` } }];
    const message = `Loading lora ${lora_name} failed: No adapter found for ${lora_path}`;
    if (!existsSync(`${lora_path}/adapter_config.json`)) return [404, { error: { message, type: "NotFoundError" } }];
    const policy = scriptedTrainer({ texts, context });
    await policy.load(lora_path);
    first ??= policy;
    loaded.set(lora_name, vllm.fault === "stale adapter" ? first : policy);
    return [200, {}];
  }

  async function chat(body: ChatBody): Promise<[number, object]> {
    vllm.calls.push(`chat ${body.model}`);
    vllm.bodies.push(body as never);
    const policy = loaded.get(body.model);
    if (!policy) return [404, { error: { message: `The model \`${body.model}\` does not exist.`, code: 404 } }];
    const prompt: Prompt = body.messages.map(({ role, content }) => ({
      role,
      content: content.flatMap((part) => (part.type === "text" ? [part] : [])),
    })) as unknown as Prompt;
    const { n, max_tokens: maxTokens, temperature, seed } = body;
    const [group] = await policy.sampler().generate([prompt], { count: n, maxTokens, temperature, seed });
    const choices = group!.map(({ text, tokenIds, logProbs, samplingLogProbs, finishReason }) => {
      const given = [
        ...(vllm.fault === "raw log-probs" ? logProbs! : temperature === 0 ? logProbs! : samplingLogProbs!),
      ];
      if (vllm.fault === "a log-prob less") given.pop();
      const content = given.map((logprob) => ({ token: "x", logprob }));
      return {
        message: { content: text },
        finish_reason: finishReason,
        ...(vllm.fault !== "no token ids" && body.return_token_ids && { token_ids: tokenIds }),
        ...(vllm.fault !== "no log-probs" && body.logprobs && { logprobs: { content } }),
      };
    });
    return [200, { choices }];
  }

  async function answer(request: IncomingMessage, response: ServerResponse) {
    const body = JSON.parse(await text(request));
    if (request.url === "/v1/load_lora_adapter" && vllm.fault === "load hangs") return;
    if (request.url === "/v1/load_lora_adapter" && vllm.fault === "load's answer stops midway")
      return response.writeHead(200).write("{");
    const [status, reply] =
      request.url === "/v1/chat/completions"
        ? await chat(body)
        : request.url === "/v1/load_lora_adapter"
          ? await load(body)
          : unload(body.lora_name);
    response.writeHead(status).end(JSON.stringify(reply));
  }

  function unload(name: string): [number, object] {
    vllm.calls.push(`unload ${name}`);
    if (vllm.fault === "unload fails") return [500, { error: "out of luck" }];
    return loaded.delete(name)
      ? [200, {}]
      : [404, { error: { message: `The lora adapter '${name}' cannot be found.` } }];
  }

  const vllm: VllmServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    calls: [],
    bodies: [],
    loaded,
    fault: undefined,
    restart: () => loaded.clear(),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return vllm;
}

interface ChatBody {
  readonly model: string;
  readonly n: number;
  readonly max_tokens: number;
  readonly temperature: number;
  readonly seed: number;
  readonly logprobs?: boolean;
  readonly return_token_ids?: boolean;
  readonly messages: readonly { readonly role: string; readonly content: readonly { readonly type: string }[] }[];
}
