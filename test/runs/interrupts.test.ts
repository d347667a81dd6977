import { expect, it } from "vitest";
import { listenForInterrupts } from "../../src/runs/interrupts";
import { stopOnInterrupt } from "../../src/runs/stop-on-interrupt";

it("listenForInterrupts lets no run begin after a request, with one listener for any number of them", () => {
  const { exitCode } = process;
  const before = process.listenerCount("uncaughtExceptionMonitor");
  const first = listenForInterrupts("stopped", () => {});
  process.emit("SIGBREAK", "SIGBREAK");
  process.exitCode = exitCode;
  expect(first.signal.reason.message).toBe("stopped");
  first.release();
  for (let i = 0; i < 20; i++) {
    const late = listenForInterrupts("late", () => {});
    expect(late.signal.reason.message).toBe("late");
    late.release();
  }
  expect(process.listenerCount("uncaughtExceptionMonitor")).toBe(before + 1);
});

it("stopOnInterrupt listens once for any number of calls, tells all of them, and those that come later of the next", () => {
  const signals = ["SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP"] as const;
  const counts = () => signals.map((name) => process.listenerCount(name));
  const before = counts();
  const said: string[] = [];
  const stops = Array.from({ length: 20 }, () => stopOnInterrupt((message) => said.push(message)));
  expect(counts()).toEqual(before.map((count) => count + 1));
  process.emit("SIGBREAK", "SIGBREAK");
  expect(stops.every(({ aborted, reason }) => aborted && reason.name === "AbortError")).toBe(true);
  expect(said).toHaveLength(20);
  // The next Ctrl-C ends the process, and a hang-up does not.
  expect(counts()).toEqual(before.map((count, i) => count + Number(signals[i] === "SIGHUP")));
  const late = stopOnInterrupt(() => {});
  expect(late.aborted).toBe(false);
  process.emit("SIGHUP", "SIGHUP");
  expect(late.aborted).toBe(true);
  expect(said).toHaveLength(20);
});
