import type { Rng } from "../../rng";

type Draw<T> = (rng: Rng) => T;

export const oneOf = <T>(items: readonly T[], rng: Rng): T => items[rng.integer(items.length)]!;

const textOf = (alphabet: string, most: number, rng: Rng): string =>
  Array.from({ length: rng.integer(most + 1) }, () => alphabet[rng.integer(alphabet.length)]).join("");

const printable = String.fromCharCode(...Array.from({ length: 95 }, (_, i) => 32 + i));
const syntax = "{}[]()'\":,.-%0159eE \n_xyp";

/** Makes a generator of what models write: random text, broken syntax, and `answers`, some of them cut short. */
export function writtenText(answers: readonly string[]): Draw<string> {
  return (rng) => {
    const kind = rng.integer(answers.length === 0 ? 2 : 4);
    if (kind === 0) return textOf(printable, 200, rng);
    if (kind === 1) return textOf(syntax, 80, rng);
    const answer = oneOf(answers, rng);
    return kind === 2 ? answer : answer.slice(0, rng.integer(81));
  };
}

const oddities: readonly unknown[] = [
  undefined,
  null,
  true,
  0,
  -0,
  -1,
  0.5,
  1e300,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  "",
  "unit",
  "thousand",
  "0.5",
  "__proto__",
  new Date(Number.NaN),
  /a/,
  new Map([["x", 1]]),
  new Set([1]),
  new Uint8Array(3),
  new Array(2),
  Object.create(null),
];
const keys = [
  "space",
  "points",
  "x",
  "y",
  "width",
  "height",
  "anger",
  "length",
  "toString",
  "__proto__",
  "constructor",
];

/** Draws any value at all: odd ones, lists of them, and objects that look a little like annotations. */
export function anything(rng: Rng, depth = 3): unknown {
  const kind = rng.integer(depth > 0 ? 4 : 2);
  if (kind === 0) return oneOf(oddities, rng);
  if (kind === 1) return rng.integer(2) === 0 ? 1000 * rng.normal() : textOf(printable, 8, rng);
  const length = rng.integer(5);
  if (kind === 2) return Array.from({ length }, () => anything(rng, depth - 1));
  const entries = Array.from({ length }, () => [oneOf(keys, rng), anything(rng, depth - 1)] as const);
  return Object.fromEntries(entries);
}
