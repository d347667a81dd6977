/**
 * Claim: munkres-js serves for the handful of boxes that overlap in a picture, and not for long lists; shortest augmenting paths take those.
 *
 *   npx tsx bench/matching.ts                half a minute, nearly all of it munkres-js
 *
 * Processor time, so that it hardly matters what else the machine does; median of 5. Random boxes so large that they overlap in one heap, and random costs, which are the harder case. Both solvers have to reach the same total.
 */
import munkres from "munkres-js";
import { createRng, type Rng } from "../src/rng";
import { shortestPathAssignment } from "../src/similarity/assignment";
import { boxIou } from "../src/similarity/boxes";
import type { Box } from "../src/types";
import { cpuTime } from "../test/cpu-time";
import { median } from "./measure";

type Costs = readonly (readonly number[])[];
const results: Record<string, unknown>[] = [];
console.log("costs    size   munkres-js     own paths");
for (const [what, draw] of [
  ["boxes", boxCosts],
  ["random", randomCosts],
] as const) {
  for (const size of [4, 10, 12, 16, 50, 100, 300]) {
    const costs = draw(createRng(0, "bench matching", what, size), size);
    const repeats = Math.ceil(20_000 / size ** 2 / (size > 100 ? 100 : 1));
    const milliseconds = (solve: (costs: Costs) => unknown) => {
      const once = () => {
        for (let i = 0; i < repeats; i++) solve(costs);
      };
      once();
      return median(Array.from({ length: 5 }, () => cpuTime(once))) / repeats;
    };
    const [theirs, ours] = [milliseconds(munkres), milliseconds(shortestPathAssignment)];
    const gap = Math.abs(total(costs, munkres(costs)) - total(costs, shortestPathAssignment(costs)));
    if (!(gap < 1e-9)) throw new Error(`not the same work: totals are apart by ${gap}`);
    console.log(
      `${what.padEnd(8)} ${String(size).padStart(4)} ${theirs.toFixed(3).padStart(9)} ms ${ours.toFixed(3).padStart(10)} ms`,
    );
    results.push({ what, size, munkresMs: theirs, ownMs: ours });
  }
}
console.log(JSON.stringify({ bench: "matching", node: process.version, results }));

function randomCosts(rng: Rng, size: number): Costs {
  return Array.from({ length: size }, () => Array.from({ length: size }, rng.uniform));
}

function boxCosts(rng: Rng, size: number): Costs {
  const side = () => 100 + 250 * rng.uniform();
  const truth = Array.from({ length: size }, (): Box => {
    return { space: "thousand", x: 600 * rng.uniform(), y: 600 * rng.uniform(), width: side(), height: side() };
  });
  const moved = truth.map((box) => ({ ...box, x: box.x + 20 * rng.normal(), y: box.y + 20 * rng.normal() }));
  return truth.map((a) => moved.map((b) => 1 - boxIou(a, b)));
}

function total(costs: Costs, pairs: readonly (readonly [row: number, column: number])[]): number {
  return pairs.reduce((sum, [row, column]) => sum + costs[row]![column]!, 0);
}
