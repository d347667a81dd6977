import { cpus, totalmem } from "node:os";
import { join, resolve } from "node:path";
import type { VlmBackend } from "../../backend";
import { packageVersion } from "../../files/package-path";
import type { Example } from "../../types";
import { jsonl, readJson, sizeOf, writeAtomically, writing } from "./files";

/**
 * Writes the files that let a report be made from a directory alone: `examples.jsonl`, the id, image and subject of
 * each example, and `environment.json`, the versions, the machine and the device. An image in memory has no path, and
 * is left out.
 */
export async function writeContext(
  folder: string,
  examples: readonly Example<unknown>[],
  { versions }: Pick<VlmBackend, "versions">,
): Promise<void> {
  await write(join(folder, "examples.jsonl"), rows(examples));
  await write(join(folder, "environment.json"), `${JSON.stringify({ ...environment(), ...versions }, null, 2)}\n`);
}

/** A prompt of each kind, such as "cot", "reconstruction" and "answer", as the model got it. */
export type PromptTexts = Readonly<Record<string, string>>;

/** Adds to `prompts.json` the kinds of prompts that it lacks, for a report. */
export async function writePrompts(folder: string, prompts: PromptTexts): Promise<void> {
  const file = join(folder, "prompts.json");
  const known = (await sizeOf(file)) === undefined ? {} : ((await readJson(file)) as PromptTexts);
  if (Object.keys(prompts).some((kind) => !Object.hasOwn(known, kind)))
    await write(file, `${JSON.stringify({ ...prompts, ...known }, null, 2)}\n`);
}

const write = (file: string, text: string | Iterable<string>) =>
  writing(
    file,
    () => "the rest of the directory is intact",
    () => writeAtomically(file, text),
  );

function* rows(examples: readonly Example<unknown>[]): Generator<string> {
  for (const { id, image, subject } of examples)
    yield jsonl([{ id, ...(typeof image === "string" && { image: resolve(image) }), subject }]);
}

function environment(): object {
  const [first, ...others] = cpus();
  return {
    "rise-ts": packageVersion("rise-ts"),
    node: process.versions.node,
    system: `${process.platform} ${process.arch}`,
    processor: first && `${others.length + 1} × ${first.model.trim()}`,
    memoryBytes: totalmem(),
  };
}
