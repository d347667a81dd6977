import { randomBytes, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { ConfigError, DataError } from "../errors";
import { shown } from "../options/display";
import { readOptions } from "../options/spec";
import { checkExamples } from "../runs/examples/check-examples";
import { readCall, readCots } from "./forms";
import { createJudge, type Judge } from "./judge";
import { type RewardServerOptions, type RewardServerSettings, rewardServerSpec } from "./options";

/** A reward server that listens. */
export interface RewardServer {
  /** "http://127.0.0.1:PORT". */
  readonly url: string;
  /** The bearer token of every request. */
  readonly token: string;
  /** Ends every connection. */
  close(): Promise<void>;
}

/**
 * Judges completions for trainers of other programs, so that they have the rewards of this library: TRL, verl, OpenRLHF
 * and ms-swift. A request holds the arguments that the trainer passes to its reward function, as JSON, and the ids of
 * the examples.
 *
 * | `POST` | body | answer |
 * |---|---|---|
 * | /reward, TRL 1.16 and ms-swift 4.6 | `{ completions, id }` | `{ rewards }` |
 * | /reward, OpenRLHF 0.11 | `{ query, prompts, labels }`, the labels being ids | `{ rewards, scores, extra_logs }` |
 * | /reward, verl 0.9 | `{ solution_str, extra_info: { id } }`, or lists of both | `{ score, … }`, or a list |
 * | /reward, stage 1 | `{ cots, reconstructions, id }` | `{ rewards }` |
 * | /reconstruct | `{ cots, id }` | `{ prompts }`: messages with `{ "type": "image" }` for the image |
 *
 * `Authorization: Bearer TOKEN`, or Basic with the token as the password: `http://rise:TOKEN@127.0.0.1:PORT/reward`.
 * `GET /health` needs neither. Errors are `{ error }` with 400, 401, 404, 405, 413, or 500 if a reward function throws.
 *
 * @throws ConfigError for an option out of range or a port that cannot be had, DataError as a run does for its dataset
 * @example
 * const server = await rewardServer({ task: classification({ labels }), dataset });
 * const env = { ...process.env, RISE_REWARD_URL: server.url, RISE_REWARD_TOKEN: server.token };
 * spawn("torchrun", ["--nproc_per_node", "8", "rft.py"], { env });
 */
export async function rewardServer<A>(options: RewardServerOptions<A>): Promise<RewardServer> {
  const settings = readOptions("rewardServer", options, rewardServerSpec) as RewardServerSettings<A>;
  const { task, dataset, host, port, signal, token = randomBytes(32).toString("base64url") } = settings;
  checkExamples(task, dataset);
  signal?.throwIfAborted();
  const handling: Handling = { token, judge: createJudge(settings), maxBytes: settings.maxBytes };
  const server = createServer((request, response) => void respond(request, response, handling));
  server.requestTimeout = 60_000;
  await listen(server, host, port);
  const close = async () => {
    signal?.removeEventListener("abort", onAbort);
    if (!server.listening) return;
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  const onAbort = () => void close();
  signal?.addEventListener("abort", onAbort, { once: true });
  // It may have come while the port was opened.
  if (signal?.aborted) await close();
  signal?.throwIfAborted();
  const { address, family, port: taken } = server.address() as AddressInfo;
  return { url: `http://${family === "IPv6" ? `[${address}]` : address}:${taken}`, token, close };
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  server.listen(port, host);
  await once(server, "listening").catch((cause: NodeJS.ErrnoException) => {
    throw new ConfigError(
      `rewardServer: expected a port that is free at ${host}, got ${port}: ${cause.message}; pass another one, or none`,
      { cause },
    );
  });
}

interface Handling {
  readonly token: string;
  readonly judge: Judge;
  readonly maxBytes: number;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

async function respond(request: IncomingMessage, response: ServerResponse, handling: Handling): Promise<void> {
  const { status, body } = await handle(request, handling).catch(failure);
  // The rest of a body that is too large is not read.
  const ends = status === 413 ? { connection: "close" } : {};
  response.writeHead(status, { "content-type": "application/json", ...ends });
  response.end(JSON.stringify(body), () => status === 413 && request.destroy());
}

async function handle(request: IncomingMessage, { token, judge, maxBytes }: Handling): Promise<Answer> {
  const { method = "", url = "" } = request;
  const path = url.split("?")[0];
  if (path === "/health" && method === "GET") return { status: 200, body: { status: "ok" } };
  if (!isAuthorized(request, token))
    return refused(401, "expected the server's token as Authorization: Bearer TOKEN, got another one or none");
  if (path !== "/reward" && path !== "/reconstruct")
    return refused(404, `expected /reward or /reconstruct, got ${shown(path)}`);
  if (method !== "POST") return refused(405, `expected POST, got ${method}`);
  const text = await bodyOf(request, maxBytes);
  if (text === undefined) return refused(413, `expected a body of at most ${maxBytes} bytes, got more`);
  const body = parsed(text);
  if (path === "/reconstruct")
    return { status: 200, body: { prompts: readCots(body).map(([id, cot]) => judge.reconstruction(id, cot)) } };
  const call = readCall(body);
  return { status: 200, body: call.answer(await judge.rewards(call.items)) };
}

const refused = (status: number, error: string): Answer => ({ status, body: { error } });

/** A request that cannot be read is the caller's fault; anything else is a reward function's. */
function failure(error: unknown): Answer {
  const words = error instanceof Error ? error.message : String(error);
  return error instanceof DataError ? refused(400, words) : refused(500, `the reward failed: ${words}`);
}

function isAuthorized({ headers: { authorization = "" } }: IncomingMessage, token: string): boolean {
  const [scheme = "", value = ""] = authorization.split(" ");
  const given = /^basic$/i.test(scheme)
    ? Buffer.from(value, "base64")
        .toString()
        .replace(/^[^:]*:/, "")
    : value;
  const [a, b] = [Buffer.from(given), Buffer.from(token)];
  return /^(?:bearer|basic)$/i.test(scheme) && a.length === b.length && timingSafeEqual(a, b);
}

/** The body's text; `undefined` if it is too large. */
async function bodyOf(request: IncomingMessage, maxBytes: number): Promise<string | undefined> {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) return undefined;
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > maxBytes) return undefined;
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DataError(`expected JSON, got ${shown(text)}`, { cause });
  }
}
