/** The cost of a run before it starts: tokens, FLOPs, memory, time. */
export { type Plan, type PlanOptions, planRun } from "./plan";
export { plannedRuns, planTable } from "./table";
