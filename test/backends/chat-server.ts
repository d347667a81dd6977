import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { scriptedBackend, splitWords } from "../../src/testing/scripted-backend";

/** The reply to a request in place of a completion. */
export type Fault =
  | "break"
  | "hang"
  | "trickle"
  | {
      readonly status: number;
      readonly retryAfter?: string;
      readonly message?: string;
      readonly headers?: Readonly<Record<string, string>>;
      /** JSON, or what is sent as it is. */
      readonly body?: object | string | Buffer;
    };

/** The parts of a chat-completions request that a test looks at. */
interface Body {
  readonly n?: number;
  readonly seed?: number;
  readonly max_tokens: number;
  readonly temperature?: number;
  readonly stop?: readonly string[];
  readonly logprobs?: boolean;
  readonly messages: readonly object[];
}

/** A chat-completions endpoint on this machine that draws from a list of texts, and faults to order. */
export interface ChatServer {
  readonly url: string;
  readonly requests: {
    readonly path: string;
    readonly authorization: string | undefined;
    readonly headers: IncomingHttpHeaders;
    readonly body: Body;
  }[];
  /** Faults of one request after another. */
  readonly faults: Fault[];
  /** Faults of requests by their content; asked when no fault is left. */
  rule: ((body: Body) => Fault | undefined) | undefined;
  reset(): void;
  close(): Promise<void>;
}

export async function chatServer(
  texts: readonly string[],
  { onlyOne = false }: { readonly onlyOne?: boolean } = {},
): Promise<ChatServer> {
  const model = scriptedBackend(texts);
  const requests: ChatServer["requests"] = [];
  const faults: Fault[] = [];

  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const body = JSON.parse(await text(request)) as Body;
    const { headers } = request;
    requests.push({ path: request.url!, authorization: headers.authorization, headers, body });
    const fault = faults.shift() ?? chat.rule?.(body);
    if (fault === "break") return request.socket.destroy();
    if (fault === "hang") return undefined;
    if (fault === "trickle") {
      const drip = setInterval(() => response.write(" "), 20);
      return response.on("close", () => clearInterval(drip));
    }
    if (fault) {
      const { status, retryAfter, message = "ordered", headers: more = {}, body: sent } = fault;
      response.writeHead(status, { ...(retryAfter !== undefined && { "retry-after": retryAfter }), ...more });
      if (sent !== undefined) return response.end(isRaw(sent) ? sent : JSON.stringify(sent));
      return response.end(status === 200 ? message : JSON.stringify({ error: { message } }));
    }
    const { n = 1, seed = 0, max_tokens, temperature = 1, stop = [] } = body;
    const count = onlyOne ? 1 : n;
    const [written] = await model.generate([[]], { count, seed, maxTokens: max_tokens, temperature, stop });
    const choices = written!.map((completion, index) => ({
      index,
      message: { role: "assistant", content: completion.text },
      finish_reason: completion.finishReason,
      logprobs: body.logprobs ? { content: splitWords(completion.text).map(() => ({ logprob: -0.5 })) } : null,
    }));
    return response.writeHead(200).end(JSON.stringify({ choices }));
  }

  const chat: ChatServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    faults,
    rule: undefined,
    reset() {
      requests.length = 0;
      faults.length = 0;
      chat.rule = undefined;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return chat;
}

const isRaw = (body: object | string | Buffer): body is string | Buffer =>
  typeof body === "string" || Buffer.isBuffer(body);
