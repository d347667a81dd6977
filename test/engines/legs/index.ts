import type { Leg } from "../leg";
import { serve } from "./serve";
import { torchContract } from "./torch-contract";
import { torchFaults } from "./torch-faults";
import { torchParity } from "./torch-parity";
import { torchRiseCot } from "./torch-rise-cot";
import { trl } from "./trl";
import { vllm } from "./vllm";

/** All legs, in the order in which they run. */
export const legs: readonly Leg[] = [serve, trl, torchContract, torchParity, torchRiseCot, torchFaults, vllm];
