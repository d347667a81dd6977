import type { Leg } from "../leg";

/** All legs, in the order in which they run. */
export const legs: readonly Leg[] = [];
