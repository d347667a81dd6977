import type { ProcessedImage } from "../../models/inputs/image-processor";
import { visionShape } from "../../models/parts/vision-inputs";
import type { Placement, Tensor } from "../../onnx/runtime/session";
import { sessionCache } from "../../onnx/runtime/session-cache";
import { type ImageGroups, visionFeeds } from "../batch";
import { imagesAtOnce, visionGraph } from "../graphs/vision";
import { type Policy, weightFeeds } from "../policy";
import { compiledAtOnce, compileOver, weightStorage } from "../weight-storage";

/** The features of images under a policy's current weights; each image is encoded once. */
export interface ImageFeatures {
  /**
   * Concatenated features of every image of `groups`, [rows, featureCount · hiddenSize].
   * @throws the signal's reason
   */
  of(groups: ImageGroups, signal?: AbortSignal): Promise<Tensor<Float32Array>>;
  /** Forgets features that were computed with older weights. */
  forget(): void;
  dispose(): Promise<void>;
}

export function createImageFeatures(policy: Policy, placement: Placement): ImageFeatures {
  const { architecture } = policy;
  // On the CPU, a large tower is freed once its images are encoded, so that its weights do not stay beside the language
  // model's.
  const isFreed = placement.provider !== "cuda" && weightStorage(policy).weightsStayInFiles;
  const sessions = sessionCache(isFreed ? 0 : compiledAtOnce(policy, placement, "vision"));
  let known = new WeakMap<ProcessedImage, Float32Array>();

  async function encode({ grid, images }: ImageGroups["groups"][number]): Promise<void> {
    const feeds = visionFeeds({ grid, images }, architecture);
    const compile = () =>
      compileOver(policy, placement, (bind) =>
        visionGraph(architecture, visionShape(architecture, grid, images.length), bind),
      );
    const key = `vision ${grid} ${images.length}`;
    const { features } = await sessions.run(key, compile, { ...weightFeeds(policy), ...feeds }, Object.keys(feeds));
    const data = features!.data as Float32Array;
    const each = data.length / images.length;
    for (const [i, image] of images.entries()) known.set(image, data.slice(i * each, (i + 1) * each));
  }

  return {
    async of({ groups, offsets, featureRows }, signal) {
      for (const { grid, images } of groups) {
        const missing = [...new Set(images)].filter((image) => !known.has(image));
        for (let first = 0; first < missing.length; first += imagesAtOnce) {
          signal?.throwIfAborted();
          await encode({ grid, images: missing.slice(first, first + imagesAtOnce) });
        }
      }
      const width = architecture.featureCount * architecture.config.text.hiddenSize;
      const data = new Float32Array(featureRows * width);
      for (const [image, row] of offsets) data.set(known.get(image)!, row * width);
      return { data, shape: [featureRows, width] };
    },
    forget() {
      known = new WeakMap();
    },
    dispose: () => sessions.dispose(),
  };
}
