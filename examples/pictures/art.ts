import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { DataError } from "rise-ts";
import sharp from "sharp";
import { remembered } from "../remembered";

/** Two ways the same emoji is drawn: rendered in three dimensions, or flat. */
export type Style = "fluent" | "twemoji";
export const styles: readonly Style[] = ["fluent", "twemoji"];

/** A square drawing with transparency, 4 bytes a pixel. */
export interface Raster {
  readonly size: number;
  readonly rgba: Uint8Array;
}

const packages = createRequire(import.meta.url);
const folders: Readonly<Record<Style, string>> = {
  fluent: join(dirname(packages.resolve("@lobehub/fluent-emoji-3d/package.json")), "assets"),
  twemoji: dirname(packages.resolve("@twemoji/svg/package.json")),
};

/** The file of a drawing, if the set has it. Some names keep the selector that asks for a coloured drawing. */
export function drawingFile(emoji: string, style: Style): string | undefined {
  const extension = style === "fluent" ? "webp" : "svg";
  return [emoji, `${emoji}-fe0f`].map((code) => join(folders[style], `${code}.${extension}`)).find(existsSync);
}

const clear = { r: 0, g: 0, b: 0, alpha: 0 };
const originalSize = 160;

/** The file of a drawing, decoded once. */
const original = remembered(async (emoji: string, style: Style): Promise<Raster> => {
  const path = drawingFile(emoji, style);
  if (!path) throw new DataError(`${folders[style]}: expected a drawing of ${emoji}, got none`);
  const rgba = await sharp(path, { density: 300 })
    .resize(originalSize, originalSize, { fit: "contain", background: clear })
    .ensureAlpha()
    .raw()
    .toBuffer();
  return { size: originalSize, rgba: new Uint8Array(rgba) };
});

/** The drawing of an emoji at a size in pixels, tilted by degrees; each is made once. */
export const drawing = remembered(async (emoji: string, style: Style, size: number, tilt: number): Promise<Raster> => {
  const upright = await original(emoji, style);
  const { data, info } = await sharp(upright.rgba, { raw: { width: upright.size, height: upright.size, channels: 4 } })
    .rotate(tilt, { background: clear })
    .raw()
    .toBuffer({ resolveWithObject: true });
  const rgba = await sharp(data, { raw: info })
    .trim({ background: clear, threshold: 0 })
    .resize(size, size, { fit: "contain", background: clear })
    .raw()
    .toBuffer();
  return { size, rgba: new Uint8Array(rgba) };
});
