import type { Omission } from "../dataset";
import { ConfigError, DataError } from "../errors";
import { imageKey, nameOf } from "../files/image";
import { createRng } from "../rng";
import { checkExamples } from "../runs/examples/check-examples";
import type { Task } from "../task";
import { classification } from "../tasks/classification";
import { detection } from "../tasks/detection";
import { segmentation } from "../tasks/segmentation";
import type { BoxSpace, Example } from "../types";
import { dataFormats, type Reading } from "./data-files";
import type { Config } from "./read";
import type { Values } from "./values";

export interface ConfigData {
  readonly task: Task<unknown>;
  readonly train: readonly Example<unknown>[];
  readonly validation: readonly Example<unknown>[];
  readonly test: readonly Example<unknown>[];
  /** Rows and files that made no example. */
  readonly omissions: readonly Omission[];
}

const makers = { classification, detection, segmentation } as const;

/** Makes a config's task. @throws ConfigError as the task's function does, with its place */
export function makeTask({ kinds, task, place }: Config): Task<unknown> {
  if (kinds.task === undefined) return task as Task<unknown>;
  const { kind: _, ...options } = task as Values;
  try {
    return makers[kinds.task](options as never) as Task<unknown>;
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    throw new ConfigError(`${place}: ${cause.message}`, { cause });
  }
}

/**
 * Reads a config's data, and divides it.
 * @throws ConfigError, DataError naming the file and the place
 */
export async function readData(config: Config): Promise<ConfigData> {
  const task = makeTask(config);
  const { format, path, test = 0, validation = 0, onOmission, ...options } = config.data;
  if (format === undefined) {
    const { train = [], validation: measured = [], test: held = [] } = config.data as Partial<ConfigData>;
    checkUntrained(held, train);
    return { task, train, validation: measured, test: held, omissions: [] };
  }
  const omissions: Omission[] = [];
  const { labels, space } = config.task as { readonly labels?: readonly string[]; readonly space?: BoxSpace };
  const reading: Reading = {
    task: task as Task<never>,
    labels,
    space,
    ...(onOmission === "list" && { onOmission: (omission: Omission) => void omissions.push(omission) }),
  };
  const read = async (file: string) => {
    const examples = (await dataFormats[String(format)]!.read(file, options, reading)) as readonly Example<unknown>[];
    checkExamples(task, examples, "data");
    return examples;
  };
  const shares = [test, validation].map((part) => (typeof part === "number" ? part : 0)) as [number, number];
  const divided = divide(await read(String(path)), shares, config.seed);
  const held = typeof test === "string" ? await read(test) : divided.test;
  checkUntrained(held, divided.train);
  return {
    task,
    train: divided.train,
    test: held,
    validation:
      typeof validation === "string"
        ? withOtherIds("validation", await read(validation), divided.train)
        : divided.validation,
    omissions,
  };
}

/** @throws DataError for a test image that training has, since an evaluation on it would measure memory */
function checkUntrained(test: readonly Example<unknown>[], train: readonly Example<unknown>[]): void {
  const trained = new Set(train.map(({ image }) => imageKey(image)));
  const both = test.find(({ image }) => trained.has(imageKey(image)));
  if (both)
    throw new DataError(
      `data.test: expected images that training does not have, got ${nameOf(both.image)} in both; leave it out of one of them`,
    );
}

/**
 * Files in two folders of the same layout have the same ids, by which a run tells examples apart: those of one folder
 * get its name in front. An image in both keeps its id, which the run refuses.
 */
function withOtherIds(name: string, examples: readonly Example<unknown>[], others: readonly Example<unknown>[]) {
  const ids = new Set(others.map(({ id }) => id));
  const images = new Set(others.map(({ image }) => imageKey(image)));
  const isAlike = examples.some(({ id }) => ids.has(id)) && !examples.some(({ image }) => images.has(imageKey(image)));
  return isAlike ? examples.map((example) => ({ ...example, id: `${name}/${example.id}` })) : examples;
}

/**
 * Divides examples at random, each class alike, so that an image is in one part only.
 * @param shares of the images, for the test and for validation
 */
function divide(examples: readonly Example<unknown>[], [test, validation]: readonly [number, number], seed: number) {
  const keys = new Map(examples.map((example) => [example, imageKey(example.image)]));
  const classes = new Map<unknown, Set<unknown>>();
  const seen = new Set<unknown>();
  for (const [{ metadata }, image] of keys) {
    if (seen.has(image)) continue;
    seen.add(image);
    const members = classes.get(metadata?.category) ?? new Set();
    classes.set(metadata?.category, members.add(image));
  }
  const held = { test: new Set<unknown>(), validation: new Set<unknown>() };
  for (const [name, members] of classes) {
    const order = createRng(seed, "held-out", String(name)).shuffle([...members]);
    const tested = Math.round(test * order.length);
    for (const image of order.slice(0, tested)) held.test.add(image);
    const measured = order.slice(tested, tested + Math.round(validation * order.length));
    for (const image of measured) held.validation.add(image);
  }
  const isHeld = (part: keyof typeof held) => (example: Example<unknown>) => held[part].has(keys.get(example));
  const train = examples.filter((example) => !isHeld("test")(example) && !isHeld("validation")(example));
  for (const [part, share] of [
    ["test", test],
    ["validation", validation],
  ] as const)
    if (share > 0 && held[part].size === 0)
      throw new DataError(`data.${part}: expected a share of at least one image of a class, got ${share}; raise it`);
  if (train.length === 0) throw new DataError("data: expected examples to learn from, got none after the division");
  return {
    train,
    test: examples.filter(isHeld("test")),
    validation: examples.filter(isHeld("validation")),
  };
}
