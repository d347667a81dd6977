/** The same types under the path they had first. */
export type * from "../backend";
