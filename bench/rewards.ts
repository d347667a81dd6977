/**
 * Claim: rewards cost microseconds, and for distributions and short lists of boxes less than the same formulas in NumPy and SciPy. For long lists that
 * overlap in one heap SciPy's matching, in C++, is faster.
 *
 *   RISE_PYTHON=… npx tsx bench/rewards.ts                ten seconds; that Python has numpy and scipy
 *
 * 5000 pairs each: distributions over seven labels (Eqs. 2–5), 1 to 4 and 8 to 24 boxes a side (Eq. 6, matched). Both sides take turns in one run, on one core
 * each; the ratio is the median of 15 rounds' ratios. The sums of both sides have to agree.
 */
import { createRng, type Rng } from "../src/rng";
import { detectionSimilarity } from "../src/similarity/boxes";
import { classificationSimilarity } from "../src/similarity/distribution";
import type { Box, LabelDistribution } from "../src/types";
import { type Rounds, reportRounds } from "./measure";
import { inTurn, withPeer } from "./peer";

const [count, rounds] = [5000, 15];
const labels = ["anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral"];
const pairs = <T>(name: string, draw: (rng: Rng) => T) =>
  Array.from({ length: count }, (_, n) => draw(createRng(0, "bench rewards", name, n)));
const distributions = pairs("classification", (rng) => [distribution(rng), distribution(rng)] as const);
const few = pairs("few", (rng) => [boxes(rng, 1 + rng.integer(4)), boxes(rng, 1 + rng.integer(4))] as const);
const many = pairs("many", (rng) => [boxes(rng, 8 + rng.integer(17)), boxes(rng, 8 + rng.integer(17))] as const);
const sum =
  <T>(work: readonly (readonly [T, T])[], similarity: (truth: T, prediction: T) => number) =>
  () =>
    work.reduce((total, [truth, prediction]) => total + similarity(truth, prediction), 0);
const cases = {
  classification: sum<LabelDistribution>(distributions, classificationSimilarity),
  few: sum<readonly Box[]>(few, detectionSimilarity),
  many: sum<readonly Box[]>(many, detectionSimilarity),
};

const numbers = (list: readonly Box[]) => list.map(({ x, y, width, height }) => [x, y, width, height]);
const asNumbers = (work: typeof few) => work.map((pair) => pair.map(numbers));
const settings = { classification: distributions, few: asNumbers(few), many: asNumbers(many) };

await withPeer("rewards.py", settings, new Map(), async (peer) => {
  const rows: Rounds[] = [];
  for (const [what, ours] of Object.entries(cases)) {
    const check = (sum: number, { total }: Readonly<Record<string, number>>) => {
      if (!(Math.abs(total! / sum - 1) < 1e-9)) throw new Error(`not the same work: ${sum}, ${total}`);
    };
    rows.push(await inTurn(peer, { what, ours, requests: { scipy: what }, check }, rounds));
  }
  reportRounds("rewards", ["rise-ts", "NumPy, SciPy"], rows, { count, ...peer.facts });
});

function distribution(rng: Rng): LabelDistribution {
  const values = labels.map(() => (rng.uniform() < 0.3 ? 0 : rng.uniform()));
  const total = values.reduce((a, b) => a + b, 1e-3);
  return Object.fromEntries(labels.map((label, i) => [label, (values[i]! + 1e-3 / labels.length) / total]));
}

function boxes(rng: Rng, size: number): Box[] {
  const side = () => 50 + 300 * rng.uniform();
  return Array.from({ length: size }, () => {
    return { space: "thousand", x: 650 * rng.uniform(), y: 650 * rng.uniform(), width: side(), height: side() };
  });
}
