import { type Box, ConfigError, createRng, type RawImage } from "rise-ts";
import type { Rng } from "rise-ts/types";
import { drawing, type Raster, type Style, styles } from "./art";
import type { Emoji } from "./vocabulary";

export interface Item {
  readonly emoji: Emoji;
  readonly style: Style;
}

/** An item in its place: pixels of the picture. */
export interface Placed extends Item {
  readonly x: number;
  readonly y: number;
  readonly size: number;
  readonly large: boolean;
}

export interface Picture {
  readonly image: RawImage;
  readonly background: string;
  /** Column by column, as {@link thirds} sees them, each from top to bottom. */
  readonly items: readonly Placed[];
  /** One for each item: the extent of what is visible, in thousandths of the picture. */
  readonly boxes: readonly Box[];
}

export const pictureSize = 112;
export const tilts = [-12, 0, 12] as const;
const backgrounds: Readonly<Record<string, readonly [number, number, number]>> = {
  white: [246, 246, 244],
  gray: [190, 192, 196],
  blue: [176, 208, 240],
  green: [190, 226, 184],
  pink: [246, 200, 212],
  purple: [206, 190, 232],
  orange: [246, 208, 164],
  brown: [186, 160, 132],
};

type Cell = readonly [left: number, top: number, width: number, height: number];

/** Sizes of items, and lists of cells that they may stand in. */
interface Layout {
  readonly sizes: readonly number[];
  readonly cells: readonly (readonly Cell[])[];
}

/** Layouts for one, two or three items; sizes are few, so that each drawing is rasterised a few times only. */
export type Layouts = Readonly<Record<number, Layout>>;

const whole: Cell = [0, 0, 112, 112];
const left: Cell = [0, 0, 56, 112];
const right: Cell = [56, 0, 56, 112];
const top: Cell = [0, 0, 112, 56];
const bottom: Cell = [0, 56, 112, 56];
const topLeft: Cell = [0, 0, 56, 56];
const topRight: Cell = [56, 0, 56, 56];
const bottomLeft: Cell = [0, 56, 56, 56];
const bottomRight: Cell = [56, 56, 56, 56];

/** An item stands anywhere in its half or quarter of the picture. */
const anywhere: Layouts = {
  1: { sizes: [72, 96], cells: [[whole]] },
  2: {
    sizes: [44, 54],
    cells: [
      [left, right],
      [top, bottom],
    ],
  },
  3: {
    sizes: [44, 54],
    cells: [
      [topLeft, topRight, bottom],
      [top, bottomLeft, bottomRight],
      [topLeft, bottomLeft, right],
    ],
  },
};

const quarters: Layout = { sizes: [48, 54], cells: [[topLeft, topRight, bottomLeft, bottomRight]] };

/** Each item nearly fills a quarter of the picture, so that "at the top left" says where it is. */
export const inQuarters: Layouts = { 1: quarters, 2: quarters, 3: quarters };

/** Some emoji on a soft background, everything else about it drawn from the seed. */
export async function composePicture(
  emoji: readonly Emoji[],
  seed: number,
  layouts: Layouts = anywhere,
): Promise<Picture> {
  const rng = createRng(seed, "picture");
  const layout = layouts[emoji.length];
  if (!layout) throw new ConfigError(`composePicture: expected 1 to 3 emoji, got ${emoji.length}`);
  const background = pick(rng, Object.keys(backgrounds));
  const data = paintBackground(backgrounds[background]!, rng);
  const cells = rng.shuffle(pick(rng, layout.cells));
  const placed: { item: Placed; box: Box }[] = [];
  for (const [i, one] of emoji.entries()) {
    const [left, top, width, height] = cells[i]!;
    const size = pick(rng, layout.sizes);
    const style = pick(rng, styles);
    const raster = await drawing(one.code, style, size, pick(rng, tilts));
    const x = left + rng.integer(width - size + 1);
    const y = top + rng.integer(height - size + 1);
    paste(data, raster, x, y);
    placed.push({
      item: { emoji: one, style, x, y, size, large: size === layout.sizes.at(-1) },
      box: visibleBox(raster, x, y),
    });
  }
  const order = ({ item }: { item: Placed }) => {
    const [column, row] = thirds(item);
    return column * 3 + row;
  };
  placed.sort((a, b) => order(a) - order(b) || a.item.x - b.item.x || a.item.y - b.item.y);
  return {
    image: { width: pictureSize, height: pictureSize, data },
    background,
    items: placed.map(({ item }) => item),
    boxes: placed.map(({ box }) => box),
  };
}

/** The column and the row, each 0 to 2, where an item's middle is. */
export function thirds({ x, y, size }: Pick<Placed, "x" | "y" | "size">): readonly [column: number, row: number] {
  const third = (middle: number) => (middle < pictureSize * 0.4 ? 0 : middle > pictureSize * 0.6 ? 2 : 1);
  return [third(x + size / 2), third(y + size / 2)];
}

export const pick = <T>(rng: Rng, items: readonly T[]): T => items[rng.integer(items.length)]!;

/** A colour that brightens or darkens a little from top to bottom. */
function paintBackground(colour: readonly [number, number, number], rng: Rng): Uint8Array {
  const slope = (rng.uniform() - 0.5) * 40;
  const data = new Uint8Array(pictureSize * pictureSize * 3);
  for (let y = 0; y < pictureSize; y++) {
    const shift = slope * (y / pictureSize - 0.5);
    for (let x = 0; x < pictureSize; x++)
      for (let c = 0; c < 3; c++) data[(y * pictureSize + x) * 3 + c] = Math.max(0, Math.min(255, colour[c]! + shift));
  }
  return data;
}

function paste(data: Uint8Array, { size, rgba }: Raster, left: number, top: number): void {
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      const from = (y * size + x) * 4;
      const to = ((top + y) * pictureSize + left + x) * 3;
      const alpha = rgba[from + 3]! / 255;
      for (let c = 0; c < 3; c++) data[to + c] = Math.round(alpha * rgba[from + c]! + (1 - alpha) * data[to + c]!);
    }
}

/** Opaque enough to be seen. */
const visibleAlpha = 32;

function visibleBox({ size, rgba }: Raster, left: number, top: number): Box {
  let [x0, y0, x1, y1] = [size, size, 0, 0];
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      if (rgba[(y * size + x) * 4 + 3]! >= visibleAlpha)
        [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x + 1), Math.max(y1, y + 1)];
  const thousandth = (pixels: number) => Math.round((pixels / pictureSize) * 1000);
  const [x, y] = [thousandth(left + x0), thousandth(top + y0)];
  return { space: "thousand", x, y, width: thousandth(left + x1) - x, height: thousandth(top + y1) - y };
}
