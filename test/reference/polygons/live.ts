import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { polygonIou } from "../../../src/similarity/polygons";
import { largestError } from "../../models/reference";
import { type Comparison, compareJson } from "../compare";
import type { Python } from "../python";
import { polygonCases } from "./cases";

/** Pairs whose answers are recorded: those of seed 0. */
export const recordedPairs = 150;

/** Shapely computes in doubles; ours does so in its last step only. */
export const polygonTolerance = 1e-9;

export const ious = (pairs: ReturnType<typeof polygonCases>) =>
  pairs.map(([a, b]) => polygonIou({ space: "thousand", points: a }, { space: "thousand", points: b }));

/** Shapely judges fresh random pairs of polygons; so does this library. */
export async function comparePolygons(python: Python, scratch: string): Promise<Comparison[]> {
  const seed = Number(process.env.RISE_SEED ?? Date.now() % 2 ** 32);
  const file = join(scratch, "polygon-cases.json");
  const script = fileURLToPath(new URL("peers.py", import.meta.url));
  const cases = polygonCases(seed, 2000);
  await writeFile(file, JSON.stringify(cases));
  const theirs = JSON.parse(await python(script, file)) as { readonly iou: readonly number[] };
  await writeFile(file, JSON.stringify(polygonCases(0, recordedPairs)));
  const made = join(scratch, "polygon-peers.json");
  await python.writing(made, script, file);
  return [
    {
      what: `Shapely: IoU of polygons (RISE_SEED=${seed})`,
      difference: largestError(ious(cases), theirs.iou),
      where: "see the seed",
      tolerance: polygonTolerance,
    },
    await compareJson("Shapely: polygons recorded", fileURLToPath(new URL("peers.json", import.meta.url)), made),
  ];
}
