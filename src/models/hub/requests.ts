import { BackendError, ConfigError, type RiseError } from "../../errors";
import { type HubFile, reasonOf } from "./download";

/** A model of the hub, and what is needed to ask for it. */
export interface HubModel {
  readonly id: string;
  readonly hubUrl: string;
  readonly accessToken?: string;
  /** This model's folder in the cache: `refs`, `snapshots`, `blobs`. */
  readonly folder: string;
}

/** The commit that `main` is at. */
export async function latestCommit(model: HubModel): Promise<string> {
  const { modelInfo } = await import("@huggingface/hub");
  const { repo, ...access } = accessTo(model);
  const { sha } = await modelInfo({ name: repo.name, revision: "main", additionalFields: ["sha"], ...access });
  if (!/^[0-9a-f]{40}$/.test(sha)) throw new BackendError(`${model.id}: expected a commit from the hub, got ${sha}`);
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
  const content = await downloadFile({ ...accessTo(model), path, revision: commit });
  if (content?.size !== size)
    throw new BackendError(
      `${model.id}: ${path}: expected ${size} bytes, ${model.hubUrl} has ${content?.size ?? "none"}`,
    );
  return (offset > 0 ? content.slice(offset) : content).stream() as unknown as AsyncIterable<Uint8Array>;
}

const accessTo = ({ id, hubUrl, accessToken }: HubModel) => ({
  repo: { type: "model" as const, name: id },
  hubUrl,
  ...(accessToken !== undefined && { accessToken }),
});

/** What a failed request means for the user. */
export function refusal({ id, hubUrl, accessToken, folder }: HubModel, cause: unknown): RiseError {
  const { statusCode } = cause as { statusCode?: number };
  if (cause instanceof TypeError && cause.message.includes("access token"))
    return new ConfigError("HF_TOKEN: expected a token that begins with hf_", { cause });
  const token = accessToken === undefined ? "HF_TOKEN is not set" : "HF_TOKEN does not give access";
  const reason =
    statusCode === 404
      ? `${hubUrl} has no such model (404), and there is no such directory`
      : statusCode === 401 || statusCode === 403
        ? `${hubUrl} refuses it (${statusCode}): it is gated (accept its terms at ${hubUrl}/${id}), private, or not there; ${token}`
        : `cannot get it from ${hubUrl} (${reasonOf(cause)}), and the cache has no complete copy in ${folder}`;
  return new BackendError(`${id}: ${reason}`, { cause });
}
