import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { DataError, ShapeError } from "../../errors";
import { kindBytes, kindInsteadOfText } from "../../files/kind";
import { openFile } from "../../files/open";
import { excerpt, shown } from "../../options/display";

/** The number format of a stored tensor. */
export type StoredDtype = "F32" | "F16" | "BF16";

/** A tensor's type, shape and position in its file. */
export interface HeaderTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Counted from the beginning of the file. */
  readonly offset: number;
  readonly bytes: number;
}

/** A tensor of a readable type. */
export interface StoredTensor extends HeaderTensor {
  readonly dtype: StoredDtype;
}

const bytesPer: Readonly<Record<StoredDtype, number>> = { F32: 4, F16: 2, BF16: 2 };
const largestHeader = 100_000_000;

/** Dimensions of a tensor; the networks here have five at most. */
const mostDimensions = 16;

/**
 * The tensors of a safetensors file, without their data.
 * @throws DataError naming the file, the tensor and what is wrong
 */
export async function readHeader(path: string): Promise<Map<string, HeaderTensor>> {
  const file = await openFile(path, "a safetensors file");
  try {
    const { size } = await file.stat();
    const length = size < 8 ? 0 : Number(Buffer.from(await readBytes(file, path, 0, 8)).readBigUInt64LE());
    if (length === 0 || length > Math.min(size - 8, largestHeader)) {
      const kind = kindInsteadOfText(await readBytes(file, path, 0, Math.min(size, kindBytes)));
      throw new DataError(
        kind === undefined || kind === "a safetensors file"
          ? `${path}: not a safetensors file: it says its header has ${length} bytes, and it has ${size} in all`
          : `${path}: expected a safetensors file, got ${kind}`,
      );
    }
    const text = new TextDecoder().decode(await readBytes(file, path, 8, length));
    return parseHeader(text, 8 + length, size, path);
  } finally {
    await file.close();
  }
}

function parseHeader(text: string, dataStart: number, size: number, path: string): Map<string, HeaderTensor> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new DataError(`${path}: its header is not JSON: ${(cause as Error).message}`, { cause });
  }
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new DataError(`${path}: malformed header: expected an object, got ${shown(json)}`);
  const entries = Object.entries(json).filter(([name]) => name !== "__metadata__");
  const malformed = entries.find(([, entry]) => !isEntry(entry));
  if (malformed)
    throw new DataError(
      `${path}: malformed header: tensor ${excerpt(malformed[0])}: expected dtype, shape and data_offsets, got ${shown(malformed[1])}`,
    );
  // A tensor without elements may begin where another one does, in any order of the header.
  const byPlace = (entries as [string, Entry][]).sort(
    ([, { data_offsets: a }], [, { data_offsets: b }]) => a[0] - b[0] || a[1] - b[1],
  );
  const tensors = new Map<string, HeaderTensor>();
  let previousEnd = 0;
  for (const [name, { dtype, shape, data_offsets }] of byPlace) {
    const [start, end] = data_offsets;
    if (start < previousEnd)
      throw new DataError(`${path}: tensor ${name} begins at ${start}, inside the one before it`);
    previousEnd = end;
    const elements = shape.reduce((a, b) => a * b, 1);
    const expected = isStoredDtype(dtype) ? elements * bytesPer[dtype] : end - start;
    if (end - start !== expected || expected < 0 || dataStart + end > size)
      throw new DataError(
        `${path}: tensor ${name} (${dtype} [${shape.join(", ")}]) needs ${expected} bytes, but lies at ${start}…${end} of ${size - dataStart}`,
      );
    tensors.set(name, { dtype, shape, offset: dataStart + start, bytes: end - start });
  }
  return tensors;
}

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [start: number, end: number];
}

function isEntry(entry: unknown): entry is Entry {
  const { dtype, shape, data_offsets: place } = Object(entry) as Partial<Record<keyof Entry, unknown>>;
  const isCount = (x: unknown) => Number.isSafeInteger(x) && (x as number) >= 0;
  return (
    typeof dtype === "string" &&
    [shape, place].every((list) => Array.isArray(list) && list.length <= mostDimensions && list.every(isCount)) &&
    (place as unknown[]).length === 2
  );
}

export const isStored = (tensor: HeaderTensor): tensor is StoredTensor => isStoredDtype(tensor.dtype);

const isStoredDtype = (dtype: string): dtype is StoredDtype => Object.hasOwn(bytesPer, dtype);

/** One tensor's numbers as float32, which represents all three types exactly. */
export const readTensor = async (path: string, tensor: StoredTensor): Promise<Float32Array> =>
  toFloat32(await readTensorBytes(path, tensor), tensor.dtype);

/** One tensor as it is stored. */
export async function readTensorBytes(path: string, { offset, bytes }: HeaderTensor): Promise<Uint8Array<ArrayBuffer>> {
  const file = await openFile(path, "a safetensors file");
  try {
    return await readBytes(file, path, offset, bytes);
  } finally {
    await file.close();
  }
}

/**
 * Every tensor of a file as float32; those of other types (integer buffers) are left out.
 * @example
 * for (const [name, { shape }] of await readSafetensors("model.safetensors")) console.log(name, shape);
 */
export async function readSafetensors(
  path: string,
): Promise<Map<string, { shape: readonly number[]; data: Float32Array }>> {
  const tensors = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [name, stored] of await readHeader(path))
    if (isStored(stored)) tensors.set(name, { shape: stored.shape, data: await readTensor(path, stored) });
  return tensors;
}

/** One system call reads 2 GiB at most. */
async function readBytes(
  file: FileHandle,
  path: string,
  offset: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = allocate(length, path);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, Math.min(length - done, 2 ** 30), offset + done);
    if (bytesRead === 0)
      throw new DataError(`${path}: expected ${length} bytes at ${offset}, the file ends after ${done}`);
    done += bytesRead;
  }
  return bytes;
}

/** Allocates a buffer; a sparse file may claim more than any memory. */
function allocate(length: number, path: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(length);
  } catch (cause) {
    throw new DataError(`${path}: expected a tensor that fits into memory, got one of ${length} bytes`, { cause });
  }
}

/** Some rows of a matrix, or slices of a larger tensor, as a tensor of their own. */
function rowsOf(tensor: StoredTensor, first: number, count: number): StoredTensor {
  const bytes = tensor.bytes / tensor.shape[0]!;
  const shape = [count, ...tensor.shape.slice(1)];
  return { ...tensor, shape, offset: tensor.offset + first * bytes, bytes: count * bytes };
}

/** Numbers read at once. */
const pieceSize = 2 ** 22;

/** A tensor's rows, some at once, so that memory never holds a large tensor; `first` is a piece's first row. */
export function* inPieces(tensor: StoredTensor): Generator<{ readonly first: number; readonly tensor: StoredTensor }> {
  const [rows, ...rest] = tensor.shape as [number, ...number[]];
  const atOnce = Math.max(1, Math.floor(pieceSize / rest.reduce((a, b) => a * b, 1)));
  for (let first = 0; first < rows; first += atOnce)
    yield { first, tensor: rowsOf(tensor, first, Math.min(atOnce, rows - first)) };
}

/** A tensor to write; a function is called when its turn comes, so that not all numbers need be in memory. */
export interface WritableTensor {
  readonly shape: readonly number[];
  /** The numbers, or a function that reads them. */
  readonly data: Float32Array | (() => Float32Array | Promise<Float32Array>);
  /** The type in the file (the one that all tensors get). */
  readonly dtype?: StoredDtype;
}

export const bytesOf = ({ shape, dtype = "F32" }: Pick<WritableTensor, "shape" | "dtype">): number =>
  shape.reduce((a, b) => a * b, bytesPer[dtype]);

/**
 * Writes float32 tensors as `dtype`, or as their own type, rounding to nearest even; the file appears whole or not at
 * all.
 * @throws ShapeError when a tensor has another number of elements than its shape
 * @example
 * const tensors = new Map([["bias", { shape: [2], data: Float32Array.of(0, 1) }]]);
 * await writeSafetensors("bias.safetensors", tensors, "BF16");
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, WritableTensor>,
  dtype: StoredDtype = "F32",
): Promise<void> {
  const raw = new Map<string, RawTensor>();
  for (const [name, { shape, data, dtype: own = dtype }] of tensors) {
    if (typeof data !== "function") checkElements(name, shape, data);
    const pieces = async function* () {
      const numbers = typeof data === "function" ? await data() : data;
      checkElements(name, shape, numbers);
      yield fromFloat32(numbers, own);
    };
    raw.set(name, { dtype: own, shape, bytes: bytesOf({ shape, dtype: own }), pieces });
  }
  await writeRawSafetensors(path, raw);
}

/** A tensor of any type, as `bytes` bytes, whose pieces are asked for when its turn comes. */
export interface RawTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly pieces: () => AsyncIterable<Uint8Array>;
}

/**
 * Writes tensors as they are; the file appears whole or not at all.
 * @param partial the file's name until it is complete
 */
export async function writeRawSafetensors(
  path: string,
  tensors: ReadonlyMap<string, RawTensor>,
  partial = `${path}.partial`,
): Promise<void> {
  let offset = 0;
  const entries = [...tensors].map(([name, { dtype, shape, bytes }]) => {
    const start = offset;
    offset += bytes;
    return [name, { dtype, shape, data_offsets: [start, offset] }] as const;
  });
  const text = JSON.stringify({ __metadata__: { format: "pt" }, ...Object.fromEntries(entries) });
  // The format requires data to start at a multiple of eight.
  const size = Math.ceil(Buffer.byteLength(text) / 8) * 8;
  const head = Buffer.alloc(8 + size, " ");
  head.writeBigUInt64LE(BigInt(size));
  head.write(text, 8);
  try {
    const file = await open(partial, "w");
    try {
      await file.writeFile(head);
      for (const { pieces } of tensors.values()) for await (const piece of pieces()) await file.writeFile(piece);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

function checkElements(name: string, shape: readonly number[], data: Float32Array): void {
  const elements = shape.reduce((a, b) => a * b, 1);
  if (elements !== data.length)
    throw new ShapeError(`${name}: [${shape.join(", ")}] has ${elements} elements, got ${data.length}`);
}

function toFloat32(raw: Uint8Array<ArrayBuffer>, dtype: StoredDtype): Float32Array {
  if (dtype === "F32") return new Float32Array(raw.buffer);
  const halves = new Uint16Array(raw.buffer);
  const bits = new Uint32Array(halves.length);
  if (dtype === "BF16") for (let i = 0; i < bits.length; i++) bits[i] = halves[i]! << 16;
  else for (let i = 0; i < bits.length; i++) bits[i] = halfToFloatBits(halves[i]!);
  return new Float32Array(bits.buffer);
}

/** The bytes of float32 numbers as `dtype`, rounded to nearest even. */
export function fromFloat32(data: Float32Array, dtype: StoredDtype): Uint8Array {
  if (dtype === "F32") return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const out = new Uint16Array(data.length);
  const convert = dtype === "BF16" ? floatBitsToBrain : floatBitsToHalf;
  for (let i = 0; i < out.length; i++) out[i] = convert(bits[i]!);
  return new Uint8Array(out.buffer);
}

/** The least numbers that round to infinity. */
const overflow: Readonly<Record<StoredDtype, number>> = {
  F32: Number.POSITIVE_INFINITY,
  F16: 65_520,
  BF16: 2 ** 128 - 2 ** 119,
};

/** The first number that `dtype` has no finite form of; undefined if it has all. */
export function firstBeyond(data: Float32Array, dtype: StoredDtype): number | undefined {
  const limit = overflow[dtype];
  // An iterator takes four times as long.
  for (let i = 0; i < data.length; i++) if (!(Math.abs(data[i]!) < limit)) return data[i];
  return undefined;
}

const floatBitsToBrain = (bits: number) =>
  // A NaN must not round to infinity.
  (bits & 0x7fffffff) > 0x7f800000 ? (bits >>> 16) | 0x40 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;

function halfToFloatBits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 31;
  const fraction = half & 0x3ff;
  if (exponent === 31) return sign | 0x7f800000 | (fraction << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // A subnormal half is a normal float: move its leading bit to the implicit place.
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}

function floatBitsToHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  const exponent = (magnitude >>> 23) - 112;
  const fraction = (magnitude & 0x7fffff) | 0x800000;
  // Below the smallest normal half the fraction loses a bit for each missing power of two.
  const drop = exponent > 0 ? 13 : 14 - exponent;
  if (drop > 24) return sign;
  const kept = fraction >>> drop;
  const rest = fraction & ((1 << drop) - 1);
  const halfway = 1 << (drop - 1);
  const rounded = kept + (rest > halfway || (rest === halfway && kept & 1) ? 1 : 0);
  return sign | (exponent > 0 ? rounded + ((exponent - 1) << 10) : rounded);
}
