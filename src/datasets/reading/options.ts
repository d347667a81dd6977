import { callback, having, readArgument, text } from "../../options/spec";
import { boxSpace } from "../../similarity/boxes";

const path = text();

/** @throws ConfigError for a path that is not text */
export const checkPath = (where: string, name: string, value: string): void =>
  void readArgument(where, name, value, path);

/** The task that decides what an annotation is. */
export const taskOption = () => having("a task, such as detection(), which decides what an annotation is", "validate");

/** The space of a data set's boxes. */
export const spaceOption = () => boxSpace().default("thousand").describe("The space of the boxes");

/** The listener to omissions. */
export const omissionOption = () =>
  callback().optional().describe("Told of what is no example; without it, that is an error");
