import type { Omission } from "../dataset";
import type { FailedExample } from "../runs/examples/failures";
import type { ImageAnnotation } from "./rows";
import type { AnnotationStream } from "./store";

/** The result of `annotateDataset`. */
export interface AnnotateDatasetResult<A> {
  /** The number of images, also those of earlier calls. */
  readonly images: number;
  /** Images without an answer, and why. */
  readonly failed: readonly FailedExample[];
  /** Images whose answer is no annotation: their rows have the text, and the reason. */
  readonly unreadable: number;
  /** How many of these answers `maxTokens` cut off. */
  readonly cutOff: number;
  /** Files of the folder that are no images. */
  readonly leftOut: readonly Omission[];
  /** The annotations in the order of the images: `await` it, or `for await` it to hold one at a time. */
  readonly annotations: AnnotationStream<A>;
}

/** An event of `annotateDataset`. */
export type AnnotateDatasetEvent<A> =
  | {
      /** The images are known. */
      readonly type: "images-found";
      /** Their number; absent for a stream. */
      readonly total?: number;
      /** Images that earlier calls annotated. */
      readonly done: number;
      readonly leftOut: readonly Omission[];
    }
  | {
      readonly type: "image-end";
      readonly annotation: ImageAnnotation<A>;
      /** Images with a row so far, how many of them failed, and how many answers are no annotation. */
      readonly done: number;
      readonly failed: number;
      readonly unreadable: number;
      readonly total?: number;
    }
  | { readonly type: "run-end"; readonly result: AnnotateDatasetResult<A> };
