import { callback, flag, having, readArgument, specOf, text } from "../../options/spec";
import { boxSpace } from "../../similarity/boxes";

const path = text();

/** Checks a path. @throws ConfigError for a path that is not text */
export const checkPath = (where: string, name: string, value: string): void =>
  void readArgument(where, name, value, path);

export const taskOption = () => having("a task, such as detection(), which decides what an annotation is", "validate");

/** The schema of the space of a data set's boxes. */
export const spaceOption = () => boxSpace().default("thousand").describe("The space of the boxes");

export interface ImagePlace {
  /** The folder of the images, from which their paths start (the file's own). */
  readonly root?: string;
  /** Whether images may lie outside that folder, by absolute paths, `..` or links (false). */
  readonly allowOutside?: boolean;
}

export const imagePlaceSpec = specOf<ImagePlace>()(() => ({
  root: text().optional().describe("The folder in which the images lie; the file's own without it"),
  allowOutside: flag().default(false).describe("Whether images may lie outside it, by absolute paths, `..` or links"),
}));

/** The schema of the listener to omissions. */
export const omissionOption = () =>
  callback().optional().describe("Receives rows and files that are not an example; without it, those are errors");
