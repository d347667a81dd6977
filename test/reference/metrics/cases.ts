import { createRng, type Rng } from "../../../src/rng";

type Numbers = readonly number[];

/** How many of each kind. */
export interface Counts {
  readonly distributions: number;
  readonly detections: number;
  readonly boxes: number;
  readonly costs: number;
}

/** Random work for the metrics and for SciPy and pycocotools: a function of the seed alone, so that a recording needs only the answers. */
export function metricCases(seed: number, counts: Counts) {
  const many = <T>(kind: string, count: number, draw: (rng: Rng) => T) =>
    Array.from({ length: count }, (_, n) => draw(createRng(seed, "metrics", kind, n)));
  const distributions = many("distributions", counts.distributions, distributionPair);
  const steps = (rng: Rng) => Array.from({ length: 200 }, () => rng.integer(12) / 16);
  return {
    distributions,
    paired: [
      ...many("few pairs", 3, (rng) => pairedScores(rng, 10)),
      ...many("pairs", 3, (rng) => pairedScores(rng, 60)),
    ],
    divergences: many("divergences", 5, (rng) => [steps(rng), steps(rng)] as const),
    detections: many("detections", counts.detections, detectionSet),
    boxes: many("boxes", counts.boxes, (rng) => {
      const side = rng.uniform() < 0.1 ? 60 : 300;
      const truth = someBoxes(rng, rng.integer(13), side);
      return [truth, [...truth.filter(() => rng.uniform() < 0.5), ...someBoxes(rng, rng.integer(13), side)]] as const;
    }),
    costs: many("costs", counts.costs, costMatrix),
  };
}

export type MetricCases = ReturnType<typeof metricCases>;

/** Seven labels: zeros, ties for the top, sums other than 1. */
function distributionPair(rng: Rng): readonly [Numbers, Numbers] {
  const one = () => {
    const isCoarse = rng.uniform() < 0.4;
    const values = Array.from({ length: 7 }, () =>
      isCoarse ? rng.integer(3) : rng.uniform() < 0.3 ? 0 : rng.uniform(),
    );
    return values.some((value) => value > 0) ? values : [1, 0, 0, 0, 0, 0, 0];
  };
  return [one(), one()];
}

/** The scores of two systems on the same examples, of which some are harder: one is a little better. */
function pairedScores(rng: Rng, size: number): readonly [Numbers, Numbers] {
  const ease = Array.from({ length: size }, () => rng.uniform());
  const gain = 0.1 * rng.uniform();
  return [ease.map((value) => value + 0.3 * rng.uniform()), ease.map((value) => value + gain + 0.3 * rng.uniform())];
}

/** Images × categories: empty images, crowds, the same box twice, boxes of one size, one answer of more than a hundred. */
function detectionSet(rng: Rng) {
  const spread = 5 + rng.integer(60);
  const isOneSize = rng.uniform() < 0.3;
  const shape = (box: number[]) => (isOneSize ? [box[0]!, box[1]!, 120, 120] : box);
  return Array.from({ length: 1 + rng.integer(15) }, (_, image) =>
    ["cat", "dog", "mug"].map((category) => {
      const truth = rng.uniform() < 0.3 ? [] : someBoxes(rng, 1 + rng.integer(5), 700).map(shape);
      const crowds =
        rng.uniform() < 0.3 ? someBoxes(rng, 1 + rng.integer(2), 500).map(([x, y]) => [x!, y!, 500, 400]) : [];
      const found = truth
        .filter(() => rng.uniform() < 0.8)
        .map((box) => box.map((v) => Math.max(1, v + rng.integer(2 * spread) - spread)));
      const repeated = found.filter(() => rng.uniform() < 0.2);
      const wrong = someBoxes(rng, rng.uniform() < 0.03 ? 110 : rng.integer(4), 700);
      return { image, category, truth, crowds, prediction: rng.shuffle([...found, ...repeated, ...wrong].map(shape)) };
    }),
  ).flat();
}

/** Whole numbers; now and then the box before it again. */
function someBoxes(rng: Rng, count: number, extent: number): number[][] {
  const boxes: number[][] = [];
  for (let i = 0; i < count; i++) {
    const box = [rng.integer(extent), rng.integer(extent), 20 + rng.integer(200), 20 + rng.integer(200)];
    boxes.push(i > 0 && rng.uniform() < 0.1 ? boxes[i - 1]! : box);
  }
  return boxes;
}

/** Rectangular either way; ties, all alike, large next to small, mostly ones. */
function costMatrix(rng: Rng): Numbers[] {
  const [rows, columns, kind] = [1 + rng.integer(12), 1 + rng.integer(12), rng.integer(5)];
  const shared = rng.uniform();
  const value = [
    () => rng.uniform(),
    () => rng.integer(3),
    () => shared,
    () => (rng.uniform() < 0.5 ? 1e6 : 1) * rng.uniform(),
    () => (rng.uniform() < 0.8 ? 1 : rng.uniform()),
  ][kind]!;
  return Array.from({ length: rows }, () => Array.from({ length: columns }, value));
}
