import { timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { annotate, BackendError, DataError, type Task, type VlmBackend } from "rise-ts";

export interface AnnotateServerOptions<A> {
  readonly task: Task<A>;
  readonly backend: VlmBackend;
  /** Sent by clients as a bearer token (none: everybody may ask). */
  readonly token?: string;
  /** Bytes of an image (10 MiB). */
  readonly maxBytes?: number;
  /** Requests that may wait while one is answered (8); the next one gets 503. */
  readonly maxWaiting?: number;
  /** Milliseconds for a request, waiting included (60 000). */
  readonly timeoutMs?: number;
}

/**
 * `POST /annotate` with an image as the body gives `{ think, annotation, failure }`; `?subject=` names what to look for.
 *
 * One request is answered at a time, because one fills the processor. A client that leaves ends its own work.
 */
export function annotateServer<A>(options: AnnotateServerOptions<A>): Server {
  const { task, backend, token, maxBytes = 10 * 2 ** 20, maxWaiting = 8, timeoutMs = 60_000 } = options;
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();

  const answer = async (request: IncomingMessage, signal: AbortSignal): Promise<Reply> => {
    const { url = "/" } = request;
    const address = URL.canParse(url, "http://localhost") ? new URL(url, "http://localhost") : undefined;
    if (address?.pathname !== "/annotate") return refuse(404, "expected POST /annotate");
    if (request.method !== "POST") return refuse(405, `expected POST, got ${request.method}`);
    if (token !== undefined && !isEqual(request.headers.authorization ?? "", `Bearer ${token}`))
      return refuse(401, "expected a bearer token");
    if (waiting >= maxWaiting + 1)
      return refuse(503, `${waiting} requests wait; try again later`, { "retry-after": "5" });
    waiting++;
    try {
      const image = await readBody(request, maxBytes);
      if (image === "too large") return refuse(413, `expected an image of at most ${maxBytes} bytes`);
      if (image.length === 0) return refuse(400, "expected an image as the body, got nothing");
      const subject = address.searchParams.get("subject");
      const work = last.then(() => {
        signal.throwIfAborted();
        return annotate({ task, image, backend, signal, ...(subject && { subject }) });
      });
      last = work.catch(() => {});
      const { think, answer: annotation, failure = null } = await work;
      return { status: 200, body: { think, annotation, failure } };
    } finally {
      waiting--;
    }
  };

  return createServer(async (request, response) => {
    const left = new AbortController();
    response.on("close", () => left.abort(new Error("the client left")));
    const timeout = AbortSignal.timeout(timeoutMs);
    const reply = await answer(request, AbortSignal.any([left.signal, timeout])).catch((error: unknown) => {
      if (timeout.aborted) return refuse(504, `no answer within ${timeoutMs} ms`);
      if (error instanceof DataError) return refuse(400, error.message);
      if (!left.signal.aborted) console.error(error);
      // The message may name files of this machine.
      return refuse(error instanceof BackendError ? 502 : 500, "the model failed");
    });
    if (!response.destroyed) send(response, reply);
  });
}

interface Reply {
  readonly status: number;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

const refuse = (status: number, error: string, headers = {}): Reply => ({ status, body: { error }, headers });

function send(response: ServerResponse, { status, body, headers }: Reply): void {
  // After a refusal the rest of the request is not read.
  const connection = status === 200 ? {} : { connection: "close" };
  response
    .writeHead(status, { "content-type": "application/json", ...connection, ...headers })
    .end(JSON.stringify(body));
}

async function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array | "too large"> {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) return "too large";
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request) {
    bytes += part.length;
    if (bytes > maxBytes) return "too large";
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** Compares in a time that does not tell how much was right. */
function isEqual(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}
