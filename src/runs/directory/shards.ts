import { createHash } from "node:crypto";
import { join } from "node:path";
import { given } from "../../options/spec";
import { writeAtomically } from "./files";

/** One of several parts of a data set, each of which another process works on. */
export interface Shard {
  /** From 1. */
  readonly number: number;
  readonly count: number;
}

const form = /^([1-9]\d{0,5})\/([1-9]\d{0,5})$/;

export const shardOption = () =>
  given<string>(
    'a part and their number, from "1/16" to "16/16"; a number that counts from 0 needs 1 added',
    (value: unknown) => typeof value === "string" && parseShard(value) !== undefined,
  ).optional();

/** Reads "3/16"; `undefined` for another text. */
export function parseShard(text: string): Shard | undefined {
  const [, number, count] = (form.exec(text) ?? []).map(Number);
  return number !== undefined && count !== undefined && number <= count ? { number, count } : undefined;
}

/**
 * Whether an example belongs to a shard. It follows from the id alone, so that the order of a list does not matter, and
 * a list that grows keeps its shards.
 */
export function isInShard(id: string, { number, count }: Shard): boolean {
  return createHash("sha256").update(id).digest().readUIntBE(0, 6) % count === number - 1;
}

/** The examples of a shard; all of them without one. */
export function shardOf<T extends { readonly id: string }>(
  examples: readonly T[],
  shard: string | undefined,
): readonly T[] {
  const part = shard === undefined ? undefined : parseShard(shard);
  return part ? examples.filter(({ id }) => isInShard(id, part)) : examples;
}

export const shardFile = "shard.json";

/** The end of a shard, by which `mergeShards` proves that a set of shards is whole. */
export interface ShardProof {
  readonly shard: string;
  readonly all: { readonly count: number; readonly sha256: string };
  readonly own: number;
  /** Ids of this shard that have no row, because they failed or were left out. */
  readonly without: readonly string[];
}

/** Writes the proof of a shard that is complete; nothing if the run is no shard. */
export async function proveShard(
  { runDir, shard }: { readonly runDir?: string | undefined; readonly shard?: string | undefined },
  ids: { readonly all: Iterable<string>; readonly own: Iterable<string>; readonly rows: Iterable<string> },
): Promise<void> {
  if (shard === undefined || runDir === undefined) return;
  const own = [...ids.own];
  const rows = new Set(ids.rows);
  const without = own.filter((id) => !rows.has(id));
  const proof: ShardProof = { shard, all: idsDigest(ids.all), own: own.length, without };
  await writeAtomically(join(runDir, shardFile), `${JSON.stringify(proof, null, 2)}\n`);
}

export const idsOf = (items: readonly { readonly id: string }[]): readonly string[] => items.map(({ id }) => id);

/** Tells sets of ids apart, in any order. */
export function idsDigest(ids: Iterable<string>): ShardProof["all"] {
  const sorted = [...ids].sort();
  const hash = createHash("sha256");
  for (const id of sorted) hash.update(`${JSON.stringify(id)}\n`);
  return { count: sorted.length, sha256: hash.digest("hex") };
}
