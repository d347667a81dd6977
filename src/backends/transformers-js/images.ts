import { nameOf } from "../../files/image";
import { loadImage } from "../../models/inputs/image";
import { smartResize } from "../../models/inputs/image-processor";
import { resizeBicubic } from "../../models/inputs/resize";
import type { ImageSource } from "../../types";
import type { ImageProcessor, Library } from "./library";

/** How a model's images are loaded, and what its processor computes of them. */
export interface ImageInput {
  load(source: ImageSource): Promise<object>;
  readonly processor: ImageProcessor;
}

export function imageInput(
  library: Library,
  processor: ImageProcessor,
  maxImagePixels: number | undefined,
): ImageInput {
  const { patch_size: patch, merge_size: merge, min_pixels: least, max_pixels: most } = processor;
  const raw = async (source: ImageSource) => loadImage(source, maxImagePixels);
  const packed = ({ data, width, height }: Awaited<ReturnType<typeof raw>>) =>
    new library.RawImage(data, width, height, 3);
  if (merge === undefined) return { processor, load: async (source) => packed(await raw(source)) };
  // Its successors share the fault with two images, but choose sizes by rules of their own.
  if (processor.constructor !== library.Qwen2VLImageProcessor)
    return { processor: oneByOne(library, processor), load: async (source) => packed(await raw(source)) };
  // transformers.js and browsers resize differently from transformers, so that is done here.
  const resized = Object.create(processor, { do_resize: { value: false } }) as ImageProcessor;
  return {
    processor: oneByOne(library, processor, resized),
    async load(source) {
      const image = await raw(source);
      const { width, height } = smartResize(image.height, image.width, patch! * merge, least!, most!, nameOf(source));
      return packed(resizeBicubic(image, width, height));
    },
  };
}

/** transformers.js 4.3.1 takes two images with grids for two frames of one (Qwen2-VL), so each is processed alone. */
function oneByOne({ cat }: Library, processor: ImageProcessor, own = processor): ImageProcessor {
  const apply = async ([images, ...args]: [readonly object[], ...unknown[]]) => {
    const each = await Promise.all(images.map((image) => own._call([image], ...args)));
    const joined = (key: string) => {
      const tensors = each.map((one) => one[key]!);
      return cat(tensors, 0);
    };
    return { pixel_values: joined("pixel_values"), image_grid_thw: joined("image_grid_thw") };
  };
  return new Proxy(processor, { apply: (_, __, args: [readonly object[], ...unknown[]]) => apply(args) });
}
