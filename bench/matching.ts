/**
 * Claim: matching costs nothing beside the answer that was matched. A hundred boxes in one heap, more than an answer of 512 tokens can
 * hold, take milliseconds.
 *
 *   npx tsx bench/matching.ts                half a minute, nearly all of it the 300 random costs
 *
 * Processor time, so that it hardly matters what else the machine does; median of 5. A heap: as many boxes as truth, moved a little, all linked by
 * overlaps. Spread out: the same over an area that grows with their number, where `matchBoxes` assigns each cluster alone. Random costs are the hardest.
 */
import munkres from "munkres-js";
import { createRng, type Rng } from "../src/rng";
import { boxIou, matchBoxes } from "../src/similarity/boxes";
import type { Box } from "../src/types";
import { cpuTime } from "../test/cpu-time";
import { median } from "./measure";

const results: Record<string, unknown>[] = [];
console.log("boxes   matchBoxes, spread out   matchBoxes, a heap   munkres-js, a heap   munkres-js, random costs");
for (const size of [10, 50, 100, 300]) {
  const rng = createRng(0, "bench matching", size);
  const [spread, heap] = [pairs(rng, size, 200 * Math.sqrt(size)), pairs(rng, size, 600)];
  const ious = heap.truth.map((a) => heap.moved.map((b) => 1 - boxIou(a, b)));
  const random = Array.from({ length: size }, () => Array.from({ length: size }, rng.uniform));
  const times = {
    spread: milliseconds(size, () => matchBoxes(spread.truth, spread.moved)),
    heap: milliseconds(size, () => matchBoxes(heap.truth, heap.moved)),
    munkresHeap: milliseconds(size, () => munkres(ious)),
    munkresRandom: milliseconds(size, () => munkres(random)),
  };
  const show = (ms: number, width: number) => `${ms.toFixed(2)} ms`.padStart(width);
  const { spread: a, heap: b, munkresHeap: c, munkresRandom: d } = times;
  console.log(`${String(size).padStart(5)}${show(a, 25)}${show(b, 21)}${show(c, 21)}${show(d, 27)}`);
  results.push({ size, ...times });
}
console.log(JSON.stringify({ bench: "matching", node: process.version, results }));

function milliseconds(size: number, work: () => unknown): number {
  const repeats = size > 100 ? 1 : Math.ceil(20_000 / size ** 2);
  const once = () => {
    for (let i = 0; i < repeats; i++) work();
  };
  once();
  return median(Array.from({ length: 5 }, () => cpuTime(once))) / repeats;
}

function pairs(rng: Rng, size: number, extent: number): { readonly truth: Box[]; readonly moved: Box[] } {
  const side = () => 100 + 250 * rng.uniform();
  const truth = Array.from({ length: size }, (): Box => {
    return { space: "pixel", x: extent * rng.uniform(), y: extent * rng.uniform(), width: side(), height: side() };
  });
  const moved = truth.map((box) => ({ ...box, x: box.x + 20 * rng.normal(), y: box.y + 20 * rng.normal() }));
  return { truth, moved };
}
