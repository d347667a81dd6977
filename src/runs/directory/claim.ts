import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../../errors";
import { refusal } from "../../files/refusals";
import { listed } from "../../options/display";
import { readJson, writeAtomically, writing } from "./files";
import { isLock, lockRun, type RunLock } from "./lock";

/**
 * Claims a directory for one run: keeps other processes out, and writes `config.json`, or finds the same one there.
 *
 * @param config everything that decides what the run does, as JSON
 * @param resume whether the directory may hold a run
 * @param open opens what is there; the directory is let go if that fails
 * @param otherwise decides about a `config.json` that differs: whether the run may be resumed all the same (`config`
 * then replaces it), and otherwise the advice
 * @throws CheckpointError for a directory that another process writes into, that is in use without `resume`, or that
 * belongs to a run with another config or to no run
 */
export async function claimDirectory<T>(
  path: string,
  config: object,
  resume: boolean,
  open: (lock: RunLock) => Promise<T>,
  otherwise: (stored: unknown) => Promise<{ readonly isFine: boolean; readonly advice?: string }> = async () => ({
    isFine: false,
  }),
): Promise<T> {
  const lock = await made(path);
  try {
    if (!(await holdsRun(path, resume))) await writeConfig(path, config);
    else {
      const file = join(path, configFile);
      const stored = await readJson(file);
      checkPipeline(path, stored, config);
      const differing = differences(stored, config);
      const { isFine, advice = "" } = differing.length > 0 ? await otherwise(stored) : { isFine: true };
      if (!isFine)
        throw new CheckpointError(
          `${file} is of a run with other settings: ${listed(differing, "; ")}. ${remedy(differing)}${advice}`,
        );
      if (differing.length > 0) await writeConfig(path, config);
    }
    return await open(lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/**
 * Whether a directory holds a run: not if it is missing or empty.
 * @throws CheckpointError for a directory that is in use without `resume`, or holds something else
 */
export async function holdsRun(path: string, resume: boolean): Promise<boolean> {
  const all = await readdir(path).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return [];
    throw error;
  });
  const names = all.filter((name) => !name.endsWith(".partial") && !isLock(name));
  if (names.length === 0) return false;
  if (!names.includes(configFile))
    throw new CheckpointError(
      `${path} is not empty, and not a run's: expected a ${configFile}, got ${names.slice(0, 3).join(", ")}; choose another folder`,
    );
  if (resume) return true;
  throw new CheckpointError(
    `${path} is not empty: pass resume: true (--resume for rise-ts) to resume the run in it, or choose another folder`,
  );
}

/** A run of another kind differs in every setting, and none of them is the point. */
function checkPipeline(path: string, stored: unknown, config: object): void {
  const [there, here] = [stored, config].map((settings) => (Object(settings) as { pipeline?: unknown }).pipeline);
  if (there !== here && typeof there === "string" && typeof here === "string")
    throw new CheckpointError(`${path} holds a ${there} run, and this is a ${here} run: choose another runDir`);
}

/** The advice about the settings that differ. */
const remedy = (differing: readonly string[]): string =>
  differing.some((setting) => /^(?:dataset|heldOut|prompts|cots)\b/.test(setting))
    ? "A run is resumed with the examples and prompts that it began with, in the same order; for others choose another runDir"
    : "Pass the settings that it began with, or choose another runDir";

async function made(path: string): Promise<RunLock> {
  try {
    await mkdir(path, { recursive: true });
    return await lockRun(path);
  } catch (cause) {
    if (cause instanceof CheckpointError) throw cause;
    throw new CheckpointError(
      `runDir: expected a directory that can be written to at "${path}", got ${refusal(cause)}; choose another`,
      { cause },
    );
  }
}

/** The first file of every run. */
const configFile = "config.json";

function writeConfig(path: string, config: object): Promise<void> {
  const file = join(path, configFile);
  const write = () => writeAtomically(file, `${JSON.stringify(config, null, 2)}\n`);
  return writing(file, () => "nothing was begun yet", write);
}

/** Lists settings that differ between two configs, with both values. An object with a `sha256` is compared by it. */
export function differences(there: unknown, here: object): string[] {
  const stored = flatten(there);
  const wanted = flatten(JSON.parse(JSON.stringify(here)));
  const isSame = (key: string) => stored.get(key) === wanted.get(key);
  const isKnown = (key: string) => {
    const digest = `${key.slice(0, key.lastIndexOf("."))}.sha256`;
    return stored.has(digest) && isSame(digest);
  };
  return [...new Set([...stored.keys(), ...wanted.keys()])]
    .filter((key) => !isSame(key) && !isKnown(key))
    .map((key) => `${key} (${short(stored.get(key))} there, ${short(wanted.get(key))} here)`);
}

/** A value for a message; nobody compares digests to their end. */
const short = (value = "absent"): string => value.replace(/^"([0-9a-f]{8})[0-9a-f]{56}"$/, '"$1…"');

/** Maps `{ a: { b: 1 } }` to a.b → 1, values as JSON. */
export function flatten(value: unknown, key = "", into = new Map<string, string>()): Map<string, string> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    for (const [name, child] of Object.entries(value)) flatten(child, key ? `${key}.${name}` : name, into);
  } else into.set(key, JSON.stringify(value));
  return into;
}
