/** Measures the milliseconds of this process's own work that `run` takes: other work of the machine hardly counts. */
export function cpuTime(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
