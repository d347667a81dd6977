export { gradients } from "./autodiff/grad";
export { type DifferentiableOp, type NonDifferentiableOp, type OnePer, type VjpRule, vjpRules } from "./autodiff/vjp";
export { type Constant, createGraph, type ExternalData, type Graph, type LoopNode, type LoopStep } from "./graph/graph";
export type {
  Axis,
  Binary,
  Dim,
  DType,
  Node,
  None,
  Op,
  Ops,
  Shape,
  Signature,
  Unary,
  Value,
} from "./graph/value";
export { type ModelFileOptions, serialiseModel } from "./runtime/serialise";
export { createSession, type Session, type SessionOptions, type Tensor } from "./runtime/session";
