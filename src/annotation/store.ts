import { open } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../errors";
import { hasFailed } from "../evaluation/records";
import { checkArguments, textKind } from "../options/arguments";
import { claimDirectory } from "../runs/directory/claim";
import { type Place, sizeOf, wholeRows, writeAtomically } from "../runs/directory/files";
import type { RunLock } from "../runs/directory/lock";
import { openRowFile, type RowFile } from "../runs/directory/row-file";
import { annotationsCsv } from "./csv";
import { type ImageAnnotation, readAnnotationRow } from "./rows";

/** Annotations of many images: `await` it for all of them, or `for await` it, which holds one at a time. */
export interface AnnotationStream<A>
  extends AsyncIterable<ImageAnnotation<A>>,
    PromiseLike<readonly ImageAnnotation<A>[]> {}

/** The state of a row, without its text. */
export interface Known {
  readonly subject?: string | undefined;
  readonly failure?: string | undefined;
  readonly isTemporary: boolean;
  /** The text is no annotation. */
  readonly isUnreadable: boolean;
  readonly isCutOff: boolean;
}

/** Annotations as they come: in memory, or in a directory. */
export interface AnnotationStore<A> {
  /** The rows that are there by id, and whether each failed; the last one if an image was asked about again. */
  readonly known: ReadonlyMap<string, Known>;
  append(rows: readonly ImageAnnotation<A>[]): Promise<void>;
  /** Puts the rows in this order, and writes what follows from them. */
  finish(ids: readonly string[]): Promise<void>;
  /** Writes another file of the directory whole; does nothing in memory. */
  writeFile(name: string, text: () => Promise<string>): Promise<void>;
  /** The rows, in order once they are finished. */
  readonly annotations: AnnotationStream<A>;
  close(): Promise<void>;
}

export const annotationsFile = "annotations.jsonl";

/**
 * Opens a directory for new annotations, or resumes those in it.
 * @param path `undefined` keeps the annotations in memory
 * @param config everything that decides the answers
 * @throws CheckpointError as `claimDirectory`, and for damaged rows
 */
export async function openStore<A>(
  path: string | undefined,
  config: object,
  resume: boolean,
): Promise<AnnotationStore<A>> {
  if (path === undefined) return inMemory();
  return claimDirectory(path, config, resume, (lock) => inDirectory(path, lock));
}

async function inDirectory<A>(path: string, lock: RunLock): Promise<AnnotationStore<A>> {
  const file = join(path, annotationsFile);
  const places = new Map<string, Place>();
  const known = new Map<string, Known>();
  const note = (row: ImageAnnotation<A>, place: Place) => {
    places.set(row.id, place);
    known.set(row.id, knownOf(row));
  };
  const rows = await openRowFile(file, lock, (line, where, place) => note(readAnnotationRow<A>(line, where), place));
  return {
    known,
    async append(added) {
      const written = await rows.append(added);
      for (const [i, row] of added.entries()) note(row, written[i]!);
    },
    async finish(ids) {
      await order(
        file,
        rows,
        ids.map((id) => places.get(id)!),
      );
      await writeCsv(path, rows.write);
    },
    writeFile: (name, text) =>
      rows.write(join(path, name), async () => writeAtomically(join(path, name), await text())),
    annotations: annotationsIn(file),
    close: lock.release,
  };
}

/** Whether the model answered, and its text is no annotation. */
export const isUnreadable = <A>(row: ImageAnnotation<A>): boolean => row.answer === null && !hasFailed(row);

const knownOf = <A>(row: ImageAnnotation<A>): Known => ({
  ...(row.subject !== undefined && { subject: row.subject }),
  ...(hasFailed(row) && { failure: row.failure }),
  isTemporary: row.isTemporary === true,
  isUnreadable: isUnreadable(row),
  isCutOff: row.finishReason === "length",
});

/** Writes `annotations.csv` from `annotations.jsonl`. */
export function writeCsv(path: string, write: RowFile["write"]): Promise<void> {
  const table = join(path, "annotations.csv");
  const rows = () => annotationsIn<unknown>(join(path, annotationsFile));
  return write(table, () => writeAtomically(table, annotationsCsv(rows)));
}

/** Rewrites a file of rows in another order, unless it has that order. */
async function order(file: string, rows: RowFile, places: readonly Place[]): Promise<void> {
  const inOrder = places.every(({ start }, i) => start === (i === 0 ? 0 : places[i - 1]!.end));
  if (inOrder && (places.at(-1)?.end ?? 0) === (await sizeOf(file))) return;
  await rows.write(file, () => writeAtomically(file, textsAt(places.map((place) => ({ file, place })))));
}

/** The rows at these places of some files, one after the other. */
export async function* textsAt(
  rows: Iterable<{ readonly file: string; readonly place: Place }>,
): AsyncGenerator<Uint8Array> {
  const handles = new Map<string, Awaited<ReturnType<typeof open>>>();
  try {
    for (const { file, place } of rows) {
      const handle = handles.get(file) ?? (await open(file));
      handles.set(file, handle);
      const length = place.end - place.start;
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(length), 0, length, place.start);
      if (bytesRead < length)
        throw new CheckpointError(`${file}: expected ${length} bytes at ${place.start}, got fewer`);
      yield buffer;
    }
  } finally {
    for (const handle of handles.values()) await handle.close();
  }
}

function annotationsIn<A>(file: string): AnnotationStream<A> {
  return annotationStream(async function* () {
    let number = 0;
    for await (const { text } of wholeRows(file)) yield readAnnotationRow<A>(text, `${file}: line ${++number}`);
  });
}

/** Makes a stream that reads from the start at each iteration; awaiting it reads once. */
function annotationStream<A>(read: () => AsyncIterable<ImageAnnotation<A>>): AnnotationStream<A> {
  let all: Promise<readonly ImageAnnotation<A>[]> | undefined;
  const collect = async () => {
    const rows: ImageAnnotation<A>[] = [];
    for await (const row of read()) rows.push(row);
    return rows;
  };
  return {
    // biome-ignore lint/suspicious/noThenProperty: being awaitable is the point
    then(onFulfilled, onRejected) {
      all ??= collect();
      return all.then(onFulfilled, onRejected);
    },
    [Symbol.asyncIterator]: () => read()[Symbol.asyncIterator](),
  };
}

function inMemory<A>(): AnnotationStore<A> {
  const rows = new Map<string, ImageAnnotation<A>>();
  const known = new Map<string, Known>();
  let ids: readonly string[] = [];
  return {
    known,
    async append(added) {
      for (const row of added) {
        rows.set(row.id, row);
        known.set(row.id, knownOf(row));
      }
    },
    async finish(order) {
      ids = order;
    },
    writeFile: async () => {},
    annotations: annotationStream(async function* () {
      for (const id of ids) yield rows.get(id)!;
    }),
    close: async () => {},
  };
}

/**
 * Reads the annotations that `annotateDataset` wrote into its `runDir`, also while it is under way.
 * @throws CheckpointError for a directory without annotations, or a row that is not one
 * @example
 * for await (const { id, answer } of readAnnotations("runs/annotate")) console.log(id, answer);
 */
export function readAnnotations<A>(runDir: string): AnnotationStream<A> {
  checkArguments("readAnnotations", { runDir }, { runDir: textKind });
  const file = join(runDir, annotationsFile);
  return annotationStream(async function* () {
    if ((await sizeOf(file)) === undefined)
      throw new CheckpointError(`${file}: expected the annotations of annotateDataset, got no such file`);
    yield* annotationsIn<A>(file);
  });
}
