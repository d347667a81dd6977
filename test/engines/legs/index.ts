import type { Leg } from "../leg";
import { serve } from "./serve";
import { trl } from "./trl";

/** All legs, in the order in which they run. */
export const legs: readonly Leg[] = [serve, trl];
