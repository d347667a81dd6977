import { createReadStream } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { BackendError, DataError } from "../../errors";
import { listed } from "../../options/display";
import { weightFiles } from "../files/directory";
import { type HeaderTensor, inPieces, isStored, readHeader, readTensor, type StoredTensor } from "../files/safetensors";
import type { Architecture } from "../parts/architecture";
import type { ReducedPrecision } from "./quantize";
import { expectedTensors } from "./recorded";

/** A checkpoint's tensors under Qwen's published names, wherever they are stored. */
export interface Checkpoint {
  readonly dir: string;
  /** The folder with the actual files (a Hugging Face cache links to it). */
  readonly folder: string;
  /** `file` is a name inside `folder`. */
  readonly tensors: ReadonlyMap<string, StoredTensor & { readonly file: string }>;
  /** @throws BackendError for a file that was replaced after it was opened */
  read(name: string): Promise<Float32Array>;
  /** The files as they were opened; absent where nothing replaces them. */
  readonly versions?: readonly FileVersion[];
  /** Linear layers with quantized matrices, which are not among `tensors`. */
  readonly rounded?: ReadonlyMap<string, RoundedLayer>;
}

/** Identifies a file without reading it through; sizes and times are −1 for a missing one. */
type FileVersion = readonly [file: string, size: number, mtimeMs: number];

/** The position of a quantized matrix. */
export interface RoundedLayer {
  readonly precision: ReducedPrecision;
  readonly numbers: HeaderTensor & { readonly file: string };
  readonly scale: HeaderTensor & { readonly file: string };
}

type Placed = HeaderTensor & { readonly file: string };

/**
 * Opens the safetensors of a Hugging Face directory, one file or sharded, without reading the data.
 * @throws DataError listing every tensor that is missing, unexpected, or differs in shape or type from the
 * configuration
 */
export async function openCheckpoint(dir: string, architecture: Architecture): Promise<Checkpoint> {
  const files = await Promise.all((await weightFiles(dir)).map((file) => realpath(join(dir, file))));
  const folder = dirname(files[0]!);
  const elsewhere = files.find((file) => dirname(file) !== folder);
  if (elsewhere) throw new DataError(`${dir}: expected all weights in one folder, got ${files[0]} and ${elsewhere}`);
  const versions = await versionsOf(
    folder,
    files.map((file) => basename(file)),
  );
  const { found, problems: twice } = await headersOf(files, architecture.canonicalName);
  const { tensors, problems } = matched(found, architecture);
  problems.unshift(...twice);
  const head = found.get(`${architecture.untiedHead}.weight`);
  const embedding = tensors.get(`${architecture.embeddings}.weight`);
  // If the head differs from the embeddings, transformers unties them, whatever config.json says.
  const isTied = architecture.config.text.tieWordEmbeddings;
  if (isTied && head && embedding && !(await areEqual(folder, head, embedding)))
    problems.push(
      `${architecture.untiedHead}.weight: expected a copy of ${architecture.embeddings}.weight, as config.json ties them, got other numbers; tie_word_embeddings false in config.json keeps both`,
    );
  if (problems.length > 0)
    throw new DataError(
      `${dir}: the weights do not fit config.json${emptyShards(found)}\n  ${listed(problems, "\n  ", mostProblems)}`,
    );
  return {
    dir,
    folder,
    tensors,
    versions,
    async read(name) {
      const stored = tensors.get(name);
      if (!stored) throw new DataError(`${dir}: tensor ${name} is missing`);
      await checkUnchanged({ folder, versions });
      return readTensor(join(folder, stored.file), stored);
    },
  };
}

/** The rows of a tensor as float32, some at once, so that memory never holds a large tensor. */
export async function* readRows(
  checkpoint: Checkpoint,
  name: string,
): AsyncGenerator<{ readonly first: number; readonly numbers: Float32Array }> {
  const stored = checkpoint.tensors.get(name)!;
  for (const { first, tensor } of inPieces(stored)) {
    await checkUnchanged(checkpoint);
    yield { first, numbers: await readTensor(join(checkpoint.folder, stored.file), tensor) };
  }
}

/**
 * Checks that a checkpoint's files are those that were opened. Others may have other numbers at other places, which
 * would be read as weights without an error.
 * @throws BackendError naming a file that was replaced
 */
export async function checkUnchanged({
  folder,
  versions = [],
}: Pick<Checkpoint, "folder" | "versions">): Promise<void> {
  const now = await versionsOf(
    folder,
    versions.map(([file]) => file),
  );
  const replaced = versions.find((version, i) => version.join() !== now[i]!.join());
  if (replaced)
    throw new BackendError(
      `${join(folder, replaced[0])}: expected the weights that were there when the model was opened, got another file; open the model again`,
      { scope: "backend" },
    );
}

const versionsOf = (folder: string, files: readonly string[]): Promise<FileVersion[]> =>
  Promise.all(
    files.map(async (file): Promise<FileVersion> => {
      const { size, mtimeMs } = await stat(join(folder, file)).catch(() => ({ size: -1, mtimeMs: -1 }));
      return [file, size, mtimeMs];
    }),
  );

/** The headers of all files, by canonical names, and a problem for each duplicate name. */
async function headersOf(files: readonly string[], canonicalName: (stored: string) => string) {
  const found = new Map<string, Placed>();
  const problems: string[] = [];
  for (const path of files)
    for (const [storedName, tensor] of await readHeader(path)) {
      const name = canonicalName(storedName);
      const file = basename(path);
      const other = found.get(name);
      if (other) problems.push(`${name}: expected one tensor, got one in ${other.file} and ${storedName} in ${file}`);
      found.set(name, { ...tensor, file });
    }
  return { found, problems };
}

/** The tensors that the network asks for, and a problem for each that is missing, unexpected or different. */
function matched(found: ReadonlyMap<string, Placed>, architecture: Architecture) {
  const expected = expectedTensors(architecture);
  const tensors = new Map<string, StoredTensor & Placed>();
  const problems: string[] = [];
  const missing: string[] = [];
  for (const [name, shape] of expected) {
    const tensor = found.get(name);
    if (tensor && isStored(tensor) && tensor.shape.join() === shape.join()) tensors.set(name, tensor);
    else
      (tensor ? problems : missing).push(`${name}: expected F32, F16 or BF16 ${showShape(shape)}, got ${show(tensor)}`);
  }
  const isRedundant = (name: string) =>
    name === `${architecture.untiedHead}.weight` || name.endsWith(rotaryFrequencies);
  const unexpected = [...found]
    .filter(([name]) => !expected.has(name) && !isRedundant(name))
    .map(([name, tensor]) => `${name}: expected none, got ${show(tensor)}`);
  // Alternating, so that each missing name stands beside an unexpected one.
  for (let i = 0; i < Math.max(missing.length, unexpected.length); i++)
    problems.push(...missing.slice(i, i + 1), ...unexpected.slice(i, i + 1));
  return { tensors, problems };
}

/** Whether two tensors hold the same numbers, read a piece at a time. */
async function areEqual(
  folder: string,
  a: HeaderTensor & { readonly file: string },
  b: HeaderTensor & { readonly file: string },
): Promise<boolean> {
  if (a.dtype !== b.dtype || a.bytes !== b.bytes) return false;
  const [first, second] = [a, b].map(({ file, offset, bytes }) =>
    createReadStream(join(folder, file), { start: offset, end: offset + bytes - 1, highWaterMark: 2 ** 20 }),
  );
  const others = second![Symbol.asyncIterator]();
  for await (const piece of first!) if (!piece.equals((await others.next()).value)) return false;
  return true;
}

/** Lines of an error: a checkpoint of another network has hundreds of differences. */
const mostProblems = 20;

const showShape = (shape: readonly number[]) => `[${shape.join(", ")}]`;
const show = (tensor: HeaderTensor | undefined) => (tensor ? `${tensor.dtype} ${showShape(tensor.shape)}` : "none");

/** Explains empty tensors: DeepSpeed splits matrices over processes, and saves ungathered ones as empty. */
export function emptyShards(tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>): string {
  const empty = [...tensors.values()].filter(({ shape }) => shape.includes(0)).length;
  return empty === 0
    ? ""
    : `: ${empty} of its ${tensors.size} tensors are empty, as DeepSpeed ZeRO-3 saves those that it did not gather; make whole ones of its checkpoint with zero_to_fp32.py, or save with stage3_gather_16bit_weights_on_model_save`;
}

/** Tensors that old versions of transformers stored, although they follow from the configuration. */
const rotaryFrequencies = ".inv_freq";
