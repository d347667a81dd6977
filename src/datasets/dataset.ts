/** The same types under their first path. */
export type * from "../dataset";
