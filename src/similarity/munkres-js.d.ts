declare module "munkres-js" {
  /** Row and column of every pair of the assignment with the least total cost. Needs at least one row, without NaN. */
  export default function munkres(costs: readonly (readonly number[])[]): [row: number, column: number][];
}
