import { expect, it } from "vitest";
import { listenForInterrupts } from "../../src/runs/interrupts";

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
