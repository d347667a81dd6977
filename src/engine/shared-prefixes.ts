import type { ProcessedImage } from "../models/inputs/image-processor";
import type { Row } from "../models/inputs/row";
import { type RowPart, roundUp } from "./batch";

/** Rows that begin with the same images and tokens. */
export interface PrefixGroup {
  /** Indices of the rows. */
  readonly rows: readonly number[];
  /** Number of shared prompt tokens, less than the shortest prompt: scored tokens always lie in a row's own part. */
  readonly shared: number;
}

/** Lengths are rounded up to a multiple of this, so that few graphs serve all batches. */
export const timeStep = 16;

/** Groups all rows, so that as many tokens as possible are shared. */
export function groupByPrefix(rows: readonly Row[]): PrefixGroup[] {
  const ids = new Map<ProcessedImage, number>();
  for (const image of rows.flatMap(({ images }) => images)) if (!ids.has(image)) ids.set(image, ids.size);
  const byPictures = new Map<string, number[]>();
  rows.forEach(({ images }, i) => {
    const key = images.map((image) => ids.get(image)).join();
    byPictures.set(key, [...(byPictures.get(key) ?? []), i]);
  });
  return [...byPictures.values()].flatMap((some) => groupNeighbours(rows, some));
}

/** The best cut of rows, sorted by their tokens, into groups of neighbours; no other grouping shares more. */
function groupNeighbours(rows: readonly Row[], some: readonly number[]): PrefixGroup[] {
  const own = new Map(some.map((i) => [i, rows[i]!.tokens.slice(0, rows[i]!.promptLength - 1)]));
  const order = [...some].sort((a, b) => compareTokens(own.get(a)!, own.get(b)!) || a - b);
  const prompts = order.map((i) => own.get(i)!);
  const common = prompts.map((prompt, at) => (at === 0 ? 0 : commonLength(prompts[at - 1]!, prompt)));
  /** For the first n rows: tokens saved, and the first row of their last group. */
  const best = [{ saved: 0, first: 0, shared: 0 }];
  for (let end = 1; end <= order.length; end++) {
    let found = { saved: best[end - 1]!.saved, first: end - 1, shared: prompts[end - 1]!.length };
    let shared = Number.POSITIVE_INFINITY;
    for (let first = end - 2; first >= 0; first--) {
      shared = Math.min(shared, common[first + 1]!);
      const saved = best[first]!.saved + (end - 1 - first) * shared;
      if (saved > found.saved) found = { saved, first, shared };
    }
    best.push(found);
  }
  const groups: PrefixGroup[] = [];
  for (let end = order.length; end > 0; end = best[end]!.first) {
    const { first, shared } = best[end]!;
    groups.push({ rows: order.slice(first, end).sort((a, b) => a - b), shared });
  }
  return groups.reverse();
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  let n = 0;
  while (n < a.length && a[n] === b[n]) n++;
  return n;
}

function compareTokens(a: readonly number[], b: readonly number[]): number {
  const n = commonLength(a, b);
  return (a[n] ?? -1) - (b[n] ?? -1);
}

/** Rows that are computed together, their groups in order. */
export type MicroBatch = readonly PrefixGroup[];

/**
 * Puts rows with a shared prefix side by side, then rows of similar length. Rows with images of one size stay together,
 * so that these are encoded once.
 */
export function microBatches(rows: readonly Row[], rowsAtOnce: number): MicroBatch[] {
  const groups = groupByPrefix(rows)
    .map((group) => ({
      group,
      first: group.rows[0]!,
      grid: rows[group.rows[0]!]!.images.map(({ grid }) => grid.join("×")).join(),
      shared: group.rows.length > 1 ? roundUp(group.shared, timeStep) : 0,
      length: roundUp(Math.max(...group.rows.map((i) => rows[i]!.tokens.length)), timeStep),
    }))
    .sort((a, b) =>
      a.grid < b.grid ? -1 : a.grid > b.grid ? 1 : a.shared - b.shared || a.length - b.length || a.first - b.first,
    );
  const batches: PrefixGroup[][] = [];
  let room = 0;
  for (const { group } of groups)
    for (let next = 0; next < group.rows.length; ) {
      if (room === 0) {
        batches.push([]);
        room = rowsAtOnce;
      }
      const part = group.rows.slice(next, next + room);
      batches.at(-1)!.push({ ...group, rows: part });
      next += part.length;
      room -= part.length;
    }
  return batches;
}

/** A micro-batch's layout: prefixes, if any, in front of the rows' own parts, each padded to one length. */
export interface BatchPlan {
  readonly prefixes: readonly RowPart[];
  readonly prefixTime: number;
  readonly rows: readonly (RowPart & { readonly prefix: number })[];
  readonly time: number;
}

/** Shares prefixes if that saves at least this share of the computed positions, because splitting and joining cost. */
const worthwhile = 0.1;

export function planBatch(rows: readonly Row[], batch: MicroBatch): BatchPlan {
  const all = batch.flatMap((group) => group.rows.map((i) => rows[i]!));
  const whole = all.map((row) => ({ row, from: 0, to: row.tokens.length, prefix: 0 }));
  const apart: BatchPlan = { prefixes: [], prefixTime: 0, rows: whole, time: longest(whole) };

  const several = batch.filter((group) => group.rows.length > 1);
  const prefixTime = roundUp(Math.max(0, ...several.map(({ shared }) => shared)), timeStep);
  const prefixes = batch.map(({ rows: [first], shared }): RowPart => {
    return { row: rows[first!]!, from: 0, to: Math.min(shared, prefixTime) };
  });
  const own = batch.flatMap((group, prefix) =>
    group.rows.map((i) => ({ row: rows[i]!, from: prefixes[prefix]!.to, to: rows[i]!.tokens.length, prefix })),
  );
  const shared: BatchPlan = { prefixes, prefixTime, rows: own, time: longest(own) };
  return positionsOf(shared) <= (1 - worthwhile) * positionsOf(apart) ? shared : apart;
}

const positionsOf = ({ prefixes, prefixTime, rows, time }: BatchPlan) =>
  prefixes.length * prefixTime + rows.length * time;

const longest = (spans: readonly RowPart[]) => roundUp(Math.max(...spans.map(({ from, to }) => to - from)), timeStep);
