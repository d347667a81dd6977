import { BackendError } from "../errors";
import { given, secret } from "../options/spec";
import { limitedFetch } from "../remote/http";
import { withoutSecrets } from "../remote/secrets";

/**
 * Posts JSON and returns the JSON of the reply.
 * @param options.secrets texts that no message may show
 * @throws BackendError for a connection that fails, a status other than 2xx, or a reply that is not JSON
 */
export async function postJson(
  address: string,
  body: object,
  { headers, secrets }: { readonly headers: Readonly<Record<string, string>>; readonly secrets: readonly string[] },
): Promise<unknown> {
  const fail = (problem: string, cause?: unknown) =>
    new BackendError(withoutSecrets(`${address}: ${problem}`, secrets), { scope: "moment", cause });
  let text: string;
  let status: number;
  try {
    const response = await limitedFetch(
      address,
      {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(timeoutMs),
      },
      { maxBytes: 2 ** 20 },
    );
    status = response.status;
    text = await response.text();
  } catch (error) {
    throw fail(`expected an answer, got ${String((error as Error).cause ?? error)}`, error);
  }
  if (status < 200 || status > 299) throw fail(`expected status 200, got ${status}: ${text.slice(0, 500)}`);
  try {
    return JSON.parse(text);
  } catch {
    throw fail(`expected JSON, got ${JSON.stringify(text.slice(0, 200))}`);
  }
}

const timeoutMs = 30_000;

/** An option that is a server's address. */
export const httpAddress = () =>
  given<string>("an http or https address without a password", (value: unknown) => {
    const url = typeof value === "string" && URL.canParse(value) ? new URL(value) : undefined;
    return url !== undefined && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "";
  });

/** An option that is sent as a key: a header must be able to carry it. */
export const key = () =>
  secret("printable ASCII without spaces or line breaks", (value) => /^[\x21-\x7e]+$/.test(value));

/** The address of a path below a server's address. */
export const endpoint = (base: string, path: string) => `${base.replace(/\/+$/, "")}/${path}`;
