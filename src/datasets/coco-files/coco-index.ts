import type { ImageSize } from "../reading/pixel-box";
/** The content of a COCO file, in 60 bytes of memory an annotation. */
export interface CocoIndex {
  readonly path: string;
  /** Images by id, numbered by `Ids`. */
  readonly images: ReadonlyMap<number, CocoImage>;
  /** Names by id. */
  readonly categories: ReadonlyMap<number, string>;
  /** An image's boxes by category, in the order of the file, crowds left out. */
  boxesOf(image: number): ReadonlyMap<number, readonly CocoBox[]>;
  /** The place of an annotation, for messages. */
  whereOf(box: CocoBox): string;
}

export interface CocoImage {
  /** The id as the file writes it. */
  readonly id: string;
  readonly file: string;
  /** Absent if the file does not give it; the image itself then does. */
  readonly size?: ImageSize;
}

/** `[x, y, width, height]` in pixels, and the annotation's row. */
export type CocoBox = readonly [x: number, y: number, width: number, height: number, row: number];
