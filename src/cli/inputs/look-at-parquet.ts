import type { Values } from "../../config/values";
import { openParquet } from "../../datasets/formats/parquet-file";
import { parquetLabels } from "../../datasets/parquet";
import { type Look, mostRows } from "./found";
import { conversationsOf } from "./look-at-json";

/** Looks at a Parquet file with a column of images, and one of classes or conversations. */
export const lookAtParquet: Look = async (path) => {
  const read = await firstRows(path);
  const [first = {}] = read;
  const image = Object.keys(first).find((column) => isImage(first[column]));
  if (image === undefined) return undefined;
  const data = { format: "parquet", path, ...(image !== "image" && { image }) };
  for (const column of Object.keys(first).filter((name) => name !== image)) {
    const labels = await parquetLabels(path, column).catch(() => namesIn(read, column));
    if (labels.length < 2) continue;
    return {
      what: `a Parquet file with ${labels.length} classes`,
      task: { kind: "classification", labels },
      data: { ...data, label: column },
    };
  }
  const conversations = conversationsOf(read, path);
  return conversations && { what: "a Parquet file of conversations", task: conversations.task, data };
};

export async function firstRows(path: string): Promise<readonly Values[]> {
  const { rows, close } = await openParquet(path);
  const read: Values[] = [];
  try {
    for await (const row of rows()) if (read.push(row) >= mostRows) break;
  } finally {
    await close();
  }
  return read;
}

const isImage = (value: unknown): boolean =>
  Array.isArray(value) ? isImage(value[0]) : value instanceof Uint8Array || "bytes" in Object(value);

/** The labels that a column of texts names, if there are few. */
function namesIn(rows: readonly Values[], column: string): readonly string[] {
  const names = new Set(rows.map((row) => row[column]));
  const isNaming = names.size <= Math.min(100, rows.length / 2) && [...names].every((name) => typeof name === "string");
  return isNaming ? ([...names] as string[]).sort() : [];
}
