import { createReadStream } from "node:fs";
import { appendFile } from "node:fs/promises";
import { dirname } from "node:path";
import { CheckpointError } from "../../errors";
import { cutOff, flush, flushFolder, jsonl, sizeOf, writing } from "./files";
import type { RunLock } from "./lock";

/** The bytes of a row in its file, its line end included. */
export interface Place {
  readonly start: number;
  readonly end: number;
}

/** A file of JSON rows that grows. A row is whole and on the disk once `append` resolves, or it is cut off later. */
export interface RowFile {
  /** Appends rows in one piece, behind those of earlier calls. */
  append(rows: readonly object[]): Promise<readonly Place[]>;
  /** Does other writing of the directory, if it still belongs to this process; an error says what is intact. */
  write<T>(what: string, put: () => Promise<T>): Promise<T>;
}

/**
 * Opens a file of rows, and cuts off what a killed process wrote of its last row.
 *
 * @param read receives every whole row that is there, in order
 * @throws CheckpointError for a file that cannot be read or written
 */
export async function openRowFile(
  file: string,
  lock: RunLock,
  read: (line: string, where: string, place: Place) => void,
): Promise<RowFile> {
  let count = 0;
  let end = 0;
  for await (const { text, place } of wholeRows(file)) {
    read(text, `${file}: line ${++count}`, place);
    end = place.end;
  }
  const write: RowFile["write"] = (what, put) =>
    writing(
      what,
      () => `${count} rows are intact`,
      async () => {
        await lock.check();
        return put();
      },
    );
  await write(file, () => cutOff(file, end));
  await flushFolder(dirname(file));
  let last: Promise<void> = Promise.resolve();
  const waiting: string[] = [];
  return {
    write,
    async append(rows) {
      const places = rows.map((row) => {
        const text = jsonl([row]);
        waiting.push(text);
        const start = end;
        end += Buffer.byteLength(text);
        return { start, end };
      });
      // Writes run one after another, so that rows never mix; each writes all rows that wait.
      last = last.then(async () => {
        const texts = waiting.splice(0);
        if (texts.length === 0) return;
        await write(file, async () => {
          await appendFile(file, texts.join(""));
          await flush(file);
        });
        count += texts.length;
      });
      await last;
      return places;
    },
  };
}

const newline = 10;

/** The whole rows of a file, and where they lie; a missing file has none. */
export async function* wholeRows(file: string): AsyncGenerator<{ readonly text: string; readonly place: Place }> {
  if ((await sizeOf(file)) === undefined) return;
  // Pieces of a row that has not ended yet. They are joined once, so that a long row costs linear time.
  let pieces: Buffer[] = [];
  let start = 0;
  try {
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
      let from = 0;
      for (let to = chunk.indexOf(newline); to !== -1; to = chunk.indexOf(newline, from)) {
        const line = Buffer.concat([...pieces, chunk.subarray(from, to)]);
        const end = start + line.length + 1;
        yield { text: line.toString("utf8"), place: { start, end } };
        [pieces, start, from] = [[], end, to + 1];
      }
      pieces.push(chunk.subarray(from));
    }
  } catch (cause) {
    if (!(cause instanceof Error && "syscall" in cause)) throw cause;
    throw new CheckpointError(`${file}: expected readable rows of an earlier run: ${String(cause)}`, { cause });
  }
}
