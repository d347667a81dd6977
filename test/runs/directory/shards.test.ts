import { describe, expect, it } from "vitest";
import { idsDigest, isInShard, parseShard, shardOf } from "../../../src/runs/directory/shards";

const items = Array.from({ length: 2000 }, (_, i) => ({ id: `images/${i}.jpg` }));

describe("shards", () => {
  it("are read from text, and refused when they count from 0 or beyond their number", () => {
    expect(parseShard("3/16")).toEqual({ number: 3, count: 16 });
    expect(["0/4", "5/4", "1/0", "1", "1/2/3", "01/4", "-1/4", "1.5/4", ""].map(parseShard)).toEqual(
      Array(9).fill(undefined),
    );
  });

  it.each([1, 2, 16, 97])("give each of %i processes about as many examples, and every example to one", (count) => {
    const parts = Array.from({ length: count }, (_, i) => shardOf(items, `${i + 1}/${count}`));
    expect(new Set(parts.flat())).toEqual(new Set(items));
    expect(parts.flat()).toHaveLength(items.length);
    const share = items.length / count;
    for (const { length } of parts) expect(Math.abs(length - share)).toBeLessThan(5 * Math.sqrt(share) + 1);
  });

  it("do not depend on other examples, or their order", () => {
    const shard = { number: 2, count: 5 };
    const some = items.filter(({ id }) => isInShard(id, shard));
    expect(shardOf(items.toReversed(), "2/5")).toEqual(some.toReversed());
    expect(shardOf(items.slice(100), "2/5")).toEqual(some.slice(shardOf(items.slice(0, 100), "2/5").length));
    expect(shardOf(items, undefined)).toBe(items);
  });

  it("know sets of ids in any order, and tell them from others", () => {
    expect(idsDigest(["b", "a"])).toEqual(idsDigest(["a", "b"]));
    expect(idsDigest(["a", "b"]).sha256).not.toBe(idsDigest(["ab"]).sha256);
    expect(idsDigest(["a", "a"]).sha256).not.toBe(idsDigest(["a"]).sha256);
  });
});
