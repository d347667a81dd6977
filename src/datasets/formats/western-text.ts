import { DataError } from "../../errors";

/**
 * Decodes UTF-8, or else Windows-1252.
 *
 * Any bytes decode as Windows-1252, so only bytes that Western text has are accepted: an accented letter, or two small
 * ones ("größer"), between ASCII characters, and typographic quotes, dashes and dots. Other scripts fill words with
 * such bytes, and would become other words.
 *
 * @throws DataError with the line of the first byte that is neither
 */
export function decodeWestern(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    const text = Buffer.from(bytes).toString("latin1");
    const at = text.search(notWestern);
    if (at >= 0) {
      const line = text.slice(0, at).split("\n").length;
      const found = Buffer.from(bytes.subarray(at, at + 4))
        .toString("hex")
        .replace(/..(?=.)/g, "$& ");
      throw new DataError(
        `${path}:${line}: expected UTF-8 or Windows-1252, got other bytes: ${found}; save it as UTF-8`,
        {
          cause,
        },
      );
    }
    return text.replace(/[\x80-\x9f]/g, (character) => windows[character.charCodeAt(0) - 0x80]!);
  }
}

/**
 * Matches a byte that Windows-1252 lacks; a large letter behind a small one, or a symbol inside a word ("ladyÕs" and
 * "W¹ska" are Mac and Polish text); or two adjacent bytes that are neither both punctuation nor, alone, a letter and a
 * closing quote or two small letters.
 */
const notWestern =
  /[\x81\x8d\x8f\x90\x9d]|(?<=[a-z])[\x8a\x8c\x8e\x9f\xc0-\xd6\xd8-\xde]|(?<=[A-Za-z])[\x88\xa1-\xac\xae-\xb3\xb5\xb6\xb8-\xbf](?=[a-z])|(?![\x85\x91-\x97\xa0]{2}|(?<![\x80-\xff])(?:[\xc0-\xff][\x92\x94]|[\xdf-\xf6\xf8-\xff]{2})(?![\x80-\xff]))[\x80-\xff]{2}/;

/** Windows-1252's characters in place of Latin-1's control characters; Node 20's own decoder confuses the two. */
const windows = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ";
