import { BackendError, ConfigError, type RiseError } from "../../errors";
import { isCommit } from "./cache";
import { type HubFile, reasonOf } from "./download";
import type { AccessToken } from "./token";

/** A model of the hub, and what is needed to ask for it. */
export interface HubModel {
  readonly id: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
  readonly hubUrl: string;
  readonly token?: AccessToken | undefined;
  /** In the cache. */
  readonly folder: string;
}

/** The commit that a revision is at. */
export async function commitOf(model: HubModel): Promise<string> {
  const { modelInfo } = await import("@huggingface/hub");
  const { repo, ...access } = accessTo(model);
  const { sha } = await modelInfo({
    name: repo.name,
    revision: model.revision,
    additionalFields: ["sha"],
    ...access,
  });
  if (!isCommit(sha)) throw new BackendError(`${model.id}: expected a commit from the hub, got ${sha}`);
  return sha;
}

/** The files at the top of a model, by name. */
export async function listing(model: HubModel, commit: string): Promise<ReadonlyMap<string, HubFile>> {
  const { listFiles } = await import("@huggingface/hub");
  const files = new Map<string, HubFile>();
  for await (const { type, path, size, oid, lfs } of listFiles({ ...accessTo(model), revision: commit })) {
    if (type !== "file" || /[/\\]/.test(path)) continue;
    const hex = lfs?.oid ?? oid ?? "";
    if (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(hex))
      throw new BackendError(`${model.id}: ${path}: expected a digest in the hub's listing, got "${hex}"`);
    files.set(path, {
      path,
      size: lfs?.size ?? size,
      digest: { algorithm: lfs ? "sha256" : "git-sha1", hex },
    });
  }
  return files;
}

/** A file's bytes from an offset on. */
export async function readFrom(
  model: HubModel,
  commit: string,
  { path, size }: HubFile,
  offset: number,
): Promise<AsyncIterable<Uint8Array>> {
  const { downloadFile } = await import("@huggingface/hub");
  // Over HTTP, where a part of a file is asked for by its offset; the hub serves every file so.
  const content = await downloadFile({ ...accessTo(model), path, revision: commit, xet: false });
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

/** What a failed request means for the user; `hint` ends the message where the model's name may be wrong. */
export function refusal(model: HubModel, cause: unknown, hint = ""): RiseError {
  const { id, revision, hubUrl, token, folder } = model;
  const { statusCode, syscall } = cause as { statusCode?: number; syscall?: string };
  if (cause instanceof TypeError && cause.message.includes("access token"))
    return new ConfigError(`${token?.from}: expected a token that begins with hf_`, { cause });
  const because = (reason: string) => new BackendError(`${id}: ${reason}`, { cause });
  // The disk's errors name a system call; the network's are wrapped by fetch.
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
    `cannot get it from ${hubUrl} (${reasonOf(cause)}), the cache has no complete copy in ${folder}, and there is no such directory${hint}`,
  );
}
