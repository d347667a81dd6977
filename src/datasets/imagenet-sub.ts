import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Omission, Splits } from "../dataset";
import { DataError } from "../errors";
import { readOptions, seed as seedOption, specOf } from "../options/spec";
import type { Example, LabelDistribution } from "../types";
import { classesOption, imageFolderDataset } from "./image-folder";
import { splitPerClass } from "./k-shot";
import { published, type Source } from "./reading/folder";
import { checkPath } from "./reading/options";

/**
 * The 20 classes of the paper's published script, by WordNet id; the paper's own list is in an appendix that we do not
 * have.
 */
export const imagenetSubClasses: Readonly<Record<string, string>> = {
  n02708093: "analog clock",
  n02769748: "backpack",
  n02783161: "ballpoint",
  n02786058: "Band Aid",
  n02790996: "barbell",
  n02791124: "barber chair",
  n02823428: "beer bottle",
  n02823750: "beer glass",
  n02841315: "binoculars",
  n02865351: "bolo tie",
  n02870880: "bookcase",
  n02877765: "bottlecap",
  n02892767: "brassiere",
  n02906734: "broom",
  n02909870: "bucket",
  n02910353: "buckle",
  n02948072: "candle",
  n02951585: "can opener",
  n02971356: "carton",
  n02992529: "cellular telephone",
};

/** Options of `imagenetSub`. */
export interface ImagenetSubOptions {
  /** WordNet id → label (`imagenetSubClasses`). */
  readonly classes?: Readonly<Record<string, string>>;
  /** The seed of the draw (0). */
  readonly seed?: number;
}

export const imagenetSubSpec = specOf<ImagenetSubOptions>()(() => ({
  classes: classesOption().default(imagenetSubClasses).describe("Labels by WordNet ids"),
  seed: seedOption().default(0).describe("The seed of what is drawn"),
}));

/**
 * ImageNet-Sub: 25 photographs to train and 10 to test from each of 20 ImageNet classes, drawn at random; one-hot
 * annotations.
 *
 * Reads the layout of ILSVRC's training set, `<WordNet id>/*.JPEG`. The paper does not say which photographs it drew.
 *
 * @param dir the folder with the class folders: `ILSVRC/Data/CLS-LOC/train`
 * @throws ConfigError for a path that is not text
 * @throws DataError for missing class folders, naming where they are published, and for one with fewer than 35 images
 * @example
 * const { train, test } = await imagenetSub("ILSVRC/Data/CLS-LOC/train");
 */
export async function imagenetSub(dir: string, options: ImagenetSubOptions = {}): Promise<Splits<LabelDistribution>> {
  const { classes, seed } = readOptions("imagenetSub", options, imagenetSubSpec);
  checkPath("imagenetSub", "dir", dir);
  await requireFolders(dir, Object.keys(classes));
  const omissions: Omission[] = [];
  const examples: Example<LabelDistribution>[] = [];
  const stream = imageFolderDataset(dir, { classes, onOmission: (omission) => omissions.push(omission) });
  for await (const example of stream) examples.push(example);
  return { ...splitPerClass(examples, { train: 25, test: 10 }, seed), omissions };
}

const source: Source = {
  name: "ImageNet",
  url: "https://www.image-net.org/download.php (ILSVRC 2012, training images)",
};

async function requireFolders(dir: string, names: readonly string[]): Promise<void> {
  const missing: string[] = [];
  for (const name of names) {
    const found = await stat(join(dir, name)).catch(() => undefined);
    if (!found?.isDirectory()) missing.push(name);
  }
  if (missing.length > 0)
    throw new DataError(
      `${dir}: expected a folder for each of ${names.length} classes, got none for ${missing.join(", ")}. ${published(source)}`,
    );
}
