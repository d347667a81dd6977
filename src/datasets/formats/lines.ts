import { createReadStream } from "node:fs";
import { DataError } from "../../errors";
import { kindInsteadOfText } from "../../files/kind";
import { unopened } from "../reading/missing";

/** A line without its end, and `file:number` for messages. */
export interface Line {
  readonly text: string;
  readonly where: string;
}

/** The most bytes of a line or record. A longer one is not a row of a data set, and would fill the memory. */
export const longestLine = 16 * 2 ** 20;

/**
 * Yields the lines of a UTF-8 file, without a byte-order mark and without carriage returns at line ends.
 * @throws DataError for a file that cannot be read, a line above `longestLine`, and bytes that are not UTF-8
 */
export function readLines(path: string): AsyncGenerator<Line> {
  return splitLines(readChunks(path), path);
}

/** Yields the bytes of a text file, 64 KiB at a time. */
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
    throw await unopened(path, "a readable file", cause as NodeJS.ErrnoException);
  }
}

/**
 * Yields the text of a UTF-8 file in pieces, without a byte-order mark.
 * @param expected the expected kind of file, for error messages
 * @throws DataError for a file that cannot be read, whose first bytes are not text, or that is not UTF-8
 */
export async function* readText(path: string, expected?: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const decode = (bytes?: Uint8Array) => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined });
    } catch (cause) {
      throw new DataError(`${path}: expected UTF-8, got other bytes; save it as UTF-8`, { cause });
    }
  };
  for await (const chunk of readChunks(path, expected)) yield decode(chunk);
  yield decode();
}

/** Like `readLines`, for bytes that come in pieces. */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>, path: string): AsyncGenerator<Line> {
  let number = 1;
  let pieces: Uint8Array[] = [];
  let length = 0;
  const add = (piece: Uint8Array) => {
    pieces.push(piece);
    length += piece.length;
    if (length > longestLine)
      throw new DataError(
        `${path}:${number}: expected lines of at most ${longestLine / 2 ** 20} MiB, got a longer one`,
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
    throw new DataError(`${where}: expected UTF-8, got other bytes; save it as UTF-8`, { cause });
  }
}

/**
 * Refuses a file that does not begin like text.
 * @param head the first 512 bytes or more, or the whole file
 * @param expected the expected kind of file, for the message
 * @throws DataError naming the actual kind of file, and what to do
 */
export function checkTextFile(path: string, head: Uint8Array, expected: string): void {
  const kind = kindInsteadOfText(head);
  if (kind !== undefined) throw new DataError(`${path}: expected ${expected}, got ${kind}`);
}
