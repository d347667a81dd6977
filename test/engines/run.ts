/**
 * Holds the trainers, samplers and servers of other programs (PyTorch's engine behind `torchTrainer`, and the servers that `openaiBackend` speaks to) to
 * what the library promises. It runs one leg after the other; the first time it installs their packages into .venv-engines*.
 *
 *   npm run test:engines                      all legs except those that are opt-in
 *   npm run test:engines -- torch-contract    these legs only
 *   npm run test:engines -- --tables FILE     and a page of the laws that hold, and of the faults with their messages
 *
 * RISE_PYTHON names a Python that has the packages of python/requirements-torch.txt already.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Check, Leg } from "./leg";
import { legs } from "./legs";
import { pythonOf } from "./python-of";
import { tablesOf } from "./tables";

const { positionals: named, values } = parseArgs({ allowPositionals: true, options: { tables: { type: "string" } } });
const unknown = named.filter((name) => !legs.some((leg) => leg.name === name));
if (unknown.length > 0) {
  console.error(`expected names of legs, got ${unknown.join(", ")}; there are:`);
  for (const { name, does, optIn } of legs) console.error(`  ${name.padEnd(20)}${does}${optIn ? " (opt-in)" : ""}`);
  process.exit(2);
}

const checks: Check[] = [];
const begun = performance.now();
for (const leg of legs) {
  const isWanted = named.length > 0 ? named.includes(leg.name) : !leg.optIn;
  if (isWanted) await runLeg(leg);
}
const failed = checks.filter(({ ok }) => !ok).length;
console.log(
  `\n${checks.length} checks, ${failed} failed, ${((performance.now() - begun) / 60_000).toFixed(1)} minutes`,
);
if (values.tables !== undefined) await writeFile(values.tables, tablesOf(checks));
process.exitCode = failed > 0 ? 1 : 0;

async function runLeg({ name, does, environment, run }: Leg): Promise<void> {
  console.log(`\n${name}: ${does}`);
  const started = performance.now();
  const scratch = await mkdtemp(join(tmpdir(), `rise-engines-${name}-`));
  try {
    const python = await pythonOf(environment);
    for await (const check of run({ python, scratch })) report(check);
  } catch (error) {
    report({ what: name, ok: false, detail: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  console.log(`      ${name} took ${((performance.now() - started) / 1000).toFixed(0)} s`);
}

function report(check: Check): void {
  const { what, ok, detail = "" } = check;
  checks.push(check);
  console.log(`${ok ? "ok  " : "FAIL"}  ${what.padEnd(70)} ${detail}`);
}
