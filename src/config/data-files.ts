import * as z from "zod";
import type { Dataset, Omission } from "../dataset";
import { cocoDataset, cocoDatasetSpec } from "../datasets/coco";
import { conversationDataset, conversationDatasetSpec, conversationRow } from "../datasets/conversations";
import { csvDataset, csvDatasetSpec } from "../datasets/csv";
import { imageFolderDataset, imageFolderDatasetSpec } from "../datasets/image-folder";
import { jsonlDataset } from "../datasets/jsonl";
import { parquetDataset, parquetDatasetSpec, parquetLabels } from "../datasets/parquet";
import { ConfigError, DataError } from "../errors";
import { shown } from "../options/display";
import { once } from "../options/once";
import { choice, number, text } from "../options/spec";
import type { Task } from "../task";
import { oneHot } from "../tasks/classification";
import type { BoxSpace } from "../types";

/** The part of a data set's description that every format has. */
export interface DataFileExtras {
  /** The file, or the folder. */
  readonly path: string;
  /** Held out for the evaluation: a share of the images, or the path of more data (none). */
  readonly test?: number | string;
  /** Measured at every checkpoint, which chooses the best one: a share of the images, or a path (none). */
  readonly validation?: number | string;
  /** Rows and images that make no example are an error, or are left out and listed ("refuse"). */
  readonly onOmission?: "refuse" | "list";
}

const part = (purpose: string) =>
  z
    .union([number("", (value) => value > 0 && value < 1), text()], "a share of the images between 0 and 1, or a path")
    .optional()
    .describe(`${purpose}: a share of the images, or the path of more data in the same format`);

const extras = once(() => ({
  path: text().describe("The file, or the folder"),
  test: part("Examples that are held out for the evaluation"),
  validation: part("Examples that are measured at every checkpoint, to choose the best one"),
  onOmission: choice(["refuse", "list"])
    .default("refuse")
    .describe("Rows and images that make no example are an error, or are left out and listed"),
}));

/** The surroundings of a read. */
export interface Reading {
  readonly task: Task<never>;
  /** The labels of a classification. */
  readonly labels: readonly string[] | undefined;
  readonly space: BoxSpace | undefined;
  readonly onOmission?: (omission: Omission) => void;
}

type Options = Readonly<Record<string, unknown>>;

const listener = ({ onOmission }: Reading) => onOmission && { onOmission };

export interface DataFormat {
  readonly spec: () => z.ZodRawShape;
  read(path: string, options: Options, reading: Reading): PromiseLike<Dataset<unknown>>;
}

/** A spec without the options that a config gives elsewhere. */
const own = ({ onOmission, space, task, example, ...rest }: z.ZodRawShape): z.ZodRawShape => rest;

/** The formats of data, by name: the options of each, and its reader. */
export const dataFormats: Readonly<Record<string, DataFormat>> = {
  folder: {
    spec: () => ({ ...extras(), ...own(imageFolderDatasetSpec()) }),
    read: (path, options, reading) => imageFolderDataset(path, { ...options, ...listener(reading) }),
  },
  csv: {
    spec: () => ({ ...extras(), ...own(csvDatasetSpec()) }),
    read: (path, options, reading) => {
      if (reading.labels === undefined)
        throw new ConfigError('data: expected format "csv" with task.kind "classification"; choose another format');
      return csvDataset(path, reading.labels, { ...options, ...listener(reading) });
    },
  },
  coco: {
    spec: () => ({
      ...extras(),
      images: text().describe("The folder of the images"),
      ...own(cocoDatasetSpec()),
    }),
    read: (path, { images, ...options }, reading) =>
      cocoDataset(path, String(images), {
        ...options,
        ...(reading.space !== undefined && { space: reading.space }),
        ...listener(reading),
      }),
  },
  jsonl: { spec: extras, read: (path, _, { task }) => jsonlDataset(path, task) },
  conversations: {
    spec: () => ({ ...extras(), root: conversationDatasetSpec().root }),
    read: (path, options, reading) =>
      conversationDataset(path, { ...options, task: reading.task, ...listener(reading) }),
  },
  parquet: {
    spec: () => ({
      ...extras(),
      ...own(parquetDatasetSpec()),
      label: text().optional().describe("The column of the class; without it, rows are conversations"),
    }),
    read: readParquet,
  },
};

async function readParquet(path: string, { label: column, ...options }: Options, { task, labels }: Reading) {
  if (column === undefined) return parquetDataset(path, { ...options, task, example: conversationRow({ task }) });
  const name = String(column);
  const classes = await parquetLabels(path, name).catch((error: unknown) => error as Error);
  return parquetDataset<unknown>(path, {
    ...options,
    task: task as Task<unknown>,
    example(row, where) {
      const value = Object.hasOwn(row, name) ? row[name] : undefined;
      if (typeof value !== "string" && classes instanceof Error) throw classes;
      // Null counts nothing: it is no class 0.
      const label = typeof value === "number" ? (classes as readonly string[])[value] : value;
      if (typeof label !== "string" || !labels?.includes(label))
        throw new DataError(
          `${where}: expected ${name} to be one of ${labels?.join(", ") ?? "task.labels"}, got ${shown(label ?? value)}`,
        );
      const category = label;
      return { annotation: oneHot(labels, label), metadata: { category } };
    },
  });
}
