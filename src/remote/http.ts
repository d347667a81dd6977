import { BackendError } from "../errors";
import { longestTimerMs } from "../options/milliseconds";

export interface RequestLimits {
  /** Bytes of the response's body, counted after decompression. */
  readonly maxBytes: number;
  /** Longest silence: until the headers arrive, and between two pieces of the body (no limit). */
  readonly idleMs?: number;
  /** Follow a redirect to another host; the credentials stay behind (false: an error). */
  readonly mayLeaveHost?: boolean;
}

const redirectsInARow = 5;

/**
 * `fetch` with limits on waiting, size and redirects.
 *
 * A redirect keeps the method and the body, on the same host only; it never leads from https to http.
 *
 * @throws BackendError for a redirect that is not followed and, while the body is read, for a body that is too large
 * @example
 * const response = await limitedFetch("https://example.org/x", {}, { maxBytes: 2 ** 20, idleMs: 10_000 });
 */
export async function limitedFetch(
  address: string | URL,
  init: RequestInit,
  { maxBytes, idleMs, mayLeaveHost = false }: RequestLimits,
): Promise<Response> {
  const silent = new AbortController();
  const watch = setTimeout(
    () => silent.abort(new Error(`no byte came within ${idleMs} ms`)),
    Math.min(idleMs ?? longestTimerMs, longestTimerMs),
  ).unref();
  const signal = init.signal ? AbortSignal.any([init.signal, silent.signal]) : silent.signal;
  try {
    const response = await follow(new URL(address), { ...init, signal }, mayLeaveHost);
    const { status, statusText, headers } = response;
    const body = response.body && limitedBody(response.body, maxBytes, watch);
    if (body === null) clearTimeout(watch);
    // The response keeps the requested address: a redirect's may be signed, or valid for a minute only.
    return Object.defineProperty(new Response(body, { status, statusText, headers }), "url", {
      value: String(address),
    });
  } catch (error) {
    clearTimeout(watch);
    throw error;
  }
}

/** The same bytes, up to `maxBytes`. The watch ends with them, also by a broken connection or a cancellation. */
function limitedBody(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
  watch: NodeJS.Timeout,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let bytes = 0;
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) {
          clearTimeout(watch);
          return controller.close();
        }
        watch.refresh();
        bytes += value.length;
        if (bytes > maxBytes) throw new BackendError(`expected an answer of at most ${maxBytes} bytes, got more`);
        controller.enqueue(value);
      } catch (error) {
        clearTimeout(watch);
        void reader.cancel(error).catch(() => {});
        throw error;
      }
    },
    async cancel(reason) {
      clearTimeout(watch);
      await reader.cancel(reason);
    },
  });
}

async function follow(url: URL, init: RequestInit, mayLeaveHost: boolean, hops = 0): Promise<Response> {
  const response = await fetch(url, { ...init, redirect: "manual" });
  const location = response.headers.get("location");
  if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return response;
  await response.body?.cancel();
  const target = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
  const problem = refusedRedirect(response.status, url, target, { method: init.method, mayLeaveHost, hops });
  if (!target || problem !== undefined)
    throw new BackendError(
      `${response.status}: the server redirects to ${target ? target.origin + target.pathname : "no address"}, ${problem}`,
      { scope: "backend" },
    );
  const headers = new Headers(init.headers);
  if (target.host !== url.host) for (const name of ["authorization", "cookie"]) headers.delete(name);
  return follow(target, { ...init, headers }, mayLeaveHost, hops + 1);
}

/** Why a redirect is not followed; `undefined` if it is followed. */
function refusedRedirect(
  status: number,
  from: URL,
  to: URL | undefined,
  {
    method = "GET",
    mayLeaveHost,
    hops,
  }: { readonly method?: string | undefined; readonly mayLeaveHost: boolean; readonly hops: number },
): string | undefined {
  if (!to || !/^https?:$/.test(to.protocol)) return "which is not an http or https address";
  if (to.username !== "" || to.password !== "") return "with a user name or password";
  if (from.protocol === "https:" && to.protocol === "http:") return "which is not encrypted";
  if (to.host !== from.host && !mayLeaveHost)
    return "another host, which is not followed; use that address if you trust it";
  if (status === 303 && method !== "GET") return "which is an answer to another request";
  if (hops === redirectsInARow) return `the redirect number ${hops + 1} in a row`;
  return undefined;
}
