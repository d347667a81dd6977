import { createRequire } from "node:module";
import { cpus, totalmem } from "node:os";
import { join, resolve } from "node:path";
import type { Example } from "../../types";
import { jsonl, writeAtomically, writing } from "./files";

/**
 * Writes the files that let a report be made from a directory alone: `examples.jsonl`, the id, image and subject of
 * each example, and `environment.json`, the versions and the machine. An image in memory has no path, and is left out.
 */
export async function writeContext(folder: string, examples: readonly Example<unknown>[]): Promise<void> {
  const write = (name: string, text: string | Iterable<string>) =>
    writing(
      join(folder, name),
      () => "the rest of the directory is intact",
      () => writeAtomically(join(folder, name), text),
    );
  await write("examples.jsonl", rows(examples));
  await write("environment.json", `${JSON.stringify(environment(), null, 2)}\n`);
}

function* rows(examples: readonly Example<unknown>[]): Generator<string> {
  for (const { id, image, subject } of examples)
    yield jsonl([{ id, ...(typeof image === "string" && { image: resolve(image) }), subject }]);
}

function environment(): object {
  const { version } = createRequire(import.meta.url)("rise-ts/package.json") as { version: string };
  const [first, ...others] = cpus();
  return {
    "rise-ts": version,
    node: process.versions.node,
    system: `${process.platform} ${process.arch}`,
    processor: first && `${others.length + 1} × ${first.model.trim()}`,
    memoryBytes: totalmem(),
  };
}
