import { createRng } from "../../rng";

/** Rollouts, or other rows with rewards, that a page holds at most. */
export const mostRows = 2000;

/** The facts that decide whether a row is chosen. */
export interface Judged {
  readonly reward: number;
  readonly leaks: number;
  readonly isReadable: boolean;
  readonly isClipped: boolean;
  /** The highest reward of its group minus the lowest. */
  readonly spread: number;
}

/** Chooses rows as they come, and holds no more than a few times those that it may choose. */
export interface Choice<Row> {
  readonly total: number;
  add(row: Row, judged: Judged): void;
  /** The chosen rows, the first being the last to leave out; `at` is the place in which they came. */
  chosen(): readonly { readonly row: Row; readonly at: number }[];
}

/**
 * Chooses all rows up to `most`, and beyond that the best, the worst, those with most leaks, unreadable ones, clipped
 * ones, groups with the widest spread, and a random sample of the rest.
 */
export function createChoice<Row>(most = mostRows, seed = 0): Choice<Row> {
  const rng = createRng(seed, "report");
  const share = (part: number) => Math.floor(most * part);
  const [best, worst, leaking] = [highest<Row>(share(0.1)), highest<Row>(share(0.1)), highest<Row>(share(0.1))];
  const [unreadable, clipped] = [highest<Row>(share(0.1)), highest<Row>(share(0.05))];
  const [wide, sample] = [highest<Row>(share(0.1)), highest<Row>(most)];
  let total = 0;
  return {
    get total() {
      return total;
    },
    add(row, { reward, leaks, isReadable, isClipped, spread }) {
      const item = { row, at: total++ };
      const luck = rng.uniform();
      best.add(item, reward);
      worst.add(item, -reward);
      if (leaks > 0) leaking.add(item, leaks);
      if (!isReadable) unreadable.add(item, luck);
      if (isClipped) clipped.add(item, luck);
      if (spread > 0) wide.add(item, spread);
      sample.add(item, luck);
    },
    chosen() {
      const special = [best, worst, leaking, unreadable, clipped, wide].flatMap(({ items }) => items());
      return [...new Set([...special, ...sample.items()])].slice(0, most);
    },
  };
}

interface Item<Row> {
  readonly row: Row;
  readonly at: number;
}

/** Keeps the items with the highest scores; of equal ones, the first. */
function highest<Row>(most: number) {
  let kept: { readonly item: Item<Row>; readonly score: number }[] = [];
  const cut = () => {
    kept = kept.sort((a, b) => b.score - a.score || a.item.at - b.item.at).slice(0, most);
  };
  return {
    add(item: Item<Row>, score: number) {
      kept.push({ item, score });
      if (kept.length > 2 * most + 100) cut();
    },
    items() {
      cut();
      return kept.map(({ item }) => item);
    },
  };
}
