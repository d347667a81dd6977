import { appendFile } from "node:fs/promises";
import { dirname } from "node:path";
import { flush, flushFolder } from "../../files/flush";
import { cutOff, jsonl, type Place, wholeRows, writing } from "./files";
import type { RunLock } from "./lock";

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
      () => `the rows before it are intact, ${count} in all`,
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
