import type { Run, RunEvent } from "rise-ts";

/** Prints a run's progress from its events, and returns its result. On a terminal one line that changes; elsewhere a line every tenth. */
export async function followRun<Rollout, Result>(
  title: string,
  run: Run<RunEvent<Rollout, Result>, Result>,
): Promise<Result> {
  const isTerminal = process.stdout.isTTY === true;
  let timeMs = 0;
  let done = 0;
  for await (const event of run) {
    if (event.type === "warning")
      console.log(`${isTerminal ? "\n" : ""}  warning, step ${event.step}: ${event.message}`);
    if (event.type !== "step-end") continue;
    timeMs += event.timeMs;
    done++;
    const { step, totalSteps, metrics } = event;
    const left = ((timeMs / done) * (totalSteps - step)) / 1000;
    const numbers = ["loss", "reward", "rise/leak_rate", "rise/format_rate"]
      .flatMap((name) =>
        typeof metrics[name] === "number" ? [`${name.replace("rise/", "")} ${metrics[name].toFixed(3)}`] : [],
      )
      .join("  ");
    const filled = Math.round((step / totalSteps) * 20);
    const line = `${title}  ${"█".repeat(filled)}${"░".repeat(20 - filled)}  ${step}/${totalSteps}  ${left.toFixed(0)} s left  ${numbers}`;
    if (isTerminal) process.stdout.write(`\r${line.padEnd(process.stdout.columns ?? 0)}`);
    else if (step % Math.ceil(totalSteps / 10) === 0 || step === totalSteps) console.log(line);
  }
  if (isTerminal) process.stdout.write("\n");
  return run;
}
