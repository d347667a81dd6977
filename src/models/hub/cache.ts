import { copyFile, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { exists, missingFiles } from "../files/directory";
import { downloadFile, type HubFile, type ReadFrom, sizeOf } from "./download";
import type { AccessToken } from "./token";

export interface HubModel {
  readonly id: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
  readonly hubUrl: string;
  readonly token?: AccessToken | undefined;
  /** The model's folder in the cache. */
  readonly folder: string;
}

/** Hugging Face's cache, which Python shares. */
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

/** The newest cached snapshot of a revision, and the files it lacks. */
export async function cachedSnapshot({ folder, revision }: HubModel) {
  const ref = await readFile(join(folder, "refs", revision), "utf8").catch(() => "");
  const commit = isCommit(revision) ? revision : ref.trim();
  const dir = join(folder, "snapshots", commit);
  return { commit, dir, missing: await missingFiles(dir) };
}

/** Records a commit's snapshot as the one to use offline. */
export async function noteCommit({ folder, revision }: HubModel, commit: string): Promise<void> {
  const path = join(folder, "refs", revision);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, commit);
}

/** Stores a file as a blob named by its digest, and links it into the snapshot: the layout that Python shares. */
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
  // A power failure may have kept the name without all of the content.
  if ((await exists(blob)) && (await sizeOf(blob)) === file.size) onBytes(file.size);
  else await downloadFile(file, blob, read, onBytes);
  await rm(pointer, { force: true });
  await symlink(relative(snapshot, blob), pointer).catch(async () => {
    // Windows lets few users create links, and another process may have been faster.
    if (!(await exists(pointer))) await copyFile(blob, pointer);
  });
}
