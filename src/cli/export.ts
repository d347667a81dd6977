import { type ExportOptions, exportTransformersJs } from "../export";
import type { Write } from "./command";

/**
 * Writes a checkpoint for transformers.js, in Node and in browsers, and prints the size of every file.
 * @param model a Hugging Face directory, or a hub id
 * @param dir folder to make
 * @throws RiseError as `exportTransformersJs` does
 */
export async function exportModel(
  write: Write,
  model: string,
  dir: string,
  options: ExportOptions = {},
): Promise<number> {
  const { files, bytes } = await exportTransformersJs(model, dir, options);
  const row = (name: string, size: number) => write(`${name.padEnd(46)}${(size / 1e6).toFixed(2).padStart(10)} MB\n`);
  for (const [file, size] of Object.entries(files)) row(file, size);
  row("all files", bytes);
  return 0;
}
