import { open } from "node:fs/promises";
import type { SchemaElement } from "hyparquet";

/** A column, described for Python's `datasets` and for Parquet. */
interface Column {
  readonly feature: unknown;
  schema(name: string): SchemaElement[];
}

const text: Column = {
  feature: { dtype: "string", _type: "Value" },
  schema: (name) => [{ name, type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" }],
};
const bytes: Column = {
  feature: { dtype: "binary", _type: "Value" },
  schema: (name) => [{ name, type: "BYTE_ARRAY", repetition_type: "OPTIONAL" }],
};
const number: Column = {
  feature: { dtype: "float64", _type: "Value" },
  schema: (name) => [{ name, type: "DOUBLE", repetition_type: "OPTIONAL" }],
};

/** A list of structs. Every version of `datasets` reads a feature in brackets. */
const listOf = (fields: Readonly<Record<string, Column>>, feature?: unknown): Column => ({
  feature: [feature ?? Object.fromEntries(Object.entries(fields).map(([name, column]) => [name, column.feature]))],
  schema: (name) => [
    { name, converted_type: "LIST", repetition_type: "OPTIONAL", num_children: 1 },
    { name: "list", repetition_type: "REPEATED", num_children: 1 },
    { name: "element", repetition_type: "OPTIONAL", num_children: Object.keys(fields).length },
    ...Object.entries(fields).flatMap(([field, column]) => column.schema(field)),
  ],
});

const turns = listOf({ role: text, content: text });
const columns: Readonly<Record<string, Column>> = {
  id: text,
  prompt: turns,
  completion: turns,
  images: listOf({ bytes, path: text }, { _type: "Image" }),
  subject: text,
  category: text,
  reward: number,
};

/** Rows of a group, which is in memory with its images. */
const rowGroupSize = 100;

/** Writes rows with TRL's columns and embedded images, as `datasets` writes them. */
export async function writeParquet(file: string, rows: AsyncIterable<object>): Promise<void> {
  const { fileWriter, parquetWriteRows } = await import("hyparquet-writer");
  const features = Object.fromEntries(Object.entries(columns).map(([name, { feature }]) => [name, feature]));
  await parquetWriteRows({
    writer: fileWriter(file),
    rows,
    rowGroupSize,
    columns: Object.keys(columns).map((name) => ({ name })),
    schema: [
      { name: "root", num_children: Object.keys(columns).length },
      ...Object.entries(columns).flatMap(([name, column]) => column.schema(name)),
    ],
    kvMetadata: [{ key: "huggingface", value: JSON.stringify({ info: { features } }) }],
  });
  const handle = await open(file, "r+");
  await handle.sync().finally(() => handle.close());
}
