import type { Constant, Graph, LoopNode } from "../graph/graph";
import { type Attribute, dtypeCodes, opRules } from "../graph/ops";
import { elementCount } from "../graph/shapes";
import type { Node, Value } from "../graph/value";
import { type ProtoWriter, protoWriter } from "./proto";

const irVersion = 10;
const opsetVersion = 23;

/** Options of `serialiseModel`. */
export interface ModelFileOptions {
  /**
   * Names the run-time sizes of inputs and outputs (false): transformers.js makes its first cache by these names.
   * onnxruntime should not reason about them otherwise, so they are left open.
   */
  readonly namedSizes?: boolean;
  /** Leaves out tensors with external data, which the caller appends, each after its `appendedTensor` (false). */
  readonly withoutExternal?: boolean;
}

/**
 * The ONNX file that computes `outputs`. Unneeded nodes are left out, because onnxruntime would run them late and keep
 * their memory. Field numbers come from onnx.proto3.
 * @example
 * await writeFile("model.onnx", serialiseModel(g, { y }));
 */
export function serialiseModel(
  graph: Graph,
  outputs: Readonly<Record<string, Value>>,
  options: ModelFileOptions = {},
): Uint8Array {
  const opset = (domain: string, version: number) => protoWriter().string(1, domain).int(2, version);
  const used = reachable(graph, Object.values(outputs));
  return protoWriter()
    .int(1, irVersion)
    .string(2, "rise-ts")
    .message(8, opset("", opsetVersion))
    .message(8, opset("com.microsoft", 1))
    .message(
      7,
      graphProto(
        graph,
        used,
        graph.inputs.filter((input) => used.values.has(input)),
        outputs,
        options,
      ),
    )
    .finish();
}

/**
 * The bytes that stand before a tensor's `length` bytes of data when both are appended to a model's file. In Protocol
 * Buffers a message that comes in several parts is merged, so a file can be written with one tensor in memory.
 */
export function appendedTensor(value: Value, length: number): Uint8Array {
  const within = (field: number, head: Uint8Array) =>
    Buffer.concat([
      protoWriter()
        .begin(field, head.length + length)
        .finish(),
      head,
    ]);
  return within(7, within(5, tensorHead(value).begin(9, length).finish()));
}

/** The inputs that the model needs; unused ones are not part of it. */
export function usedInputs(graph: Graph, outputs: Readonly<Record<string, Value>>): readonly Value[] {
  const used = reachable(graph, Object.values(outputs));
  return graph.inputs.filter((input) => used.values.has(input));
}

export interface Reachable {
  /** Nodes in an executable order. */
  readonly nodes: (Node | LoopNode)[];
  readonly values: Set<Value>;
}

/** The nodes and inputs of `graph` that `outputs` depend on. */
export function reachable(graph: Graph, outputs: readonly Value[]): Reachable {
  const nodes = new Set<Node | LoopNode>();
  const values = new Set<Value>();
  // A recursion as deep as a network would overflow the call stack.
  const stack: { readonly value: Value; readonly done: boolean }[] = outputs
    .map((value) => ({ value, done: false }))
    .reverse();
  while (stack.length > 0) {
    const { value, done } = stack.pop()!;
    const node = graph.loops.get(value) ?? (value.node && graph.nodes.has(value.node) ? value.node : undefined);
    if (done) {
      nodes.add(node!);
      continue;
    }
    if (values.has(value)) continue;
    values.add(value);
    if (!node || nodes.has(node)) continue;
    stack.push({ value, done: true });
    const needs = node.op === "Loop" ? [...node.in, ...captures(node as LoopNode)] : node.in;
    for (const input of needs) if (!values.has(input)) stack.push({ value: input, done: false });
  }
  // onnxruntime computes a node's latest inputs first. Nodes without inputs go to the front, so that each is computed
  // right before its use; otherwise float32 copies of all half-precision weights would be made before the network runs.
  const isSource = (node: Node | LoopNode) => node.op !== "Loop" && node.in.every((input) => !input.node);
  const ordered = [...nodes];
  return { nodes: [...ordered.filter(isSource), ...ordered.filter((node) => !isSource(node))], values };
}

/** Values of the surrounding graphs that a Loop's body uses. */
export function captures({ body, bodyOutputs, bodyInputs }: LoopNode): Value[] {
  const own = new Set<Value>(bodyInputs);
  for (const { value } of body.constants.values()) own.add(value);
  const inside = reachable(body, bodyOutputs);
  return [...inside.values].filter(
    (value) => !own.has(value) && !(value.node && body.nodes.has(value.node)) && !body.loops.has(value),
  );
}

function graphProto(
  graph: Graph,
  { nodes, values }: Reachable,
  inputs: readonly Value[],
  outputs: Readonly<Record<string, Value>>,
  { namedSizes = false, withoutExternal = false }: ModelFileOptions,
): ProtoWriter {
  const proto = protoWriter().string(2, "graph");
  for (const node of nodes) for (const part of nodeProtos(node)) proto.message(...part);
  // An output has the caller's name, and two outputs may be one value, so an Identity gives each its own.
  for (const [name, value] of Object.entries(outputs))
    proto.message(1, protoWriter().string(1, value.name).string(2, name).string(4, "Identity"));
  for (const constant of graph.constants.values())
    if (values.has(constant.value) && !(withoutExternal && "file" in constant.data))
      proto.message(5, tensorProto(constant));
  for (const input of inputs) proto.message(11, valueInfo(input.name, input, namedSizes));
  for (const [name, value] of Object.entries(outputs)) proto.message(12, valueInfo(name, value, namedSizes));
  return proto;
}

type Field = [field: number, message: ProtoWriter];

/** The node, preceded by initialisers for its constant inputs. */
function nodeProtos(node: Node | LoopNode): Field[] {
  if (node.op === "Loop") return [[1, loopProto(node as LoopNode)]];
  const { op, in: inputs, attrs, out } = node as Node;
  const rule = opRules[op];
  const { attributes = {}, constants = [] } = rule.encode?.(attrs as never, inputs as never) ?? {};
  const fields: Field[] = [];
  const proto = protoWriter();
  for (const input of inputs) proto.string(1, input.name);
  constants.forEach((constant, i) => {
    const name = `${out.name}.constant${i}`;
    const values = typeof constant === "number" ? [constant] : constant;
    const value: Value = { name, dtype: "int64", shape: typeof constant === "number" ? [] : [values.length] };
    fields.push([5, tensorProto({ value, data: BigInt64Array.from(values, BigInt) })]);
    proto.string(1, name);
  });
  // Unused outputs get names, because an empty name is legal only for optional outputs.
  for (let i = 0; i < (rule.output ?? 0); i++) proto.string(2, `${out.name}.unused${i}`);
  proto.string(2, out.name).string(3, out.name).string(4, op);
  for (const [name, value] of Object.entries(attributes)) proto.message(5, attributeProto(name, value));
  if (rule.domain) proto.string(7, rule.domain);
  return [...fields, [1, proto]];
}

function loopProto(node: LoopNode): ProtoWriter {
  const body = protoWriter().string(2, "body");
  const { nodes, values } = reachable(node.body, node.bodyOutputs);
  for (const inner of nodes) for (const part of nodeProtos(inner)) body.message(...part);
  for (const constant of node.body.constants.values())
    if (values.has(constant.value)) body.message(5, tensorProto(constant));
  for (const input of node.bodyInputs) body.message(11, valueInfo(input.name, input));
  const named = new Set<Value>();
  node.bodyOutputs.forEach((output, i) => {
    // A value that the body computes keeps its own name: an Identity would copy it, a whole cache in every step.
    const isOwn = output.node !== undefined && node.body.nodes.has(output.node) && !named.has(output);
    named.add(output);
    const name = isOwn ? output.name : `${node.outs[0]!.name}.out${i}`;
    if (!isOwn) body.message(1, protoWriter().string(1, output.name).string(2, name).string(4, "Identity"));
    body.message(12, valueInfo(name, output));
  });
  const proto = protoWriter();
  const [trips, ...carried] = node.in;
  for (const name of [trips!.name, "", ...carried.map(({ name }) => name)]) proto.string(1, name);
  for (const { name } of node.outs) proto.string(2, name);
  const attribute = protoWriter().string(1, "body").message(6, body).int(20, 5);
  return proto.string(4, "Loop").message(5, attribute);
}

function attributeProto(name: string, value: Attribute): ProtoWriter {
  const proto = protoWriter().string(1, name);
  if (typeof value === "number") return proto.int(3, value).int(20, 2);
  if ("float" in value) return proto.float(2, value.float).int(20, 1);
  if ("string" in value) return proto.string(4, value.string).int(20, 3);
  for (const item of value) proto.int(8, item);
  return proto.int(20, 7);
}

function tensorHead({ name, dtype, shape }: Value): ProtoWriter {
  const proto = protoWriter();
  for (const dim of shape) proto.int(1, elementCount([dim], name));
  return proto.int(2, dtypeCodes[dtype]).string(8, name);
}

function tensorProto({ value, data }: Constant): ProtoWriter {
  const proto = tensorHead(value);
  if ("file" in data) {
    const entry = (key: string, text: string | number) => protoWriter().string(1, key).string(2, String(text));
    proto
      .message(13, entry("location", data.file))
      .message(13, entry("offset", data.offset))
      .message(13, entry("length", data.bytes));
    return proto.int(14, 1);
  }
  return proto.bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

/** A tensor's type. */
function valueInfo(name: string, { dtype, shape }: Value, namedSizes = false): ProtoWriter {
  const dims = protoWriter();
  for (const dim of shape) {
    const size = protoWriter();
    if (typeof dim === "number") size.int(1, dim);
    else if (namedSizes) size.string(2, dim);
    dims.message(1, size);
  }
  const tensor = protoWriter().int(1, dtypeCodes[dtype]).message(2, dims);
  return protoWriter().string(1, name).message(2, protoWriter().message(1, tensor));
}
