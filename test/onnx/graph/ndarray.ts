/** A tensor of float64 numbers, row by row; integers and truth values (0, 1) are numbers too. */
export interface NdArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export type Index = readonly number[];

export const ndarray = (data: Iterable<number>, shape: readonly number[]): NdArray => ({
  shape,
  data: Float64Array.from(data),
});

/** The tensor whose element at each index is `f(index)`; the index array is reused from call to call. */
export function tabulate(shape: readonly number[], f: (index: Index) => number): NdArray {
  const data = new Float64Array(sizeOf(shape));
  const index = shape.map(() => 0);
  for (let flat = 0; flat < data.length; flat++) {
    data[flat] = f(index);
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis]! === shape[axis]; axis--) index[axis] = 0;
  }
  return { shape, data };
}

/** Reads `x` by an index of its own rank or higher, by NumPy's broadcasting: aligned at the right, size-1 axes repeated. */
export function reader({ shape, data }: NdArray): (index: Index) => number {
  const place = locator(shape);
  return (index) => data[place(index)]!;
}

/** The place in the data of the element with such an index. */
export function locator(shape: readonly number[]): (index: Index) => number {
  const strides = shape.map((size, axis) => (size === 1 ? 0 : sizeOf(shape.slice(axis + 1))));
  return (index) => {
    const extra = index.length - strides.length;
    let flat = 0;
    for (let axis = 0; axis < strides.length; axis++) flat += strides[axis]! * index[axis + extra]!;
    return flat;
  };
}

/** The shape that all of `shapes` broadcast to. */
export function broadcast(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) => {
    const sizes = shapes.map((shape) => shape[shape.length - rank + i] ?? 1);
    const size = sizes.find((candidate) => candidate !== 1) ?? 1;
    if (sizes.some((other) => other !== 1 && other !== size))
      throw new Error(`no broadcast of ${JSON.stringify(shapes)}`);
    return size;
  });
}

export const sizeOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);
