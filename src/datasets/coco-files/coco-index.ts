import type { ImageSize } from "../reading/pixel-box";
/** What a COCO file says, in as little memory as serves: 60 bytes an annotation. */
export interface CocoIndex {
  readonly path: string;
  /** By id, as `Ids` number them. */
  readonly images: ReadonlyMap<number, CocoImage>;
  /** Names by id. */
  readonly categories: ReadonlyMap<number, string>;
  /** An image's boxes by category, in the order of the file, crowds left out. */
  boxesOf(image: number): ReadonlyMap<number, readonly CocoBox[]>;
  /** The place of an annotation, for messages. */
  whereOf(box: CocoBox): string;
}

export interface CocoImage {
  /** As the file has it. */
  readonly id: string;
  readonly file: string;
  /** Absent where the file does not say, so that the picture has to. */
  readonly size?: ImageSize;
}

/** `[x, y, width, height]` in pixels, and the annotation's row. */
export type CocoBox = readonly [x: number, y: number, width: number, height: number, row: number];
