/** Numbers in one block (1 GiB): few blocks mean few loops, and buffers have a size limit. */
const blockLength = 2 ** 28;

/**
 * Allocates zeros for each name in shared memory. Arrays lie one after the other in blocks, so that one loop covers
 * neighbours.
 * @param lengths numbers of each tensor
 */
export function sharedTensors(lengths: Iterable<readonly [string, number]>): Map<string, Float32Array> {
  const tensors = new Map<string, Float32Array>();
  let names: (readonly [string, number])[] = [];
  let total = 0;
  const allocate = () => {
    const buffer = new SharedArrayBuffer(4 * total);
    let at = 0;
    for (const [name, length] of names) {
      tensors.set(name, new Float32Array(buffer, at, length));
      at += 4 * length;
    }
    [names, total] = [[], 0];
  };
  for (const [name, length] of lengths) {
    if (total + length > blockLength) allocate();
    names.push([name, length]);
    total += length;
  }
  allocate();
  return tensors;
}

/** Allocates zeros for each of `tensors`, named `prefix` and its name; shared if all of them are. */
export function zerosLike(tensors: ReadonlyMap<string, Float32Array>, prefix = ""): Map<string, Float32Array> {
  const lengths = [...tensors].map(([name, { length }]) => [prefix + name, length] as const);
  return [...tensors.values()].every(isShared)
    ? sharedTensors(lengths)
    : new Map(lengths.map(([name, length]) => [name, new Float32Array(length)]));
}

export const isShared = ({ buffer }: Float32Array): boolean => buffer instanceof SharedArrayBuffer;
