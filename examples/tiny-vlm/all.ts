/**
 * Trains the tiny model from nothing: train.ts, then every sitting of teach.ts, each from what the one before it ends in.
 *
 *   npm run tiny [-- --resume]        with --resume, from where it was interrupted
 */
import { spawnSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const isResumed = process.argv.includes("--resume");
/** The first six end in `checkpoint`, the others in `copying`. */
const sittings = [
  { steps: 1150, rate: 8e-4 },
  { steps: 160, rate: 4e-4 },
  { steps: 740, rate: 7e-4 },
  { steps: 200, rate: 5e-4 },
  { steps: 120, rate: 4e-4 },
  { steps: 100, rate: 4e-4 },
  { steps: 600, rate: 1e-3, lessons: "copying", batch: 96, workers: 1 },
  { steps: 360, rate: 8e-4, workers: 1 },
  { steps: 320, rate: 7e-4, workers: 1 },
  { steps: 300, rate: 6e-4, workers: 1, batch: 44 },
  { steps: 160, rate: 4e-4, workers: 1, batch: 44 },
  { steps: 200, rate: 6e-4, workers: 1, batch: 36 },
];

const runs = join("runs", "tiny");
// States of an earlier training would be taken for this one's.
if (!isResumed) await rm(runs, { recursive: true, force: true });
run("train.ts", { work: join(runs, "names"), out: join(runs, "start") });
for (const [seed, sitting] of sittings.entries()) {
  const start = seed === 0 ? join(runs, "start") : join(here, seed <= 6 ? "checkpoint" : "copying");
  const out = join(here, seed < 6 ? "checkpoint" : "copying");
  run("teach.ts", { start, out, work: join(runs, `sitting-${seed}`), ...sitting, seed });
}

/** A part that has kept a state begins there, and a whole one ends at once. */
function run(script: string, options: Readonly<Record<string, string | number>>): void {
  const given = Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const command = ["--import", "tsx", join(here, script), ...given, ...(isResumed ? ["--resume"] : [])];
  const { status } = spawnSync(process.execPath, command, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
