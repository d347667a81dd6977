import type { Node } from "./ops";

export type DType = "float32" | "float16" | "bfloat16" | "int64" | "int8" | "uint8" | "bool";

/** A size, or the name of one that is known only at run time (the growing cache inside a Loop). */
export type Dim = number | string;
export type Shape = readonly Dim[];

/** One tensor of a graph. */
export interface Value {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /** What computes it; absent for inputs and constants. */
  readonly node?: Node;
}
