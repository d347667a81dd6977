import { BackendError, ConfigError } from "../../errors";
import { shown } from "../../options/display";

/** Header fields for every request, or a function called before each try, such as for a token that expires. */
export type HeaderSource =
  | Readonly<Record<string, string>>
  | (() => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>);

/** The address of an endpoint's chat completions, or of another call. */
export function chatUrl(baseUrl: string, query: Readonly<Record<string, string>>, call = "chat/completions"): string {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    const meant = /^[\w.-]+:\d+(?:\/|$)/.test(baseUrl) ? `; did you mean "http://${baseUrl}"?` : "";
    // A password may stand before the @.
    const got = url && baseUrl.includes("@") ? url.protocol : baseUrl;
    throw new ConfigError(`openaiBackend: baseUrl: expected an http or https address, got ${shown(got)}${meant}`);
  }
  if (url.username !== "" || url.password !== "")
    throw new ConfigError("openaiBackend: baseUrl: expected no user name or password in it; pass the key as apiKey");
  if (/\/chat\/completions\/*$/.test(url.pathname))
    throw new ConfigError("openaiBackend: baseUrl: expected the address before /chat/completions; leave that part out");
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/${call}`;
  for (const [name, value] of Object.entries(textByName("query", query))) url.searchParams.set(name, value);
  return url.href;
}

/** Values of an address's query that are keys by their name. */
export const secretsOf = (url: string): readonly string[] =>
  [...new URL(url).searchParams].flatMap(([name, value]) => (/key|token|secret|sig|pass/i.test(name) ? [value] : []));

/** Whether a header can carry the key: fetch would quote an invalid one in its error. */
export const isKey = (apiKey: string): boolean => /^[\x21-\x7e]+$/.test(apiKey);

/**
 * The headers of each try, the key included.
 * @throws ConfigError, at once or when a function gives them, naming the header that cannot be sent
 */
export function headersOf(
  apiKey: string | undefined,
  headers: HeaderSource,
): () => Promise<Readonly<Record<string, string>>> {
  if (typeof headers !== "function") checkedHeaders(headers);
  return async () => ({
    ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
    ...checkedHeaders(typeof headers === "function" ? await asked(headers) : headers),
  });
}

async function asked(headers: Extract<HeaderSource, (...none: never) => unknown>) {
  try {
    return await headers();
  } catch (cause) {
    throw new BackendError("openaiBackend: expected headers, but the function threw", { cause, scope: "backend" });
  }
}

/** @throws ConfigError naming the header, and never its value */
function checkedHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(textByName("headers", headers)))
    if (!/^[!#$%&'*+.^_`|~\w-]+$/.test(name) || !/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value))
      throw new ConfigError(
        `openaiBackend: headers: expected a header's name and printable ASCII without line breaks, got something else for ${shown(name)}`,
      );
  // fetch would join two spellings of one name.
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

/** Checks texts by name. Its error never shows a value, which may be a key. */
function textByName(option: string, values: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  if (typeof values !== "object" || values === null || Array.isArray(values))
    throw new ConfigError(`openaiBackend: ${option}: expected an object of texts, got ${typeof values}`);
  const bad = Object.entries(values).find(([, value]) => typeof value !== "string");
  if (bad) throw new ConfigError(`openaiBackend: ${option}: expected text for ${shown(bad[0])}, got ${typeof bad[1]}`);
  return values;
}
