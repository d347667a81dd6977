import { join } from "node:path";
import type { Splits } from "../dataset";
import { DataError } from "../errors";
import { counted, excerpt } from "../options/display";
import { readOptions, seed as seedOption, specOf } from "../options/spec";
import type { Example, LabelDistribution } from "../types";
import { readLines } from "./formats/lines";
import { splitPerClass } from "./k-shot";
import { readDecimal, readDistribution } from "./reading/checked";
import { openFolder, published, requireFiles, requireImages, type Source } from "./reading/folder";
import { checkPath } from "./reading/options";

/** The seven emotions, in the order of the file's columns. */
export const emotion6Labels = ["anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral"] as const;

/** Options of `emotion6`. */
export interface Emotion6Options {
  /** The seed of the split (0). */
  readonly seed?: number;
}

export const emotion6Spec = specOf<Emotion6Options>()(() => ({
  seed: seedOption().default(0).describe("The seed of the split"),
}));

/**
 * Emotion6 (Peng et al., CVPR 2015): 1 980 photographs, each with a distribution over seven emotions.
 *
 * Reads the authors' own files, `ground_truth.txt` and `images/<keyword>/<n>.jpg`. Six keywords found 330 photographs
 * each; 231 of each train and 99 test, drawn at random: the paper's 1 386 and 594. The paper does not say which.
 *
 * Metadata: `category` (the keyword), `valence` and `arousal` (1 to 9).
 *
 * @param dir the folder that `Emotion6.zip` unpacks to
 * @throws ConfigError for a path that is not text
 * @throws DataError for missing files, naming where they are published, and for rows of another form
 * @example
 * const { train, test } = await emotion6("data/Emotion6", { seed: 1 });
 */
export async function emotion6(dir: string, options: Emotion6Options = {}): Promise<Splits<LabelDistribution>> {
  checkPath("emotion6", "dir", dir);
  const { seed } = readOptions("emotion6", options, emotion6Spec);
  await requireFiles(dir, ["ground_truth.txt"], source);
  const rows = await readGroundTruth(join(dir, "ground_truth.txt"));
  const counts = keywords.map((keyword) => rows.filter(({ category }) => category === keyword).length);
  if (rows.length !== 1980 || counts.some((count) => count !== 330)) {
    const found = keywords.map((keyword, i) => `${counts[i]} ${keyword}`).join(", ");
    throw new DataError(
      `${dir}: expected 1980 rows, 330 of each keyword, got ${rows.length}: ${found}. ${published(source)}`,
    );
  }
  const images = openFolder(join(dir, "images"));
  const paths = await requireImages(images, rows, source);
  const examples: Example<LabelDistribution>[] = rows.map(({ name, annotation, category, valence, arousal }, i) => ({
    id: name,
    image: paths[i]!,
    annotation,
    metadata: { category, valence, arousal },
  }));
  return { ...splitPerClass(examples, { train: 231, test: 99 }, seed), omissions: [] };
}

const source: Source = {
  name: "Emotion6",
  url: "http://chenlab.ece.cornell.edu/downloads.html (Emotion6.zip)",
};

/** The folders, named by the search words on Flickr. The authors did not search for "neutral". */
const keywords = emotion6Labels.slice(0, 6);

interface Row {
  readonly name: string;
  readonly where: string;
  readonly category: string;
  readonly annotation: LabelDistribution;
  readonly valence: number;
  readonly arousal: number;
}

/** Reads a heading, then lines of `disgust/1.jpg`, valence, arousal and seven probabilities, separated by tabs. */
async function readGroundTruth(path: string): Promise<Row[]> {
  const rows = new Map<string, Row>();
  let isHeading = true;
  for await (const { text, where } of readLines(path)) {
    if (isHeading) {
      checkHeading(text, where);
      isHeading = false;
    } else if (text.trim() !== "") {
      const row = readRow(text, where);
      const twin = rows.get(row.name);
      if (twin) throw new DataError(`${where}: expected each image once, got ${row.name} as in ${twin.where}`);
      rows.set(row.name, row);
    }
  }
  return [...rows.values()];
}

/** Checks the columns alone, because the spelling of "prob. anger" varies. */
function checkHeading(text: string, where: string): void {
  const columns = ["valence", "arousal", ...emotion6Labels].map((column) => text.toLowerCase().indexOf(column));
  if (columns.some((at, i) => at <= (columns[i - 1] ?? 0)))
    throw new DataError(
      `${where}: expected a heading with image_filename, valence, arousal, ${emotion6Labels.join(", ")}, got ${excerpt(text)}`,
    );
}

function readRow(text: string, where: string): Row {
  const fields = text.trim().split(/\s+/);
  if (fields.length !== 10)
    throw new DataError(
      `${where}: expected a file name and 9 numbers, got ${counted(fields.length, "field")}: ${excerpt(text)}`,
    );
  const [name, valence, arousal, ...probabilities] = fields as [string, string, string, ...string[]];
  const category = keywords.find((keyword) => name.startsWith(`${keyword}/`));
  if (category === undefined)
    throw new DataError(`${where}: expected an image in one of ${keywords.join("/, ")}/, got ${excerpt(name)}`);
  return {
    name,
    where,
    category,
    annotation: readDistribution(emotion6Labels, probabilities, where),
    valence: readScore(valence, `${where}: valence`),
    arousal: readScore(arousal, `${where}: arousal`),
  };
}

function readScore(text: string, where: string): number {
  const score = readDecimal(text);
  if (!(score >= 1 && score <= 9))
    throw new DataError(`${where}: expected a decimal number from 1 to 9, got "${text}"`);
  return score;
}
