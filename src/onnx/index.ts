export { gradients } from "./grad";
export { createGraph, type Graph } from "./graph";
export { serialiseModel } from "./model";
export type { Node, Op, Ops } from "./ops";
export { createSession, type Session, type Tensor } from "./session";
export type { DType, Shape, Value } from "./value";
export { vjpRules } from "./vjp";
