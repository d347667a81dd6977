/** The types of `rise-ts/types` under a path beside their implementations. */
export type * from "../backend";
