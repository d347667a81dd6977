import { readFile } from "node:fs/promises";
import { readSafetensors } from "../../src/models/files/safetensors";
import { largestError } from "../models/reference";

export interface Comparison {
  readonly what: string;
  /** Largest |a − b| / (1 + |b|); infinite where two things are not numbers, or not of one shape, and differ. */
  readonly difference: number;
  readonly where: string;
  /** Largest difference that is all right; run.ts has the default. */
  readonly tolerance?: number;
}

/** The widest of differences by place. */
export function worst(what: string, differences: ReadonlyMap<string, number>): Comparison {
  let [where, difference] = ["nowhere", 0];
  for (const [place, value] of differences) if (!(value <= difference)) [where, difference] = [place, value];
  return { what, difference, where };
}

/** Compares all that two recordings hold except `versions`, the packages that they came from, which may be others. */
export async function compareJson(what: string, recorded: string, made: string): Promise<Comparison> {
  const [a, b] = await Promise.all(
    [recorded, made].map(async (path) => ({ ...JSON.parse(await readFile(path, "utf8")), versions: undefined })),
  );
  const differences = new Map<string, number>();
  walk(a, b, "", differences);
  return worst(what, differences);
}

export async function compareTensors(what: string, recorded: string, made: string): Promise<Comparison> {
  const [a, b] = [await readSafetensors(recorded), await readSafetensors(made)];
  const differences = new Map<string, number>();
  for (const name of new Set([...a.keys(), ...b.keys()])) {
    const [x, y] = [a.get(name), b.get(name)];
    const alike = x && y && x.shape.join() === y.shape.join();
    differences.set(name, alike ? largestError(y.data, x.data) : Number.POSITIVE_INFINITY);
  }
  return worst(what, differences);
}

function walk(a: unknown, b: unknown, place: string, differences: Map<string, number>): void {
  if (typeof a === "number" && typeof b === "number") differences.set(place, largestError([b], [a]));
  else if (isNested(a) && isNested(b))
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)]))
      walk(a[key], b[key], `${place}/${key}`, differences);
  else if (a !== b) differences.set(place, Number.POSITIVE_INFINITY);
}

const isNested = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
