import * as z from "zod";
import type { FailureScope } from "../../errors";

/** The reason why a request brought no completion. */
export interface Fault {
  readonly reason: string;
  readonly scope: FailureScope;
  /** Whether the same request is worth another try. */
  readonly isTemporary: boolean;
  /** The wait that `Retry-After` asks for. */
  readonly waitMs?: number | undefined;
  /** The server's own error, if it sent one. */
  readonly said?: Said;
  /** The server had closed the connection, which an earlier request had used. */
  readonly isStale?: boolean;
}

/** A server's error, in OpenAI's form, which most others adopt, or in their own. */
export interface Said {
  readonly words: string;
  /** `code` and `type` of the error, in lower case. */
  readonly kind: string;
  /** The request's field that the error is about, if it says so. */
  readonly param?: string;
  /** A status within the body: OpenRouter sends 200 with `{"error": {"code": 429}}`. */
  readonly status?: number;
}

const errorSchema = z.object({
  message: z.string(),
  code: z.union([z.string(), z.number()]).nullish().catch(undefined),
  type: z.string().nullish().catch(undefined),
  param: z.string().nullish().catch(undefined),
  metadata: z.object({ raw: z.unknown() }).nullish().catch(undefined),
});
const bodySchema = z.union([
  z.object({ error: errorSchema }),
  z.object({ error: z.string().transform((message) => ({ message })) }),
  z.object({ detail: z.string() }).transform(({ detail }) => ({ error: { message: detail } })),
  errorSchema.transform((error) => ({ error })),
]);

/** The error in a body; `undefined` in an unknown form. Gemini sends it in a list. */
export function errorIn(body: unknown): Said | undefined {
  const { data } = bodySchema.safeParse(Array.isArray(body) ? body[0] : body);
  if (data === undefined) return undefined;
  const { message, code, type, param, metadata }: Partial<z.infer<typeof errorSchema>> = data.error;
  const raw = metadata?.raw;
  const inner = raw === undefined || raw === null ? "" : `: ${typeof raw === "string" ? raw : JSON.stringify(raw)}`;
  const status = Number(code);
  return {
    words: `${message}${inner}`,
    kind: `${code ?? ""} ${type ?? ""}`.toLowerCase(),
    ...(param && { param }),
    ...(Number.isInteger(status) && status >= 400 && status < 600 && { status }),
  };
}

/** Whether a status concerns this prompt, this moment or every prompt. */
export function faultOf(status: number, { words, kind }: Said): Pick<Fault, "scope" | "isTemporary"> {
  // An account without credit gets 429 too.
  if (/insufficient_quota|billing/.test(kind)) return forAll;
  if (status === 500 && namesRequest.test(words)) return forThisPrompt;
  if (status === 501 || status === 505) return forAll;
  if ([408, 409, 425, 429].includes(status) || status >= 500) return forNow;
  if (status === 403) return /flag|moderat|polic|safety|filter/i.test(`${words} ${kind}`) ? forThisPrompt : forAll;
  if ([401, 402, 404, 405, 407].includes(status)) return forAll;
  // Some servers answer a wrong key or an unknown model with 400.
  return /api[ _-]?key/i.test(`${words} ${kind}`) || namesModel.test(`${words} ${kind}`) ? forAll : forThisPrompt;
}

const unsupported =
  /unsupported|not supported|does not support|unrecogni[sz]ed|unknown|unexpected|extra|not (permitted|allowed)|must be (at most )?1\b|only 1 is allowed/i;

/** Names of fields that are ordinary words too: they count as fields only in quotes. */
const words = ["n", "stop", "seed"];

/**
 * The remedy if a server says that it does not take a field; an empty text for other errors.
 * @param waysOut the remedy for each name in a request
 */
export function wayOut(said: Said, waysOut: ReadonlyMap<string, string>): string {
  if (!unsupported.test(`${said.words} ${said.kind}`)) return "";
  const tokens = new Set(said.words.split(/\W+/));
  const isNamed = (name: string) =>
    [`'${name}'`, `"${name}"`, `\`${name}\``].some((quoted) => said.words.includes(quoted)) ||
    (tokens.has(name) && !words.includes(name));
  const name = waysOut.has(said.param ?? "") ? said.param! : [...waysOut.keys()].find(isNamed);
  return name === undefined ? "" : `; ${waysOut.get(name)}`;
}

/** Classifies an error that comes with status 200. */
export function faultWithin(said: Said): Pick<Fault, "scope" | "isTemporary"> {
  const isOfRequest = /invalid|content_filter|context_length|not_found|unsupported/.test(said.kind);
  return faultOf(said.status ?? (isOfRequest ? 400 : 503), said);
}

const forNow = { scope: "moment", isTemporary: true } as const;
const forThisPrompt = { scope: "prompt", isTemporary: false } as const;
const forAll = { scope: "backend", isTemporary: false } as const;

/** transformers serve knows a model by the path that it was started with. */
const namesModel = /model_not_found|server is pinned to/i;

/** llama.cpp answers impossible requests with 500. */
const namesRequest =
  /not supported|unsupported|invalid|context (size|length|window)|too (large|long)|failed to (parse|decode)|mmproj/i;

/** A broken connection, or a missing one: then every prompt fails, unless the server returns within the retries. */
export function connectionFault(cause: unknown): Fault {
  const causes = chainOf(cause);
  const isUnreachable = causes.some(
    ({ syscall = "", code = "" }) =>
      ["connect", "getaddrinfo"].includes(syscall) || /CONNECT_TIMEOUT|CERT|TLS|SELF_SIGNED/.test(code),
  );
  // fetch failed before any header came, so these bytes belong to an earlier answer on the same connection.
  const isStale = causes.some(({ code, socket }) => code === "UND_ERR_SOCKET" && (socket?.bytesRead ?? 0) > 0);
  return { reason: wordsOfError(cause), scope: isUnreachable ? "backend" : "moment", isTemporary: true, isStale };
}

type NodeError = Error & {
  readonly code?: string;
  readonly syscall?: string;
  readonly socket?: { readonly bytesRead?: number };
};

function chainOf(error: unknown): readonly NodeError[] {
  if (!(error instanceof Error)) return [];
  const joined = error instanceof AggregateError ? error.errors.flatMap(chainOf) : [];
  return [error as NodeError, ...joined, ...chainOf(error.cause)];
}

/** fetch says only that it failed; its causes say why, and at which address. */
function wordsOfError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, code = "", cause } = error as NodeError;
  // A name may resolve to several addresses.
  const own = message || (error instanceof AggregateError && error.errors.map(wordsOfError).join(", ")) || code;
  return cause === undefined ? own : `${own}: ${wordsOfError(cause)}`;
}
