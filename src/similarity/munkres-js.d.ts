declare module "munkres-js" {
  /** Row and column of every pair of the assignment with the least total cost. Wants at least one row and no NaN. */
  export default function munkres(costs: readonly (readonly number[])[]): [row: number, column: number][];
}
