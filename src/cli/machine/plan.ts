import { plannedRuns, planTable } from "../../plan";
import type { Command } from "../frame/command";

/** Prints the costs of runs by model and machine, and the assumptions behind them. */
export const plan: Command = { run: async () => ({ result: { plans: plannedRuns() }, text: planTable() }) };
