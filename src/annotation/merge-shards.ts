import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import * as z from "zod";
import { CheckpointError } from "../errors";
import { counted, listed } from "../options/display";
import { given, readOptions, specOf, text } from "../options/spec";
import { claimDirectory, differences } from "../runs/directory/claim";
import { type Place, parseRow, readJson, sizeOf, wholeRows, writeAtomically, writing } from "../runs/directory/files";
import { idsDigest, isInShard, parseShard, type Shard, shardFile } from "../runs/directory/shards";
import { annotationsFile, textsAt, writeCsv } from "./store";

/** Options of `mergeShards`. */
export interface MergeShardsOptions {
  /** The `runDir` of every shard, or the folder that holds them. */
  readonly shards: string | readonly string[];
  /** The folder to write, which is new or empty. */
  readonly runDir: string;
}

export const mergeShardsSpec = specOf<MergeShardsOptions>()(() => ({
  shards: given("the folder that holds the shards, or a list of their folders", areFolders).describe(
    "The `runDir` of every shard, or the folder that holds them",
  ),
  runDir: text().describe("The folder to write, which is new or empty"),
}));

function areFolders(value: unknown): boolean {
  const folders: readonly unknown[] = Array.isArray(value) ? value : [value];
  return folders.length > 0 && folders.every((folder) => typeof folder === "string" && folder !== "");
}

/** The merged rows, and the ids that have none. */
export interface MergedShards {
  /** The file of all rows. */
  readonly file: string;
  readonly rows: number;
  /** Ids without a row, because they failed or were left out; every other id has exactly one. */
  readonly without: readonly string[];
}

/** The rows of each kind of run, and the field of their id. */
const rowsOf: Readonly<Record<string, { readonly file: string; readonly id: "id" | "exampleId" }>> = {
  annotate: { file: annotationsFile, id: "id" },
  evaluate: { file: "records.jsonl", id: "exampleId" },
  "rise-cot": { file: "cots.jsonl", id: "exampleId" },
};

/**
 * Joins the shards of `annotateDataset`, `evaluate` or `riseCot` to one directory, and proves that the set is whole:
 * every shard is there and finished, all have the same settings and saw the same ids, no id occurs twice, and none is
 * missing.
 *
 * Rows come in the order of their ids. An evaluation gets its metrics from
 * `evaluate({ …, runDir, resume: true })` without `shard`, which asks for nothing.
 *
 * @throws CheckpointError naming the shard, and what is missing, twice or different; nothing is written then
 * @example
 * await mergeShards({ shards: "runs/shards", runDir: "runs/annotations" });
 */
export async function mergeShards(options: MergeShardsOptions): Promise<MergedShards> {
  const { shards: given, runDir } = readOptions("mergeShards", options, mergeShardsSpec);
  const folders = typeof given === "string" ? await foldersIn(given, runDir) : given;
  const shards = await Promise.all(folders.map(readShard));
  const { config, kind } = checkAlike(shards);
  checkComplete(shards);
  const found = await readRows(shards, kind);
  const ids = [...found.rows.keys()].sort();
  await checkIds(shards, [...ids, ...found.without]);
  const { file: name } = kind;
  const file = join(runDir, name);
  const lock = await claimDirectory(runDir, config, true, async (claimed) => claimed);
  try {
    if (((await sizeOf(file)) ?? 0) > 0)
      throw new CheckpointError(`${file}: expected a runDir without rows, got some; choose another runDir`);
    const write = <T>(what: string, put: () => Promise<T>) => writing(what, () => "the shards are intact", put);
    const places = ids.map((id) => found.rows.get(id)!);
    await write(file, () => writeAtomically(file, textsAt(places)));
    if (name === annotationsFile) await writeCsv(runDir, write);
  } finally {
    await lock.release();
  }
  return { file, rows: ids.length, without: found.without.sort() };
}

/** The folders in a folder, except the one to write, which an earlier call may have made there. */
async function foldersIn(folder: string, runDir: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw new CheckpointError(`${folder}: expected a folder of shards: ${String(cause)}`, { cause });
  });
  const folders = entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(folder, name))
    .filter((path) => resolve(path) !== resolve(runDir));
  if (folders.length === 0) throw new CheckpointError(`${folder}: expected the folders of shards, got none`);
  return folders.sort();
}

interface ReadShard {
  readonly path: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly shard: Shard;
  readonly proof: z.infer<typeof proofSchema>;
}

const proofSchema = z.object({
  shard: z.string(),
  all: z.object({ count: z.number(), sha256: z.string() }),
  own: z.number(),
  without: z.array(z.string()),
});

const configSchema = z.looseObject({ pipeline: z.string(), shard: z.string() });

async function readShard(path: string): Promise<ReadShard> {
  const config = await parsed(join(path, "config.json"), configSchema);
  if (config === undefined)
    throw new CheckpointError(`${path}: expected a shard's runDir, got a folder without config.json`);
  const shard = parseShard(config.shard);
  const proof = await parsed(join(path, shardFile), proofSchema);
  if (proof === undefined)
    throw new CheckpointError(`${path}: expected a finished shard, got ${config.shard} under way; resume it first`);
  if (!shard || proof.shard !== config.shard)
    throw new CheckpointError(`${path}: expected the shard of its config.json, ${config.shard}, got ${proof.shard}`);
  return { path, config, shard, proof };
}

/** The content of a JSON file; `undefined` if it is missing. */
const parsed = async <T>(file: string, schema: z.ZodType<T>): Promise<T | undefined> =>
  (await sizeOf(file)) === undefined ? undefined : parseRow(JSON.stringify(await readJson(file)), schema, file);

/** @throws CheckpointError for shards of other settings, or of a pipeline that has no shards */
function checkAlike(shards: readonly ReadShard[]) {
  const settings = shards.map(({ config: { shard, ...config } }) => config);
  const [first] = shards;
  for (const [i, { path }] of shards.entries()) {
    const other = differences(settings[0], settings[i]!);
    if (other.length > 0)
      throw new CheckpointError(
        `${path}: expected the settings of ${first!.path}, got other ones: ${other.join("; ")}`,
      );
  }
  const pipeline = first!.config.pipeline as string;
  if (!Object.hasOwn(rowsOf, pipeline))
    throw new CheckpointError(
      `${first!.path}: expected a run of ${Object.keys(rowsOf).join(", ")}, got one of ${pipeline}`,
    );
  return { config: settings[0]!, kind: rowsOf[pipeline]! };
}

/** @throws CheckpointError unless each of the shards is there once, and all saw the same ids */
function checkComplete(shards: readonly ReadShard[]): void {
  const [first] = shards;
  const { count } = first!.shard;
  const other = shards.find(({ shard }) => shard.count !== count);
  if (other)
    throw new CheckpointError(`${other.path}: expected one of ${counted(count, "shard")}, got ${other.proof.shard}`);
  const byNumber = new Map<number, string>();
  for (const { path, shard } of shards) {
    const twin = byNumber.get(shard.number);
    if (twin)
      throw new CheckpointError(`${path}: expected a shard of its own, got ${shard.number}/${count} as ${twin}`);
    byNumber.set(shard.number, path);
  }
  const numbers = Array.from({ length: count }, (_, i) => i + 1);
  const missing = numbers.filter((number) => !byNumber.has(number)).map((number) => `${number}/${count}`);
  if (missing.length > 0)
    throw new CheckpointError(`expected ${counted(count, "shard")}, got ${shards.length} without ${listed(missing)}`);
  const { all } = first!.proof;
  const stranger = shards.find(({ proof }) => proof.all.sha256 !== all.sha256);
  if (stranger)
    throw new CheckpointError(
      `${stranger.path}: expected the ${counted(all.count, "id")} that ${first!.path} saw, got ${stranger.proof.all.count} that are not the same; give every shard the same data, and resume them`,
    );
}

/** Finds every row. @throws CheckpointError for an id that occurs twice, or in a shard that is not its own */
async function readRows(
  shards: readonly ReadShard[],
  { file: name, id: field }: { file: string; id: "id" | "exampleId" },
) {
  const rows = new Map<string, { readonly file: string; readonly place: Place }>();
  const without: string[] = [];
  for (const { path, shard, proof } of shards) {
    const file = join(path, name);
    let number = 0;
    for await (const { text, place } of wholeRows(file)) {
      const where = `${file}: line ${++number}`;
      const id = String(parseRow(text, z.looseObject({ [field]: z.string() }), where)[field]);
      const twin = rows.get(id);
      if (twin)
        throw new CheckpointError(
          `${where}: expected every id once, got "${id}" ${twin.file === file ? `twice; resume shard ${proof.shard}` : `as in ${twin.file}`}`,
        );
      if (!isInShard(id, shard))
        throw new CheckpointError(`${where}: expected ids of shard ${proof.shard}, got "${id}" of another one`);
      rows.set(id, { file, place });
    }
    const lacking = proof.without.length;
    if (number + lacking !== proof.own)
      throw new CheckpointError(
        `${file}: expected ${counted(proof.own - lacking, "row")}, got ${number}; resume shard ${proof.shard}`,
      );
    without.push(...proof.without);
  }
  return { rows, without };
}

/** @throws CheckpointError unless these are the ids that every shard saw */
async function checkIds(shards: readonly ReadShard[], ids: readonly string[]): Promise<void> {
  const { all } = shards[0]!.proof;
  const found = idsDigest(ids);
  if (found.sha256 !== all.sha256)
    throw new CheckpointError(
      `expected the ${counted(all.count, "id")} that the shards were given, got ${found.count} that are not the same; resume every shard`,
    );
}
