import type { Leg } from "../leg";
import { torchContract } from "./torch-contract";
import { torchFaults } from "./torch-faults";

/** All legs, in the order in which they run. */
export const legs: readonly Leg[] = [torchContract, torchFaults];
