import type { Point } from "../types";

/**
 * Area that two simple polygons have in common, |a ∩ b| = ∫ (length that both have of the line at x) dx.
 *
 * Between neighbouring corners and crossings that length is linear in x, so its value in the middle times the width is exact. No outline of the
 * intersection is put together: polygon clippers do, and give up where rounding leaves one that does not close.
 */
export function overlapArea(a: readonly Point[], b: readonly Point[]): number {
  const [edgesA, edgesB] = [edgesOf(a), edgesOf(b)];
  const corners = [...a, ...b].map(([x]) => x);
  const crossings = edgesA.flatMap((edge) => edgesB.flatMap((other) => crossing(edge, other) ?? []));
  const cuts = [...new Set([...corners, ...crossings])].sort((x, y) => x - y);
  let sum = 0;
  for (let i = 0; i + 1 < cuts.length; i++) {
    const width = cuts[i + 1]! - cuts[i]!;
    const middle = cuts[i]! + width / 2;
    sum += width * commonLength(heights(edgesA, middle), heights(edgesB, middle));
  }
  return sum;
}

/** From left to right. */
type Edge = readonly [left: Point, right: Point];

const edgesOf = (points: readonly Point[]): Edge[] =>
  points.map((point, i) => {
    const next = points[(i + 1) % points.length]!;
    return point[0] <= next[0] ? [point, next] : [next, point];
  });

/** x where two edges cross, between their ends; `undefined` of parallel ones. */
function crossing([[ax, ay], [bx, by]]: Edge, [[cx, cy], [dx, dy]]: Edge): number | undefined {
  const cross = (bx - ax) * (dy - cy) - (by - ay) * (dx - cx);
  const x = ax + ((bx - ax) * ((cx - ax) * (dy - cy) - (cy - ay) * (dx - cx))) / cross;
  return x > Math.max(ax, cx) && x < Math.min(bx, dx) ? x : undefined;
}

/** y of the edges at x, ascending: inside is between the first and the second, the third and the fourth, … */
function heights(edges: readonly Edge[], x: number): number[] {
  const found: number[] = [];
  for (const [[ax, ay], [bx, by]] of edges) {
    if (ax < x && x < bx) found.push(ay + ((x - ax) / (bx - ax)) * (by - ay));
  }
  return found.sort((y, z) => y - z);
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0, j = 0; i + 1 < a.length && j + 1 < b.length; ) {
    sum += Math.max(0, Math.min(a[i + 1]!, b[j + 1]!) - Math.max(a[i]!, b[j]!));
    if (a[i + 1]! < b[j + 1]!) i += 2;
    else j += 2;
  }
  return sum;
}
