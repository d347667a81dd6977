import type { Run, RunEvent } from "rise-ts";
import { createProgress } from "rise-ts/report";

/** Prints a run's progress from its events, and returns its result. On a terminal one line that changes; elsewhere a line every tenth. */
export async function followRun<Rollout, Result>(
  title: string,
  run: Run<RunEvent<Rollout, Result>, Result>,
): Promise<Result> {
  const { isTTY: isTerminal = false, columns = 80 } = process.stdout;
  const lineOf = createProgress(title);
  for await (const event of run) {
    const line = lineOf(event);
    if (line === undefined) continue;
    if (event.type === "warning" || event.type === "preflight-end") console.log(`${isTerminal ? "\n" : ""}${line}`);
    else if (isTerminal) process.stdout.write(`\r${line.slice(0, columns - 1).padEnd(columns - 1)}`);
    else if (event.type === "step-end" && isTenth(event)) console.log(line);
  }
  if (isTerminal) process.stdout.write("\n");
  return run;
}

const isTenth = ({ step, totalSteps }: { readonly step: number; readonly totalSteps: number }) =>
  step % Math.ceil(totalSteps / 10) === 0 || step === totalSteps;
