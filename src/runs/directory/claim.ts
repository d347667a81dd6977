import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../../errors";
import { readJson, writeAtomically, writing } from "./files";
import { isLock, lockRun, type RunLock } from "./lock";

/**
 * Makes a directory that of one run: keeps other processes out of it, and writes `config.json`, or finds the same one there.
 *
 * @param config everything that decides what the run does, as JSON
 * @param resume whether there may be something in it
 * @param otherwise is asked about a `config.json` that differs: whether the run may go on all the same, after which `config` replaces it, or else
 * what there is to do
 * @throws CheckpointError for a directory that another process writes into, that is in use without `resume`, that belongs to a run with
 * another config, or to none
 */
export async function claimDirectory(
  path: string,
  config: object,
  resume: boolean,
  otherwise: (stored: unknown) => Promise<{ readonly isFine: boolean; readonly advice?: string }> = async () => ({
    isFine: false,
  }),
): Promise<RunLock> {
  const lock = await made(path);
  try {
    const names = (await readdir(path)).filter((name) => !name.endsWith(".partial") && !isLock(name));
    if (names.length === 0) await writeConfig(path, config);
    else if (!names.includes(configFile))
      throw new CheckpointError(
        `${path} is not empty, and not a run's: expected a ${configFile}, found ${names.slice(0, 3).join(", ")}; choose another runDir`,
      );
    else if (!resume)
      throw new CheckpointError(
        `${path} is not empty: pass resume: true to go on with the run in it, or another runDir`,
      );
    else {
      const file = join(path, configFile);
      const stored = await readJson(file);
      const differing = differences(stored, config);
      const { isFine, advice } = differing.length > 0 ? await otherwise(stored) : { isFine: true, advice: "" };
      if (!isFine)
        throw new CheckpointError(`${file} is of a run with other settings: ${differing.join("; ")}${advice ?? ""}`);
      if (differing.length > 0) await writeConfig(path, config);
    }
    return lock;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** The directory, made where it is not there, and locked. */
async function made(path: string): Promise<RunLock> {
  try {
    await mkdir(path, { recursive: true });
    return await lockRun(path);
  } catch (cause) {
    if (cause instanceof CheckpointError) throw cause;
    throw new CheckpointError(`runDir: expected a directory that can be written to at "${path}": ${String(cause)}`, {
      cause,
    });
  }
}

/** What every run writes first. */
const configFile = "config.json";

function writeConfig(path: string, config: object): Promise<void> {
  const file = join(path, configFile);
  const write = () => writeAtomically(file, `${JSON.stringify(config, null, 2)}\n`);
  return writing(file, () => "nothing was begun yet", write);
}

/** Settings that two configs do not share, each with both values. What has a `sha256` is known by it: how it is called beside that does not matter. */
export function differences(there: unknown, here: object): string[] {
  const [stored, wanted] = [flatten(there), flatten(JSON.parse(JSON.stringify(here)))];
  const isSame = (key: string) => stored.get(key) === wanted.get(key);
  const isKnown = (key: string) => {
    const digest = `${key.slice(0, key.lastIndexOf("."))}.sha256`;
    return stored.has(digest) && isSame(digest);
  };
  return [...new Set([...stored.keys(), ...wanted.keys()])]
    .filter((key) => !isSame(key) && !isKnown(key))
    .map((key) => `${key} (${stored.get(key) ?? "absent"} there, ${wanted.get(key) ?? "absent"} here)`);
}

/** `{ a: { b: 1 } }` as a.b → 1, values as JSON. */
export function flatten(value: unknown, key = "", into = new Map<string, string>()): Map<string, string> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    for (const [name, child] of Object.entries(value)) flatten(child, key ? `${key}.${name}` : name, into);
  } else into.set(key, JSON.stringify(value));
  return into;
}
