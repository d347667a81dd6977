import type { Leg } from "../leg";
import { torchContract } from "./torch-contract";

/** All legs, in the order in which they run. */
export const legs: readonly Leg[] = [torchContract];
