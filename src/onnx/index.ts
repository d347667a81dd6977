export { gradients } from "./autodiff/grad";
export { vjpRules } from "./autodiff/vjp";
export { createGraph, type Graph } from "./graph/graph";
export type { DType, Node, Op, Ops, Shape, Value } from "./graph/value";
export { serialiseModel } from "./runtime/serialise";
export { createSession, type Session, type Tensor } from "./runtime/session";
