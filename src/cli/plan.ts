import { planTable } from "../plan";
import type { Write } from "./command";

/** Prints the costs of runs by model and machine, and the assumptions behind them. */
export async function plan(write: Write): Promise<number> {
  write(planTable());
  return 0;
}
