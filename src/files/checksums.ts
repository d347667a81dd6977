import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The digests of a folder's files, as `sha256sum --check` reads them. */
export const sumsFile = "SHA256SUMS";

/** Writes the SHA-256 of these files of a folder, read back from the disk. */
export async function writeSums(folder: string, names: readonly string[]): Promise<void> {
  const lines: string[] = [];
  for (const name of names) lines.push(`${await sha256Of(join(folder, name))}  ${name}\n`);
  await writeFile(join(folder, sumsFile), lines.join(""));
}

/**
 * Names what is wrong with a folder that `writeSums` described; `undefined` if every file still has the same bytes.
 * @param expected names that must be among the files
 */
export async function sumsProblem(folder: string, expected: readonly string[] = []): Promise<string | undefined> {
  const file = join(folder, sumsFile);
  const text = await readFile(file, "utf8").catch((error: Error) => error);
  if (text instanceof Error) return `${file}: expected the digests of the files beside it: ${text.message}`;
  const lines = text.split("\n").slice(0, -1);
  const sums = lines.flatMap((line) => {
    const [, sum, name] = /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? [];
    return sum && name ? [{ sum, name }] : [];
  });
  const missing = expected.find((name) => !sums.some((known) => known.name === name));
  if (sums.length < lines.length || !text.endsWith("\n") || missing !== undefined)
    return `${file}: expected a line of digest and name for every file, got ${missing === undefined ? "others" : `none for ${missing}`}`;
  for (const { sum, name } of sums) {
    const path = join(folder, name);
    const found = await sha256Of(path).catch((error: NodeJS.ErrnoException) => error);
    if (found instanceof Error)
      return found.code === "ENOENT" ? `${path} is missing, which ${sumsFile} names` : `${path}: ${found.message}`;
    if (found !== sum) return `${path} is damaged: expected SHA-256 ${sum}, got ${found}`;
  }
  return undefined;
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(file, { highWaterMark: 2 ** 22 })) hash.update(piece);
  return hash.digest("hex");
}
