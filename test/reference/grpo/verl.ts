import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRng } from "../../../src/rng";
import { largestError } from "../../models/reference";
import { type Comparison, worst } from "../compare";
import type { Python } from "../python";
import { type Figure, ourFigure, type VerlCase, verlCases } from "./verl-cases";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/**
 * verl's core_algos.py scores batches drawn at random, under its default configuration and others; so does this
 * library.
 */
export async function compareVerl(python: Python, scratch: string): Promise<Comparison[]> {
  const seed = Number(process.env.RISE_SEED ?? Date.now() % 2 ** 32);
  const cases = verlCases(createRng(seed, "verl"), 150);
  const figures = await verlFigures(python, scratch, cases);
  const differences = new Map<string, Map<string, number>>();
  for (const [n, one] of cases.entries()) {
    for (const name of one.names) {
      const what = `${one.kind}: ${name}`;
      const place = `case ${n}${one.kind === "loss" ? `: ${JSON.stringify(one.config)}` : ""}`;
      if (!differences.has(what)) differences.set(what, new Map());
      differences.get(what)!.set(place, differenceOf(one, name, figures[n]!));
    }
  }
  return [...differences].map(([what, places]) => ({
    ...worst(`verl, ${what}, ${places.size} random batches (RISE_SEED=${seed})`, places),
    tolerance: toleranceOf(what),
  }));
}

/**
 * grpo_vectorized takes its standard deviation in float32, with a square root of torch's that may be off by the last
 * bit.
 */
export const toleranceOf = (what: string) => (what === "advantages: grpo_vectorized" ? 2e-7 : 1e-9);

/**
 * verl's gdpo turns rewards into float32, and loses more digits the closer they are. gdpo_parts are the functions that
 * it calls, in float64; so the two say how much verl's rounding is.
 */
function roundingOf(
  one: VerlCase,
  name: string,
  { gdpo, gdpo_parts: parts }: Readonly<Record<string, Figure>>,
): number {
  return name === "gdpo" && gdpo && parts ? largestError(numbers(one, parts), numbers(one, gdpo)) : 0;
}

/** Has verl compute the figures of each case, by name. */
export async function verlFigures(
  python: Python,
  scratch: string,
  cases: readonly VerlCase[],
): Promise<readonly Readonly<Record<string, Figure>>[]> {
  const [folder, file] = [join(scratch, "verl"), join(scratch, "verl-cases.json")];
  await python("-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, "--requirement", here("verl.txt"));
  await writeFile(file, JSON.stringify(cases));
  return JSON.parse(await python(here("verl.py"), folder, file));
}

/** Largest |ours − verl's| / (1 + |verl's|), where a token counts, beyond verl's own rounding. */
export function differenceOf(one: VerlCase, name: string, figures: Readonly<Record<string, Figure>>): number {
  const [ours, expected] = [numbers(one, ourFigure(one, name)), numbers(one, figures[name]!)];
  return largestError(ours, expected) - roundingOf(one, name, figures);
}

/** verl.py writes NaN as null, which must not pass for 0. */
function numbers(one: VerlCase, figure: Figure): number[] {
  const listed = (row: ArrayLike<number | null>) => Array.from(row, (value) => value ?? Number.NaN);
  if ("gradient" in figure) {
    const first = "loss" in figure ? [figure.loss ?? Number.NaN] : figure.values.flatMap(listed);
    return [...first, ...figure.gradient.flatMap(listed)];
  }
  // verl's losses do not look at masked tokens.
  return figure.flatMap((row, i) => listed(row).filter((_, t) => one.kind === "advantages" && one.mask[i]![t] === 1));
}
