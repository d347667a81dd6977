import { mkdir, mkdtemp, realpath, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp from "sharp";

/** A folder of its own below the system's, where links are already followed. */
export async function temporaryFolder(): Promise<string> {
  return realpath(await mkdtemp(join(tmpdir(), "rise-data-")));
}

/** Files by their path below `folder`. */
export async function writeFiles(
  folder: string,
  files: Readonly<Record<string, string | Uint8Array | object>>,
): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true });
    const isJson = typeof content === "object" && !(content instanceof Uint8Array);
    await writeFile(file, isJson ? JSON.stringify(content) : content);
  }
}

/** A JPEG of one colour. */
export function jpeg(width: number, height: number, orientation = 1): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: "teal" } })
    .jpeg()
    .withMetadata({ orientation })
    .toBuffer();
}
