import type { Leg } from "../leg";
import { serve } from "./serve";

/** All legs, in the order in which they run. */
export const legs: readonly Leg[] = [serve];
