import { createRng, type Rng } from "../../../src/rng";
import { isSimple } from "../../../src/similarity/polygons";
import type { Point } from "../../../src/types";

type Pair = readonly [readonly Point[], readonly Point[]];

/** Random pairs of simple polygons, a function of the seed alone: apart, touching, one inside the other, shared edges, many corners, fractions. */
export const polygonCases = (seed: number, count: number): Pair[] =>
  Array.from({ length: count }, (_, n) => polygonPair(createRng(seed, "polygons", n)));

function polygonPair(rng: Rng): Pair {
  const isWhole = rng.uniform() < 0.7;
  const first = star(rng, isWhole);
  const kind = rng.uniform();
  if (kind < 0.15) return [first, first.map(([x, y]) => [x + 20, y] as const)];
  if (kind < 0.25) return [first, [...first.slice(2), ...first.slice(0, 2)].reverse()];
  if (kind < 0.35) return [first, star(rng, isWhole, 30)];
  return [first, star(rng, isWhole)];
}

/** Corners around a centre, at any distance from it: seldom convex. */
function star(rng: Rng, isWhole: boolean, reach = 60 + rng.integer(200)): readonly Point[] {
  const [x, y, count] = [
    300 + rng.integer(200),
    300 + rng.integer(200),
    3 + rng.integer(rng.uniform() < 0.1 ? 60 : 12),
  ];
  const round = (value: number) => (isWhole ? Math.round(value) : value);
  const points = Array.from({ length: count }, (_, i): Point => {
    const angle = ((i + rng.uniform() * 0.8) / count) * 2 * Math.PI;
    const distance = reach * (0.2 + 0.8 * rng.uniform());
    return [round(x + distance * Math.cos(angle)), round(y + distance * Math.sin(angle))];
  });
  return isSimple(points) ? points : star(rng, isWhole, reach);
}
