import { copyFile, mkdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { BackendError, DataError, RiseError } from "../../errors";
import { exists, weightFiles } from "../model-directory";
import { downloadFile, type HubFile } from "./download";
import { downloadDisplay, type OnDownload } from "./progress";
import { type HubModel, latestCommit, listing, readFrom, refusal } from "./requests";

export interface ResolveOptions {
  /** Judges the small files (config.json, …) before gigabytes of weights are loaded; what it throws ends the download. */
  readonly beforeWeights: (dir: string) => Promise<unknown>;
  /** A display on stderr by default. */
  readonly onDownload?: OnDownload | undefined;
}

/**
 * The directory of a model: `model` itself, or the snapshot of that hub id in Hugging Face's cache, downloaded where it is not there.
 * Only what a transformers model needs is loaded: JSON, text and template files, and the safetensors.
 *
 * Environment, as in huggingface_hub: HF_HOME and HF_HUB_CACHE (where the cache is), HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE.
 * @throws DataError for a path that is none and cannot be an id; BackendError naming what cannot be reached, and why
 */
export async function resolveModel(model: string, options: ResolveOptions): Promise<string> {
  if (await isDirectory(model)) return model;
  if (!idPattern.test(model))
    throw new DataError(
      `${model}: expected a directory with a checkpoint or a hub id like Qwen/Qwen2-VL-2B-Instruct, found no such directory`,
    );
  const known = underWay.get(model) ?? snapshot(model, options).finally(() => underWay.delete(model));
  underWay.set(model, known);
  return known;
}

const isDirectory = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );

const idPattern = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/;

/** One download of a model at a time: a second caller waits for the first. */
const underWay = new Map<string, Promise<string>>();

async function snapshot(id: string, options: ResolveOptions): Promise<string> {
  const { getHFHubCachePath, getRepoFolderName } = await import("@huggingface/hub");
  const { HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE } = process.env;
  const model: HubModel = {
    id,
    hubUrl: (HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, ""),
    ...(HF_TOKEN && { accessToken: HF_TOKEN }),
    folder: join(getHFHubCachePath(), getRepoFolderName({ type: "model", name: id })),
  };
  const cached = await cachedSnapshot(model);
  if (/^(1|on|yes|true)$/i.test(HF_HUB_OFFLINE ?? "")) {
    if (cached !== undefined) return cached;
    throw new BackendError(`${id}: HF_HUB_OFFLINE is set, and the cache has no complete copy in ${model.folder}`);
  }
  let commit: string;
  try {
    commit = await latestCommit(model);
  } catch (cause) {
    // Whatever the hub's trouble is, a model that is here can be used.
    if (cached !== undefined) return cached;
    throw refusal(model, cause);
  }
  const dir = join(model.folder, "snapshots", commit);
  if (!(await isComplete(dir)))
    await downloadSnapshot(model, commit, dir, options).catch((cause: unknown) => {
      throw cause instanceof RiseError ? cause : refusal(model, cause);
    });
  // Written last: until then an older snapshot stays the one to use without a network.
  await mkdir(dirname(refPath(model)), { recursive: true });
  await writeFile(refPath(model), commit);
  return dir;
}

const refPath = ({ folder }: HubModel) => join(folder, "refs", "main");

async function cachedSnapshot(model: HubModel): Promise<string | undefined> {
  const commit = await readFile(refPath(model), "utf8").catch(() => undefined);
  if (commit === undefined) return undefined;
  const dir = join(model.folder, "snapshots", commit.trim());
  return (await isComplete(dir)) ? dir : undefined;
}

/** Weights come last, so where they are everything is. */
const isComplete = async (dir: string): Promise<boolean> =>
  (await exists(join(dir, "config.json"))) &&
  weightFiles(dir).then(
    () => true,
    () => false,
  );

async function downloadSnapshot(
  model: HubModel,
  commit: string,
  dir: string,
  { beforeWeights, onDownload = downloadDisplay() }: ResolveOptions,
): Promise<void> {
  const files = await listing(model, commit);
  const bring = async (wanted: readonly HubFile[]) => {
    const total = wanted.reduce((sum, { size }) => sum + size, 0);
    let before = 0;
    for (const file of wanted) {
      await bringFile(model, commit, dir, file, (loaded) =>
        onDownload({ model: model.id, file: file.path, loaded: before + loaded, total }),
      );
      before += file.size;
    }
  };
  await bring([...files.values()].filter(({ path }) => /\.(json|txt|jinja)$/.test(path)));
  await beforeWeights(dir);
  const weights = await weightFiles(dir, (path) => files.has(path));
  await bring(weights.map((path) => files.get(path)!));
}

/** Puts a file's content under its digest among the blobs, and a link to it into the snapshot: the layout that Python shares. */
async function bringFile(
  model: HubModel,
  commit: string,
  dir: string,
  file: HubFile,
  onBytes: (loaded: number) => void,
): Promise<void> {
  const pointer = join(dir, file.path);
  if (await exists(pointer)) return onBytes(file.size);
  const blob = join(model.folder, "blobs", file.digest.hex);
  await mkdir(dirname(blob), { recursive: true });
  await mkdir(dir, { recursive: true });
  if (!(await exists(blob))) await downloadFile(file, blob, (offset) => readFrom(model, commit, file, offset), onBytes);
  onBytes(file.size);
  await rm(pointer, { force: true });
  await symlink(relative(dir, blob), pointer).catch(async () => {
    // Windows lets few users make links; and another process may have been faster.
    if (!(await exists(pointer))) await copyFile(blob, pointer);
  });
}
