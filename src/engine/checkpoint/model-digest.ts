import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkUnchanged } from "../../models/checkpoint/weights";
import { indexFile, settingsFiles } from "../../models/files/directory";
import type { VisionLanguageModel } from "../../models/open-model";
import type { Policy } from "../policy";

/**
 * SHA-256 of everything that decides a checkpoint's output: configuration, tokenizer, chat template, image processor,
 * every byte of every weight, by name, and a policy's precision. The path, the requested name and the split into files
 * do not count. It reads all weights: about 0.7 seconds a gigabyte.
 */
export async function modelDigest(
  { dir, checkpoint }: Pick<VisionLanguageModel, "dir" | "checkpoint">,
  { checkpoint: multiplied, halfProducts = false }: Pick<Policy, "checkpoint" | "halfProducts">,
): Promise<string> {
  const hash = createHash("sha256");
  const present = new Set(await readdir(dir));
  for (const file of settingsFiles)
    if (file !== indexFile && present.has(file)) hash.update(`${file}\n`).update(await readFile(join(dir, file)));
  await checkUnchanged(checkpoint);
  const { folder, tensors } = checkpoint;
  for (const [name, { file, dtype, shape, offset, bytes }] of [...tensors].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${name} ${dtype} ${shape}\n`);
    if (bytes === 0) continue;
    const range = { start: offset, end: offset + bytes - 1, highWaterMark: 2 ** 22 };
    for await (const piece of createReadStream(join(folder, file), range)) hash.update(piece);
  }
  const rounded = [...(multiplied.rounded?.values() ?? [])].map(({ precision }) => precision);
  return hash.update([...new Set(rounded), ...(halfProducts ? ["half"] : [])].join()).digest("hex");
}
