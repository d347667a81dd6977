import { readdir, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join, normalize } from "node:path";
import { nearest } from "../../options/did-you-mean";
import { cacheFolder } from "./cache";

/** A suggestion for a model name that was not found, as the end of an error's message; empty if nothing is near. */
export async function whatWasMeant(model: string): Promise<string> {
  const [, id] = /^https?:\/\/[^/]+\/([\w.-]+\/[\w.-]+)/.exec(model) ?? [];
  if (id !== undefined) return `; did you mean ${id}?`;
  if (/^~[\\/]/.test(model)) return `; only shells read ~: write ${join(homedir(), model.slice(2))}`;
  if (model.startsWith("file:")) return "; write the path without file:, or fileURLToPath(url)";
  if ((await kindOf(model)) === "file") return `; it is a file: did you mean ${dirname(model)}?`;
  const near = (await nearDirectory(normalize(model))) ?? nearest(model, await otherCachedModels(model));
  return near === undefined ? "" : `; did you mean ${near}?`;
}

/** A directory whose path differs by a few letters in each of its parts. */
async function nearDirectory(path: string): Promise<string | undefined> {
  if ((await kindOf(path)) === "directory") return path;
  const parent = dirname(path);
  const found = parent === path ? undefined : await nearDirectory(parent);
  if (found === undefined) return undefined;
  const entries = await readdir(found, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => !entry.isFile()).map(({ name }) => name);
  const near = nearest(basename(path), folders);
  return near === undefined ? undefined : join(found, near);
}

async function otherCachedModels(model: string): Promise<string[]> {
  const folders = await readdir(await cacheFolder()).catch(() => []);
  const ids = folders.flatMap((folder) => /^models--(.+?)--(.+)$/.exec(folder)?.slice(1).join("/") ?? []);
  return ids.filter((id) => id !== model);
}

const kindOf = (path: string): Promise<"file" | "directory" | undefined> =>
  stat(path).then(
    (found) => (found.isDirectory() ? "directory" : "file"),
    () => undefined,
  );
