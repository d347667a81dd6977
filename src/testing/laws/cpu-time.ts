/** Measures the processor milliseconds that `run` takes in this process, so other work on the machine hardly counts. */
export function cpuTime(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
