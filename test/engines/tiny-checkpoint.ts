import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const checkpoint = fileURLToPath(new URL("../../examples/tiny-vlm/checkpoint", import.meta.url));

/** Copies the tiny checkpoint, with its chat template in the file where transformers 5 processors look for it. */
export async function tinyCheckpoint(folder: string): Promise<string> {
  const copy = join(folder, "tiny-vlm");
  await cp(checkpoint, copy, { recursive: true });
  const { chat_template } = JSON.parse(await readFile(join(copy, "tokenizer_config.json"), "utf8"));
  await writeFile(join(copy, "chat_template.jinja"), chat_template);
  return copy;
}
