import munkres from "munkres-js";

/** munkres-js pads to a square and is slow on large ones: 2 s for 100 rows where the path search takes milliseconds. */
const LARGEST_FOR_MUNKRES = 12;

/**
 * The one-to-one assignment with the least total cost; the shorter side is assigned completely.
 *
 * munkres-js up to twelve rows and columns, shortest augmenting paths beyond. Where several assignments cost the same, any of them.
 *
 * @param costs [rows, columns], finite
 */
export function leastCostAssignment(costs: readonly (readonly number[])[]): [row: number, column: number][] {
  const [rows, columns] = [costs.length, costs[0]?.length ?? 0];
  if (rows === 0 || columns === 0) return [];
  if (Math.max(rows, columns) <= LARGEST_FOR_MUNKRES) return munkres(costs);
  if (rows <= columns) return shortestPathAssignment(costs);
  const transposed = costs[0]!.map((_, column) => costs.map((row) => row[column]!));
  return shortestPathAssignment(transposed).map(([column, row]) => [row, column]);
}

/**
 * Adds one row after the other: from the new row the shortest path of reduced costs, alternating between columns that are taken and
 * their rows, leads to a free column, and every row on it moves on by one. Prices keep reduced costs from being negative. O(rows² · columns).
 *
 * Source: Jonker & Volgenant, 1987, their augmentation alone; needs rows ≤ columns.
 */
export function shortestPathAssignment(costs: readonly (readonly number[])[]): [row: number, column: number][] {
  const [rows, columns] = [costs.length, costs[0]?.length ?? 0];
  const rowPrices = new Float64Array(rows);
  const columnPrices = new Float64Array(columns);
  const rowOf = new Int32Array(columns).fill(-1);
  for (let start = 0; start < rows; start++) {
    const distances = new Float64Array(columns).fill(Number.POSITIVE_INFINITY);
    const cameFrom = new Int32Array(columns).fill(-1);
    const isReached = new Uint8Array(columns);
    let reached = 0;
    let column = -1;
    for (let row = start; row >= 0; row = rowOf[column]!) {
      let nearest = -1;
      for (let next = 0; next < columns; next++) {
        if (isReached[next]) continue;
        const distance = reached + costs[row]![next]! - rowPrices[row]! - columnPrices[next]!;
        if (distance < distances[next]!) {
          distances[next] = distance;
          cameFrom[next] = column;
        }
        if (nearest < 0 || distances[next]! < distances[nearest]!) nearest = next;
      }
      column = nearest;
      reached = distances[column]!;
      isReached[column] = 1;
    }
    rowPrices[start]! += reached;
    for (let other = 0; other < columns; other++) {
      if (!isReached[other] || other === column) continue;
      rowPrices[rowOf[other]!]! += reached - distances[other]!;
      columnPrices[other]! -= reached - distances[other]!;
    }
    while (column >= 0) {
      const before = cameFrom[column]!;
      rowOf[column] = before >= 0 ? rowOf[before]! : start;
      column = before;
    }
  }
  return Array.from(rowOf.entries(), ([column, row]) => [row, column] as [number, number]).filter(([row]) => row >= 0);
}
