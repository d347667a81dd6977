import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DataError } from "../errors";
import { packagePath } from "../files/package-path";
import type { ClassificationOptions } from "../tasks/classification";

/** The files in the package for a first try: a tiny model, and images with annotations. */
export interface DemoFiles {
  /** The folder of all of it; its NOTICE.md says whose work the images are. */
  readonly folder: string;
  /** A checkpoint of 2.6 million parameters. */
  readonly model: string;
  /** Images to learn from, for `jsonlDataset`. */
  readonly train: string;
  /** Other images of the same things, to measure with. */
  readonly test: string;
  /** The question about the images, in the words that the tiny model knows: options of `classification`. */
  readonly question: ClassificationOptions;
  /** The config of `rise-ts demo`, whose paths start from the folder. */
  readonly config: Readonly<Record<string, unknown>>;
}

/**
 * Finds the tiny model and the images that come with the package: enough to try everything without a download. The
 * model stands in for a real one, and figures about it say nothing about others.
 * @throws DataError in a checkout that was not built
 * @example
 * const { model, train, question } = demoFiles();
 * const dataset = await jsonlDataset(train, classification(question));
 * const backend = await onnxBackend({ model });
 */
export function demoFiles(): DemoFiles {
  const folder = join(dirname(packagePath("rise-ts/package.json")), "dist", "demo");
  const file = join(folder, "config.json");
  if (!existsSync(file))
    throw new DataError(
      `${folder}: expected the files of the demo, got none; in a checkout, npm run build:demo makes them, and npm pack --ignore-scripts=false packs them`,
    );
  const config = JSON.parse(readFileSync(file, "utf8")) as DemoFiles["config"];
  const { kind: _, ...question } = config.task as ClassificationOptions & { readonly kind: string };
  const [model, train, test] = ["model", "train.jsonl", "test.jsonl"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  return { folder, model, train, test, question, config };
}
