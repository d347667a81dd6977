import { stat } from "node:fs/promises";
import { join } from "node:path";
import { BackendError, ConfigError, DataError, RiseError } from "../../errors";
import { openLog } from "../../terminal/log";
import { exists, indexFile, settingsFiles, weightFiles } from "../files/directory";
import type { HubModel } from "./cache";
import { bringFile, cachedSnapshot, isCommit, noteCommit, repositoryFolder } from "./cache";
import type { HubFile } from "./download";
import { whatWasMeant } from "./meant";
import { downloadLog, type OnDownload } from "./progress";
import { describe, readFrom, refusal } from "./requests";
import { accessToken } from "./token";

export interface ResolveOptions {
  /** Checks the small files (config.json, …) before gigabytes of weights are loaded; an error ends the download. */
  readonly beforeWeights: (dir: string) => Promise<unknown>;
  /** Called with the download's progress (a log on stderr, which RISE_LOG=off turns off). */
  readonly onDownload?: OnDownload | undefined;
}

/**
 * The directory of a model: `model` itself, or the snapshot of that hub id ("owner/name", "owner/name@revision") in
 * Hugging Face's cache, downloaded if missing. Only the files that this library reads are loaded.
 *
 * A hub that does not answer costs at most 10 seconds if the cache has a complete copy, which is then used, and 60
 * otherwise.
 *
 * Environment, as in huggingface_hub: HF_HOME and HF_HUB_CACHE (where the cache is), HF_TOKEN and HF_TOKEN_PATH,
 * HF_ENDPOINT, HF_HUB_OFFLINE, HF_HUB_ETAG_TIMEOUT (seconds for commit and listing), HF_HUB_DOWNLOAD_TIMEOUT (seconds
 * without a byte, 30, after which a download is tried again).
 * @throws DataError for a missing path that cannot be an id; BackendError naming what cannot be reached, and why
 */
export async function resolveModel(model: string, options: ResolveOptions): Promise<string> {
  const found = await stat(model).catch(() => undefined);
  if (found?.isDirectory()) return model;
  if (found)
    throw new DataError(`${model}: expected a directory with a checkpoint, got a file${await whatWasMeant(model)}`);
  const [, id, revision = "main"] = idPattern.exec(model) ?? [];
  if (id === undefined)
    throw new DataError(
      `${model}: expected a directory with a checkpoint or a hub id like Qwen/Qwen2-VL-2B-Instruct, got no such directory` +
        (await whatWasMeant(model)),
    );
  const known = underWay.get(model) ?? snapshot(id, revision, options).finally(() => underWay.delete(model));
  underWay.set(model, known);
  return known;
}

/** Owner, name, and perhaps a branch, tag or commit. No part begins with a dot, so none leads out of the cache. */
const idPattern = /^(\w[\w.-]*\/\w[\w.-]*)(?:@(\w[\w.-]*(?:\/\w[\w.-]*)*))?$/;

/** One download of a model at a time: a second caller waits for the first. */
const underWay = new Map<string, Promise<string>>();

async function snapshot(id: string, revision: string, options: ResolveOptions): Promise<string> {
  const { HF_ENDPOINT, HF_HUB_OFFLINE } = process.env;
  const model: HubModel = {
    id,
    revision,
    hubUrl: (HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, ""),
    token: await accessToken(),
    folder: await repositoryFolder(id),
  };
  const cached = await cachedSnapshot(model);
  const isCached = cached.missing.length === 0;
  if (isCached && isCommit(revision)) return cached.dir;
  if (/^(1|on|yes|true)$/i.test(HF_HUB_OFFLINE ?? "")) {
    if (isCached) return cached.dir;
    const lack =
      cached.commit === "" ? `no copy in ${model.folder}` : `no ${cached.missing.join(", no ")} in ${cached.dir}`;
    throw new BackendError(`${id}: HF_HUB_OFFLINE is set, and the cache has ${lack}${await whatWasMeant(id)}`);
  }
  let described: Awaited<ReturnType<typeof describe>>;
  try {
    described = await describe(model, isCached ? 10 : 60);
  } catch (cause) {
    // A cached model can be used whatever the hub's trouble is.
    if (cause instanceof ConfigError) throw cause;
    if (isCached) return cached.dir;
    throw refusal(model, cause, await whatWasMeant(id));
  }
  const { commit, files } = described;
  const log = downloadLog(openLog(id, undefined));
  let isDone = false;
  try {
    const dir = join(model.folder, "snapshots", commit);
    await downloadSnapshot(model, commit, dir, files, { ...options, onDownload: options.onDownload ?? log.onDownload });
    isDone = true;
    // This comes last, so that until then an older snapshot stays in use offline.
    if (!isCommit(revision) && cached.commit !== commit) await noteCommit(model, commit);
    return dir;
  } catch (cause) {
    throw cause instanceof RiseError ? cause : refusal(model, cause);
  } finally {
    log.close(isDone);
  }
}

async function downloadSnapshot(
  model: HubModel,
  commit: string,
  dir: string,
  files: ReadonlyMap<string, HubFile>,
  { beforeWeights, onDownload = () => {} }: ResolveOptions,
): Promise<void> {
  const bring = (file: HubFile, onBytes: (loaded: number) => void) =>
    bringFile(model.folder, dir, file, (offset) => readFrom(model, commit, file, offset), onBytes);
  const index = files.get(indexFile);
  // The index names the weight files, and so gives the size of the download.
  if (index && !(await exists(join(dir, indexFile)))) await bring(index, () => {});
  const settings = settingsFiles.flatMap((path) => files.get(path) ?? []);
  const weights = (await weightFiles(dir, new Set(files.keys()))).map((path) => files.get(path)!);
  const total = [...settings, ...weights].reduce((sum, { size }) => sum + size, 0);
  let before = 0;
  const bringAll = async (wanted: readonly HubFile[]) => {
    for (const file of wanted) {
      const tell = (loaded: number) => onDownload({ model: model.id, file: file.path, loaded: before + loaded, total });
      if (!(await exists(join(dir, file.path)))) await bring(file, tell);
      before += file.size;
    }
  };
  await bringAll(settings);
  await beforeWeights(dir);
  await bringAll(weights);
}
