import { createReadStream } from "node:fs";
import { DataError } from "../../errors";
import { kindInsteadOfText } from "../../files/kind";

/** A line without its end, and `file:number` for messages. */
export interface Line {
  readonly text: string;
  readonly where: string;
}

/** Bytes of a line or record; more is no row of a data set, and would be held in memory whole. */
export const longestLine = 16 * 2 ** 20;

/**
 * The lines of a UTF-8 file, one at a time. A byte-order mark and carriage returns at line ends are taken off.
 * @throws DataError for a file that cannot be read, a line above `longestLine`, and bytes that are no UTF-8
 */
export function readLines(path: string): AsyncGenerator<Line> {
  return splitLines(readChunks(path), path);
}

/** The bytes of a text file, 64 KiB at a time. */
async function* readChunks(path: string, expected = "text in UTF-8"): AsyncGenerator<Uint8Array> {
  const stream = createReadStream(path);
  let isFirst = true;
  try {
    for await (const chunk of stream) {
      if (isFirst) checkTextFile(path, chunk, expected);
      isFirst = false;
      yield chunk;
    }
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError(`${path}: expected a readable file: ${String(cause)}`, { cause });
  }
}

/**
 * The text of a UTF-8 file in pieces, without a byte-order mark.
 * @param expected what the file should be, for the message about one that is something else
 * @throws DataError for a file that cannot be read, one that is no text by its first bytes, and bytes that are no UTF-8
 */
export async function* readText(path: string, expected?: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const decode = (bytes?: Uint8Array) => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined });
    } catch (cause) {
      throw new DataError(`${path}: expected UTF-8, found other bytes; save it as UTF-8`, { cause });
    }
  };
  for await (const chunk of readChunks(path, expected)) yield decode(chunk);
  yield decode();
}

/** As `readLines`, of bytes that come in pieces. */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>, path: string): AsyncGenerator<Line> {
  let number = 1;
  let pieces: Uint8Array[] = [];
  let length = 0;
  const add = (piece: Uint8Array) => {
    pieces.push(piece);
    length += piece.length;
    if (length > longestLine)
      throw new DataError(
        `${path}:${number}: expected lines of at most ${longestLine / 2 ** 20} MiB, found a longer one`,
      );
  };
  const finish = (): Line => {
    const where = `${path}:${number}`;
    const text = decode(Buffer.concat(pieces), where).replace(/\r$/, "");
    number++;
    [pieces, length] = [[], 0];
    return { text: number === 2 ? text.replace(/^\uFEFF/, "") : text, where };
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      add(chunk.subarray(start, end));
      yield finish();
      start = end + 1;
    }
    add(chunk.subarray(start));
  }
  if (length > 0) yield finish();
}

const newline = 10;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decode(bytes: Uint8Array, where: string): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new DataError(`${where}: expected UTF-8, found other bytes; save it as UTF-8`, { cause });
  }
}

/**
 * Refuses a file that begins as no text does.
 * @param head the first bytes, 512 or more where the file has them
 * @param expected what the file should be, for the message
 * @throws DataError naming what the file is instead, and what to do
 */
export function checkTextFile(path: string, head: Uint8Array, expected: string): void {
  const kind = kindInsteadOfText(head);
  if (kind !== undefined) throw new DataError(`${path}: expected ${expected}, got ${kind}`);
}
