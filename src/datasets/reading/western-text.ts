import { DataError } from "../../errors";

/**
 * Decodes UTF-8, and Windows-1252 where bytes are not that.
 *
 * Any bytes are some text in Windows-1252, so only those pass for it that Western text has: accented letters one at a time, between ASCII
 * characters, and typographic quotes, dashes and dots. Other scripts fill words with such bytes, and would become other words.
 *
 * @throws DataError with the line of what is neither
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
        `${path}:${line}: expected UTF-8 or Windows-1252, found other bytes: ${found}; save it as UTF-8`,
        {
          cause,
        },
      );
    }
    return text.replace(/[\x80-\x9f]/g, (character) => windows[character.charCodeAt(0) - 0x80]!);
  }
}

/** Two letters side by side, a letter beside a mark that is no punctuation, or a byte that Windows-1252 has not. */
const notWestern = /[\x81\x8d\x8f\x90\x9d]|[\x80-\x84\x86-\x90\x95\x98-\x9f\xa1-\xff]{2}/;

/** What Windows-1252 has where Latin-1 has control characters; Node 20's own decoder takes one for the other. */
const windows = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ";
