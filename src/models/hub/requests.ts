import { BackendError, ConfigError, type RiseError } from "../../errors";
import { shown } from "../../options/display";
import { longestTimerMs } from "../../options/milliseconds";
import { limitedFetch } from "../../remote/http";
import { type HubModel, isCommit } from "./cache";
import { type HubFile, reasonOf } from "./download";

/** Limits: bytes of one answer of the hub's API, and pages of a listing (1000 files each). */
const largestAnswer = 2 ** 26;
const mostPages = 100;

/** Timeouts in seconds, as in huggingface_hub: of a silent download, and of the hub's answer to a listing. */
const secondsOf = (name: "HF_HUB_DOWNLOAD_TIMEOUT" | "HF_HUB_ETAG_TIMEOUT", otherwise: number): number => {
  const seconds = Number(process.env[name] || otherwise);
  if (!(seconds > 0 && seconds * 1000 <= longestTimerMs))
    throw new ConfigError(`${name}: expected a number of seconds above 0, got ${shown(process.env[name])}`);
  return seconds;
};

/**
 * Finds a revision's commit, and its top-level files by name.
 * @param patience seconds for both together, unless HF_HUB_ETAG_TIMEOUT says otherwise
 */
export async function describe(
  model: HubModel,
  patience: number,
): Promise<{ readonly commit: string; readonly files: ReadonlyMap<string, HubFile> }> {
  const seconds = secondsOf("HF_HUB_ETAG_TIMEOUT", patience);
  const deadline = AbortSignal.timeout(seconds * 1000);
  let requests = 0;
  const ask: typeof fetch = async (address, init) => {
    if (++requests > mostPages + 1) throw new BackendError(`${model.id}: expected at most ${mostPages} pages of files`);
    return limitedFetch(onHub(model, address), { ...init, signal: deadline }, { maxBytes: largestAnswer });
  };
  try {
    const commit = await commitOf(model, ask);
    return { commit, files: await listing(model, commit, ask) };
  } catch (error) {
    throw deadline.aborted ? new Error(`no answer within ${seconds} s (HF_HUB_ETAG_TIMEOUT)`) : error;
  }
}

/** Refuses other hosts: a listing's next page may name any address, and would be sent the token. */
function onHub({ hubUrl }: HubModel, address: Parameters<typeof fetch>[0]): URL {
  const url = new URL(address instanceof Request ? address.url : address);
  if (url.host !== new URL(hubUrl).host)
    throw new BackendError(`expected an address of ${hubUrl}, got one of ${url.origin}`);
  return url;
}

async function commitOf(model: HubModel, ask: typeof fetch): Promise<string> {
  const { modelInfo } = await import("@huggingface/hub");
  const { repo, ...access } = accessTo(model);
  const { sha } = await modelInfo({
    name: repo.name,
    revision: model.revision,
    additionalFields: ["sha"],
    ...access,
    fetch: ask,
  });
  if (!isCommit(sha)) throw new BackendError(`${model.id}: expected a commit from the hub, got ${sha}`);
  return sha;
}

async function listing(model: HubModel, commit: string, ask: typeof fetch): Promise<ReadonlyMap<string, HubFile>> {
  const { listFiles } = await import("@huggingface/hub");
  const files = new Map<string, HubFile>();
  for await (const { type, path, size, oid, lfs } of listFiles({ ...accessTo(model), revision: commit, fetch: ask })) {
    if (type !== "file" || /[/\\]/.test(path)) continue;
    const hex = lfs?.oid ?? oid ?? "";
    if (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(hex))
      throw new BackendError(`${model.id}: ${path}: expected a digest in the hub's listing, got "${hex}"`);
    const bytes = lfs?.size ?? size;
    if (!Number.isSafeInteger(bytes) || bytes < 0)
      throw new BackendError(`${model.id}: ${path}: expected a size in the hub's listing, got ${shown(bytes)}`);
    files.set(path, {
      path,
      size: bytes,
      digest: { algorithm: lfs ? "sha256" : "git-sha1", hex },
    });
  }
  return files;
}

/** Reads a file from an offset on. A redirect may lead to another host with the content; the token stays behind. */
export async function readFrom(
  model: HubModel,
  commit: string,
  { path, size }: HubFile,
  offset: number,
): Promise<AsyncIterable<Uint8Array>> {
  const { downloadFile } = await import("@huggingface/hub");
  const idleMs = 1000 * secondsOf("HF_HUB_DOWNLOAD_TIMEOUT", 30);
  const ask: typeof fetch = (address, init = {}) =>
    // The file's writer counts its bytes; this limits an error's text.
    limitedFetch(onHub(model, address), init, { maxBytes: size + largestAnswer, idleMs, mayLeaveHost: true });
  // Plain HTTP allows reading from an offset, and the hub serves every file so.
  const content = await downloadFile({ ...accessTo(model), path, revision: commit, xet: false, fetch: ask });
  if (content?.size !== size)
    throw new BackendError(
      `${model.id}: ${path}: expected ${size} bytes, ${model.hubUrl} has ${content?.size ?? "none"}`,
    );
  return (offset > 0 ? content.slice(offset) : content).stream() as unknown as AsyncIterable<Uint8Array>;
}

const accessTo = ({ id, hubUrl, token }: HubModel) => ({
  repo: { type: "model" as const, name: id },
  hubUrl,
  ...(token && { accessToken: token.value }),
});

/** Explains a failed request to the user; `hint` ends the message if the model's name may be wrong. */
export function refusal(model: HubModel, cause: unknown, hint = ""): RiseError {
  const { id, revision, hubUrl, token, folder } = model;
  const { statusCode, syscall } = cause as { statusCode?: number; syscall?: string };
  if (cause instanceof TypeError && cause.message.includes("access token"))
    return new ConfigError(`${token?.from}: expected a token that begins with hf_`, { cause });
  const because = (reason: string) => new BackendError(`${id}: ${reason}`, { cause });
  // Disk errors name a system call; fetch wraps those of the network.
  if (syscall !== undefined) return because(`cannot be kept in the cache, ${folder}: ${reasonOf(cause)}`);
  const access = token ? `${token.from} does not give access` : "HF_TOKEN is not set";
  if (statusCode === 404)
    return because(
      `${hubUrl} has no such model, or not its revision ${revision} (404), and there is no such directory${hint}`,
    );
  if (statusCode === 401 || statusCode === 403)
    return because(
      `${hubUrl} refuses it (${statusCode}): it is gated (accept its terms at ${hubUrl}/${id}), private, or not there; ${access}${hint}`,
    );
  return because(
    `cannot get it from ${hubUrl} (${reasonOf(cause)}), the cache has no complete copy in ${folder}, and there is no such directory${hint}; on a machine without that network, copy the model's folder here and pass its path, or set HF_ENDPOINT to a mirror`,
  );
}
