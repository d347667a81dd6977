/**
 * Reads a million inputs that mean harm, in the same order for the same seed.
 *
 *   npm run fuzz -- [--cases 1000000] [--target name] [--seed 1] [--first 0] [--out folder]
 *
 * Every target runs in a process of its own, so that what ends or hangs one is a failure like any other: the case is named, and the rest is read
 * by the next process. `--target name --first N --cases 1` reads one case again; its input is saved in `--out` (the system's folder for such files).
 */
import { fork } from "node:child_process";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { fuzz, inputOf, type Tally } from "./fuzz";
import type { Input, Target } from "./target";
import { targets } from "./targets";

/** A case that takes longer by the clock hangs. */
const hangMs = 120_000;

/** Failures of a target that are shown; the others are counted. */
const mostShown = 20;

const { values: options } = parseArgs({
  options: {
    cases: { type: "string", default: "1000000" },
    target: { type: "string" },
    seed: { type: "string", default: "1" },
    first: { type: "string", default: "0" },
    out: { type: "string", default: join(tmpdir(), "rise-fuzz-failures") },
    /** The folder in which a child leaves word. */
    child: { type: "string" },
  },
});
const { out, child } = options;
const [cases, seed, first] = [options.cases, options.seed, options.first].map(Number) as [number, number, number];
const chosen = targets.filter(({ name }) => options.target === undefined || name === options.target);
if (chosen.length === 0 || ![cases, seed, first].every(Number.isSafeInteger))
  throw new Error(`expected whole numbers, and one of the targets ${targets.map(({ name }) => name).join(", ")}`);
mkdirSync(out, { recursive: true });

if (child !== undefined) await readCases(chosen[0]!, child);
else {
  const shares = chosen.reduce((sum, { share }) => sum + share, 0);
  let failed = 0;
  for (const target of chosen) failed += await report(target, Math.ceil((cases * target.share) / shares));
  console.log(failed === 0 ? "no failures" : `${failed} failures; their inputs are in ${out}`);
  process.exitCode = failed === 0 ? 0 : 1;
}

/** A child's note before each case, so that it is known when the child does not live to say it. */
interface Word {
  readonly index: number;
  readonly tally: Tally;
}

async function readCases(target: Target, folder: string): Promise<void> {
  const word = openSync(join(folder, "word"), "w");
  const write = (index: number, tally: Tally) => writeSync(word, JSON.stringify({ index, tally }).padEnd(200), 0);
  const tally = await fuzz(target, {
    ...{ seed, first, cases, onCase: write },
    onFailure({ index, input, reason }) {
      const file = saved(target, index, input);
      appendFileSync(join(folder, "failures"), `${JSON.stringify({ index, reason: `${reason}\n    ${file}` })}\n`);
    },
  });
  write(first + cases, tally);
  process.exit();
}

/** @returns where the input lies */
function saved({ name }: Target, index: number, { file, bytes }: Input): string {
  const path = join(out, `${name}-${seed}-${index}-${file.replaceAll(/[\\/]/g, "_")}`);
  writeFileSync(path, bytes);
  return path;
}

async function report(target: Target, count: number): Promise<number> {
  const sum: Tally = { values: 0, errors: 0, worst: { milliseconds: 0, index: first } };
  const failures: { readonly index: number; readonly reason: string }[] = [];
  for (let next = first; next < first + count; ) {
    const folder = mkdtempSync(join(tmpdir(), "rise-fuzz-word-"));
    const end = await ended(target, folder, next, first + count - next);
    const { index, tally } = JSON.parse(textOf(join(folder, "word")) || "null") as Word;
    sum.values += tally.values;
    sum.errors += tally.errors;
    if (tally.worst.milliseconds > sum.worst.milliseconds) sum.worst = tally.worst;
    const lines = textOf(join(folder, "failures")).split("\n").filter(Boolean);
    failures.push(...lines.map((line) => JSON.parse(line)));
    if (index < first + count) {
      const file = saved(target, index, await inputOf(target, seed, index));
      failures.push({ index, reason: `${end}\n    ${file}` });
    }
    rmSync(folder, { recursive: true });
    next = index + 1;
  }
  const { values, errors, worst } = sum;
  const slowest = `worst ${worst.milliseconds.toFixed(0)} ms (case ${worst.index})`;
  console.log(
    `${target.name.padEnd(12)}${count} cases: ${values} values, ${errors} errors, ${failures.length} failures; ${slowest}`,
  );
  for (const { index, reason } of failures.slice(0, mostShown))
    console.log(`  --target ${target.name} --seed ${seed} --first ${index} --cases 1: ${reason}`);
  return failures.length;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** Reads cases in another process. @returns how it ended, in words */
function ended(target: Target, folder: string, from: number, count: number): Promise<string> {
  const args = { target: target.name, seed, first: from, cases: count, out, child: folder };
  const named = Object.entries(args).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const started = fork(fileURLToPath(import.meta.url), named, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  let hangs = false;
  let before = "";
  const watch = setInterval(() => {
    const now = textOf(join(folder, "word"));
    hangs = now === before && now !== "";
    if (hangs) started.kill("SIGKILL");
    before = now;
  }, hangMs);
  return new Promise((resolve) => {
    started.on("exit", (code, signal) => {
      clearInterval(watch);
      resolve(hangs ? `it hung for ${hangMs / 1000} s` : `the process ended with ${signal ?? `status ${code}`}`);
    });
  });
}
