import type { Rng } from "rise-ts/types";
import { quarters } from "../pictures/captions";
import { pick } from "../pictures/compose";
import { practiceWords } from "./words";
import { type Piece, textPrompt, type WeightedLesson } from "./written";

/** Text before what has to be copied. */
const told = (text: string): Piece => [text, 0];

/** Some words twice: "warm drum bee warm drum bee". */
function repeated(rng: Rng, words: readonly string[]): readonly Piece[] {
  const [first, ...rest] = Array.from({ length: 3 + rng.integer(4) }, () => ` ${pick(rng, words)}`);
  return [told([first, ...rest, first].join("")), ...rest];
}

/** Some words and what follows each, then the same in another order: "warm drum, bee cold, bee cold, warm drum". */
function paired(rng: Rng, words: readonly string[]): readonly Piece[] {
  const pairs = few(rng, words).map((word) => [` ${word}`, ` ${pick(rng, words)}`] as const);
  return [
    told(pairs.map(([word, next]) => `${word}${next},`).join("")),
    ...rng.shuffle(pairs).flatMap(([word, next]) => [told(word), next, told(",")]),
  ];
}

/** A look over a picture, then the place of each thing. Several things may have one place, so that no place follows from the others. */
function placed(rng: Rng, words: readonly string[]): readonly Piece[] {
  const things = few(rng, words).map((name) => ({ name, place: pick(rng, quarters) }));
  return [
    told(`I see ${things.map(({ name, place }) => `the ${name} ${place}`).join(", ")}.`),
    ...rng.shuffle(things).flatMap(({ name, place }) => [told(` It is the ${name}`), ` ${place}`, told(".")]),
  ];
}

const few = (rng: Rng, of: readonly string[]) => rng.shuffle(of).slice(0, 2 + rng.integer(3));

/** Text of words by chance, in which only what was said before is practised. */
export function copying(rng: Rng, names: readonly string[]): WeightedLesson {
  const words = rng.uniform() < 0.5 ? names : practiceWords;
  const pieces = pick(rng, [repeated, paired, placed, placed])(rng, words);
  return { prompt: textPrompt(""), pieces, open: true };
}
