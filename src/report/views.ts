import { access } from "node:fs/promises";
import { DataError } from "../errors";
import { readImageFile } from "../image-file";
import { excerpt } from "../shown";
import type { Box, BoxSpace, ImageSource, Leak, Polygon } from "../types";
import { escapeHtml } from "./escape";
import { shortNumber } from "./plots";

/** A picture that stands in the page itself. */
export interface EmbeddedPicture {
  readonly dataUri: string;
  /** Size of the original: pixel boxes refer to it. */
  readonly width: number;
  readonly height: number;
}

const longestSide = 320;

/**
 * Reads a picture and makes it small enough to embed.
 * @throws DataError in words of ours: the decoder's depend on what else it decodes at the time, and a page must not
 */
export async function embedPicture(image: ImageSource): Promise<EmbeddedPicture> {
  const name = typeof image === "string" ? excerpt(image) : "what is in memory";
  if (typeof image === "string")
    await access(image).catch((cause: Error) => {
      throw new DataError(`there is no file ${name}`, { cause });
    });
  return decodedSmall(image).catch((cause: Error) => {
    throw new DataError(`${name} is no picture, or a damaged one`, { cause });
  });
}

async function decodedSmall(image: ImageSource): Promise<EmbeddedPicture> {
  const { default: sharp } = await import("sharp");
  const isRaw = typeof image === "object" && "data" in image;
  const picture = isRaw
    ? sharp(image.data, { raw: { width: image.width, height: image.height, channels: 3 } })
    : sharp((await readImageFile(image)).bytes).autoOrient();
  const { width, height } = isRaw ? image : (await picture.metadata()).autoOrient;
  const bytes = await picture
    .resize(longestSide, longestSide, { fit: "inside", withoutEnlargement: true })
    .png()
    .toBuffer();
  return { dataUri: `data:image/png;base64,${bytes.toString("base64")}`, width, height };
}

/** A picture with boxes and outlines drawn over it: those of the truth solid, those of a prediction dashed. */
export function pictureView(
  { dataUri, width, height }: EmbeddedPicture,
  { truth, prediction }: { readonly truth?: unknown; readonly prediction?: unknown },
): string {
  const sides = (space: BoxSpace) =>
    space === "pixel" ? [width, height] : space === "thousand" ? [1000, 1000] : [1, 1];
  const percent = (value: number, of: number) => ((value / of) * 100).toFixed(2);
  const shapes = (annotation: unknown, kind: string): string[] => {
    if (isBoxes(annotation))
      return annotation.map((box) => {
        const [x, y] = sides(box.space) as [number, number];
        return `<rect class="${kind}" x="${percent(box.x, x)}" y="${percent(box.y, y)}" width="${percent(box.width, x)}" height="${percent(box.height, y)}"/>`;
      });
    if (!arePolygons(annotation)) return [];
    return annotation.map(({ space, points }) => {
      const [x, y] = sides(space) as [number, number];
      return `<polygon class="${kind}" points="${points.map((point) => `${percent(point[0], x)},${percent(point[1], y)}`).join(" ")}"/>`;
    });
  };
  const drawn = [...shapes(truth, "truth"), ...shapes(prediction, "prediction")].join("");
  const drawing = drawn && `<svg viewBox="0 0 100 100" preserveAspectRatio="none">${drawn}</svg>`;
  return `<div class="picture"><img src="${dataUri}" alt="">${drawing}</div>`;
}

/** Stands where a picture would. @param error why there is none */
export const unreadableView = (error: unknown): string =>
  `<p class="problem">The picture could not be read: ${escapeHtml(error instanceof Error ? error.message : String(error))}</p>`;

/** A distribution as bars, anything else as it is written. */
export function annotationView(annotation: unknown, written: string): string {
  if (!isDistribution(annotation)) return `<code>${escapeHtml(written)}</code>`;
  const rows = Object.entries(annotation).map(
    ([label, p]) => `<tr><td>${escapeHtml(label)}</td><td>${bar(p)}</td><td>${shortNumber(p)}</td></tr>`,
  );
  return `<table class="distribution">${rows.join("")}</table>`;
}

/** A number from 0 to 1 as a bar. */
export const bar = (share: number): string =>
  `<span class="bar"><span style="width:${(Math.min(Math.max(share, 0), 1) * 100).toFixed(1)}%"></span></span>`;

/** Text with the places that give the annotation away marked. */
export function leaksMarked(text: string, leaks: readonly Leak[]): string {
  let done = 0;
  let html = "";
  for (const { start, end, kind } of [...leaks].sort((a, b) => a.start - b.start)) {
    if (start < done) continue;
    html += `${escapeHtml(text.slice(done, start))}<mark title="leak: ${escapeHtml(kind)}">${escapeHtml(text.slice(start, end))}</mark>`;
    done = end;
  }
  return html + escapeHtml(text.slice(done));
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isBoxes = (value: unknown): value is readonly Box[] =>
  Array.isArray(value) && value.every((box) => isRecord(box) && "space" in box && "x" in box && "width" in box);

const arePolygons = (value: unknown): value is readonly Polygon[] =>
  Array.isArray(value) &&
  value.every((polygon) => isRecord(polygon) && "space" in polygon && Array.isArray(polygon.points));

const isDistribution = (value: unknown): value is Readonly<Record<string, number>> =>
  isRecord(value) && Object.values(value).every((p) => typeof p === "number");

/** What is wrong with a rollout, and what had to be overlooked to read it. */
export function problemView({
  format,
  repairs = [],
}: {
  readonly format: { readonly ok: boolean; readonly reason?: string | undefined };
  readonly repairs?: readonly string[] | undefined;
}): string {
  const wrong = format.ok ? "" : `<p class="problem">${escapeHtml(format.reason ?? "not the format")}</p>`;
  return repairs.length === 0 ? wrong : `${wrong}<p class="problem">overlooked: ${escapeHtml(repairs.join(", "))}</p>`;
}
