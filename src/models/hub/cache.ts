import { copyFile, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { exists, missingFiles } from "../files/directory";
import { downloadFile, type HubFile, type ReadFrom, sizeOf } from "./download";
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

/** Hugging Face's cache, in which Python keeps its models too. */
export async function cacheFolder(): Promise<string> {
  const { getHFHubCachePath } = await import("@huggingface/hub");
  return getHFHubCachePath();
}

/** A model's folder in the cache: `refs`, `snapshots`, `blobs`. */
export async function repositoryFolder(id: string): Promise<string> {
  const { getRepoFolderName } = await import("@huggingface/hub");
  return join(await cacheFolder(), getRepoFolderName({ type: "model", name: id }));
}

export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision);

/** The newest snapshot of a revision that is here, and what it lacks. */
export async function cachedSnapshot({ folder, revision }: HubModel) {
  const ref = await readFile(join(folder, "refs", revision), "utf8").catch(() => "");
  const commit = isCommit(revision) ? revision : ref.trim();
  const dir = join(folder, "snapshots", commit);
  return { commit, dir, missing: await missingFiles(dir) };
}

/** Makes a commit's snapshot the one that is used without a network. */
export async function noteCommit({ folder, revision }: HubModel, commit: string): Promise<void> {
  const path = join(folder, "refs", revision);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, commit);
}

/**
 * Puts a file's content under its digest among the blobs, and a link to it into the snapshot: the layout that Python
 * shares.
 */
export async function bringFile(
  folder: string,
  snapshot: string,
  file: HubFile,
  read: ReadFrom,
  onBytes: (loaded: number) => void,
): Promise<void> {
  const pointer = join(snapshot, file.path);
  const blob = join(folder, "blobs", file.digest.hex);
  await mkdir(dirname(blob), { recursive: true });
  await mkdir(snapshot, { recursive: true });
  // A machine that lost power may have kept the name without all of the content.
  if ((await exists(blob)) && (await sizeOf(blob)) === file.size) onBytes(file.size);
  else await downloadFile(file, blob, read, onBytes);
  await rm(pointer, { force: true });
  await symlink(relative(snapshot, blob), pointer).catch(async () => {
    // Windows lets few users make links; and another process may have been faster.
    if (!(await exists(pointer))) await copyFile(blob, pointer);
  });
}
