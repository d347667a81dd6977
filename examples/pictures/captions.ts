import type { Rng } from "rise-ts/types";
import { type Picture, type Placed, pick, pictureSize, thirds } from "./compose";

/** A true description of a picture: what is there, where, on what. */
export function describe(picture: Picture, rng: Rng): string {
  const parts = picture.items.map((item) => `${noun(item, rng)} ${place(item)}`);
  const list = parts.length === 1 ? parts[0]! : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
  const opening = pick(rng, ["The picture shows", "There is", "I see", "Here is"]);
  return `${opening} ${list}, on ${withArticle(picture.background)} background.`;
}

/** A remark with a number in it, true but not asked for: models write such things until they are taught not to. */
export function numericRemark({ items }: Picture, rng: Rng): string {
  const { emoji, size } = pick(rng, items);
  const share = (size / pictureSize) ** 2;
  return pick(rng, [
    ` The ${emoji.name} fills about ${share.toFixed(2)} of it.`,
    ` About ${Math.round(share * 100)} % is taken by the ${emoji.name}.`,
  ]);
}

/** The middle of an item. */
export function place(item: Pick<Placed, "x" | "y" | "size">): string {
  const [column, row] = thirds(item);
  const horizontal = ["left", "middle", "right"][column]!;
  const vertical = ["top", "middle", "bottom"][row]!;
  if (row === 1 && column === 1) return "in the middle";
  if (row === 1) return `on the ${horizontal}`;
  if (column === 1) return `at the ${vertical}`;
  return `at the ${vertical} ${horizontal}`;
}

/**
 * The quarters of a picture, clockwise. Each begins with another word: after "top" of "top left" and "top right", a small model would have to find what followed
 * two words before, and it finds only what followed one.
 */
export const quarters = ["top left", "right top", "bottom right", "left bottom"] as const;

/** The place of what has a quarter to itself. */
export function quarter(item: Parameters<typeof place>[0]): string {
  const [column, row] = thirds(item);
  return row === 0 ? quarters[column === 0 ? 0 : 1] : quarters[column === 0 ? 3 : 2];
}

function noun({ emoji, style, large }: Placed, rng: Rng): string {
  const words = [emoji.name];
  if (rng.uniform() < 0.3) words.unshift(style === "fluent" ? "glossy" : "flat");
  if (rng.uniform() < 0.3) words.unshift(large ? "large" : "small");
  return withArticle(words.join(" "));
}

const withArticle = (noun: string) => `${/^[aeiou]/.test(noun) ? "an" : "a"} ${noun}`;
