import { BackendError } from "../../errors";
import { limitedFetch } from "../../remote/http";
import { withoutSecrets } from "../../remote/secrets";
import { chatUrl, type HeaderSource, headersOf, secretsOf } from "../openai/address";
import { connectionFault, errorIn } from "../openai/faults";

export interface AdapterCalls {
  /** Loads the adapter in a folder of the server. */
  load(name: string, path: string): Promise<void>;
  unload(name: string): Promise<void>;
}

interface AdapterServer {
  readonly baseUrl: string;
  readonly apiKey: string | undefined;
  readonly headers: HeaderSource;
  readonly timeoutMs: number;
}

/**
 * vLLM's calls for adapters. They are not tried again, because a second load of a name is an error. They throw
 * BackendErrors.
 */
export function adapterCalls({ baseUrl, apiKey, headers, timeoutMs }: AdapterServer): AdapterCalls {
  const headersOfTry = headersOf(apiKey, headers);
  const post = async (call: string, body: object): Promise<void> => {
    const url = chatUrl(baseUrl, {}, call);
    const given = await headersOfTry();
    const fail = (reason: string): never => {
      const { origin, pathname } = new URL(url);
      const safe = withoutSecrets(reason, [...Object.values(given), ...secretsOf(url)]);
      throw new BackendError(`${origin}${pathname}: ${safe.slice(0, 1000)}`, { scope: "backend" });
    };
    const init = {
      method: "POST",
      headers: { "content-type": "application/json", ...given },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    };
    const { ok, status, text } = await limitedFetch(url, init, { maxBytes: 2 ** 20 })
      .then(async (response) => ({ ok: response.ok, status: response.status, text: await response.text() }))
      .catch((error: Error) =>
        fail(error.name === "TimeoutError" ? `no answer within ${timeoutMs} ms` : connectionFault(error).reason),
      );
    if (ok) return;
    const words = wordsOf(text);
    fail(`${status}: ${words}${status === 404 && call === "load_lora_adapter" ? remedyFor(words) : ""}`);
  };
  return {
    load: (name, path) => post("load_lora_adapter", { lora_name: name, lora_path: path }),
    unload: (name) => post("unload_lora_adapter", { lora_name: name }),
  };
}

/** A 404 is about the adapter's folder, or about the call itself. */
const remedyFor = (words: string): string =>
  /no adapter found/i.test(words)
    ? "; adapterDir has to be a folder that the server can read, or serverAdapterDir its path there"
    : "; start vLLM with --enable-lora, and with VLLM_ALLOW_RUNTIME_LORA_UPDATING=True in its environment";

function wordsOf(text: string): string {
  try {
    return errorIn(JSON.parse(text))?.words ?? text;
  } catch {
    return text;
  }
}
