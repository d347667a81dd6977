import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { type RolloutGroup, readRun } from "../../../src/report/reading/run-records";
import { nameOf } from "../../../src/report/reading/sources";
import { rollouts, writeRun } from "../rows";

describe("readRun", () => {
  it("keeps two groups apart when a step samples one example twice", async () => {
    const folder = await mkdtemp(join(tmpdir(), "rise-groups-"));
    try {
      // Sixteen rollouts of one step: two groups of eight, both of the only example.
      await writeRun(folder, { rollouts: rollouts(16, ["a"]) });
      const groups: RolloutGroup[] = [];
      await readRun(folder, (group) => groups.push(group));
      expect(groups.map((group) => group.map(({ index }) => index))).toEqual(Array(2).fill([0, 1, 2, 3, 4, 5, 6, 7]));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

it("a folder is called by the last two names of its path, and the working folder by its own", () => {
  expect(["a/b/c", "/a/b/", "b", "."].map(nameOf)).toEqual(["b/c", "a/b", "b", basename(process.cwd())]);
});
