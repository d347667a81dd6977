import type { Constant, Graph } from "../../../src/onnx/graph/graph";
import type { Node, Op, Ops, Value } from "../../../src/onnx/graph/value";
import { broadcast, type Index, locator, type NdArray, ndarray, reader, sizeOf, tabulate } from "./ndarray";

/**
 * The meaning of a graph, in float64 and with no code shared with onnxruntime: the oracle for kernels and derivatives.
 * Loops are left out. Floating-point casts are the identity, so that central differences see a smooth function;
 * attributes are the float32 numbers that the file holds.
 * @param feeds inputs and external tensors by name
 */
export function evaluate(graph: Graph, outputs: readonly Value[], feeds: ReadonlyMap<string, NdArray>): NdArray[] {
  const results = new Map<Value, NdArray>();
  for (const constant of graph.constants.values()) results.set(constant.value, constantArray(constant, feeds));
  const known = (value: Value) => {
    const result = results.get(value) ?? feeds.get(value.name);
    if (!result) throw new Error(`nothing was fed for ${value.name}`);
    return result;
  };
  const needed = neededNodes(outputs);
  // A graph's nodes are in the order in which they were appended, so inputs come before what uses them.
  for (const node of graph.nodes) if (needed.has(node)) results.set(node.out, interpret(node, node.in.map(known)));
  return outputs.map(known);
}

/** One node's output. */
function interpret(node: Pick<Node, "op" | "attrs">, inputs: readonly NdArray[]): NdArray {
  const meaning = meanings[node.op] as (inputs: readonly NdArray[], attrs: Node["attrs"]) => NdArray;
  return meaning(inputs, node.attrs);
}

type Arrays<Inputs> = { [I in keyof Inputs]: NdArray };
type Meaning<O extends Op> = (inputs: Arrays<Ops[O]["in"]>, attrs: Ops[O]["attrs"]) => NdArray;

const unary =
  (f: (x: number) => number) =>
  ([x]: readonly [NdArray]) =>
    ndarray(x.data.map(f), x.shape);

const binary =
  (f: (a: number, b: number) => number | boolean) =>
  ([a, b]: readonly [NdArray, NdArray]) => {
    const [readA, readB] = [reader(a), reader(b)];
    return tabulate(broadcast(a.shape, b.shape), (i) => Number(f(readA(i), readB(i))));
  };

/** `f` of each row along the last axis. */
const alongLast =
  (f: (row: Float64Array) => ArrayLike<number>) =>
  ([x]: readonly [NdArray]) => {
    const rows = rowsOf(x).map((row) => Array.from(f(row)));
    return ndarray(rows.flat(), x.shape);
  };

const meanings: { readonly [O in Op]: Meaning<O> } = {
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Div: binary((a, b) => a / b),
  Neg: unary((x) => -x),
  Abs: unary(Math.abs),
  Exp: unary(Math.exp),
  Log: unary(Math.log),
  Sqrt: unary(Math.sqrt),
  Reciprocal: unary((x) => 1 / x),
  Sigmoid: unary(sigmoid),
  Erf: unary(erf),
  Cos: unary(Math.cos),
  Sin: unary(Math.sin),
  Gelu: (x, { approximate }) =>
    unary(
      approximate
        ? (v) => (v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)))) / 2
        : (v) => (v * (1 + erf(v / Math.SQRT2))) / 2,
    )(x),
  QuickGelu: (x, { alpha }) => unary((v) => v * sigmoid(Math.fround(alpha) * v))(x),
  MatMul: ([a, b]) => {
    const [placeA, placeB] = [locator(a.shape), locator(b.shape)];
    const inner = a.shape.at(-1)!;
    const columns = b.shape.at(-1)!;
    const batch = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2));
    return tabulate([...batch, a.shape.at(-2)!, columns], (i) => {
      const outer = i.slice(0, -2);
      const row = placeA([...outer, i.at(-2)!, 0]);
      const column = placeB([...outer, 0, i.at(-1)!]);
      return sum(inner, (k) => a.data[row + k]! * b.data[column + k * columns]!);
    });
  },
  Gemm: ([a, b, c], { transA, transB, alpha = 1 }) => {
    const [rows, inner] = transA ? [a.shape[1]!, a.shape[0]!] : [a.shape[0]!, a.shape[1]!];
    const columns = b.shape[transB ? 0 : 1]!;
    const added = (n: number, m: number) => (c ? reader(c)(c.shape.length === 1 ? [m] : [n, m]) : 0);
    return tabulate([rows, columns], ([n, m]) => {
      const product = sum(
        inner,
        (k) => a.data[transA ? k * rows + n! : n! * inner + k]! * b.data[transB ? m! * inner + k : k * columns + m!]!,
      );
      return alpha * product + added(n!, m!);
    });
  },
  Reshape: ([x], { shape }) => ndarray(x.data, shape as readonly number[]),
  Transpose: ([x], { perm }) => {
    const read = reader(x);
    return tabulate(
      perm.map((axis) => x.shape[axis]!),
      (i) => read(perm.map((_, axis) => i[perm.indexOf(axis)]!)),
    );
  },
  Concat: (inputs, attrs) => {
    const shape = [...inputs[0]!.shape];
    const axis = attrs.axis < 0 ? attrs.axis + shape.length : attrs.axis;
    const sources = inputs.flatMap((x) => Array.from({ length: x.shape[axis]! }, (_, at) => ({ read: reader(x), at })));
    shape[axis] = sources.length;
    return tabulate(shape, (i) => {
      const { read, at } = sources[i[axis]!]!;
      return read(replace(i, axis, at));
    });
  },
  Slice: ([x], { axis, start, end }) => {
    const read = reader(x);
    return tabulate(replace(x.shape, axis, end - start), (i) => read(replace(i, axis, i[axis]! + start)));
  },
  Pad: ([x], { axis, before, after }) => {
    const read = reader(x);
    const size = x.shape[axis]!;
    return tabulate(replace(x.shape, axis, before + size + after), (i) => {
      const at = i[axis]! - before;
      return at < 0 || at >= size ? 0 : read(replace(i, axis, at));
    });
  },
  Expand: ([x], { shape }) => tabulate(broadcast(x.shape, shape), reader(x)),
  Gather: ([data, index]) => {
    const [read, row] = [reader(data), reader(index)];
    const rank = index.shape.length;
    return tabulate([...index.shape, ...data.shape.slice(1)], (i) => read([row(i.slice(0, rank)), ...i.slice(rank)]));
  },
  GatherElements: ([data, index]) => {
    const [read, column] = [reader(data), reader(index)];
    return tabulate(index.shape, (i) => read(replace(i, i.length - 1, column(i))));
  },
  ScatterElements: ([data, index, updates], { axis }) => {
    const at = axis < 0 ? axis + data.shape.length : axis;
    const position = reader({ shape: data.shape, data: data.data.map((_, flat) => flat) });
    const place = reader(index);
    const out = data.data.slice();
    const update = reader(updates);
    tabulate(updates.shape, (i) => (out[position(replace(i, at, place(i)))]! += update(i)));
    return ndarray(out, data.shape);
  },
  ReduceSum: ([x], { axes, keepDims }) => {
    const kept = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
    const out = ndarray(new Float64Array(sizeOf(kept)), kept);
    const position = reader({ shape: kept, data: out.data.map((_, flat) => flat) });
    const read = reader(x);
    tabulate(x.shape, (i) => (out.data[position(i)]! += read(i)));
    return keepDims
      ? out
      : ndarray(
          out.data,
          x.shape.filter((_, axis) => !axes.includes(axis)),
        );
  },
  ReduceMax: ([x]) =>
    ndarray(
      rowsOf(x).map((row) => Math.max(...row)),
      x.shape.with(-1, 1),
    ),
  Softmax: alongLast((row) => logSoftmax(row).map(Math.exp)),
  LogSoftmax: alongLast(logSoftmax),
  LayerNormalization: ([x, scale, bias], { epsilon }) => {
    const [weight, offset] = [reader(scale), reader(bias)];
    const normal = alongLast((row) => {
      const mean = average(row);
      const deviation = Math.sqrt(average(row.map((v) => (v - mean) ** 2)) + Math.fround(epsilon));
      return row.map((v) => (v - mean) / deviation);
    })([x]);
    const read = reader(normal);
    return tabulate(x.shape, (i) => read(i) * weight(i) + offset(i));
  },
  RMSNormalization: ([x, scale], { epsilon }) => {
    const weight = reader(scale);
    const normal = alongLast((row) => {
      const root = Math.sqrt(average(row.map((v) => v * v)) + Math.fround(epsilon));
      return row.map((v) => v / root);
    })([x]);
    const read = reader(normal);
    return tabulate(x.shape, (i) => read(i) * weight(i));
  },
  // Pairs are (j, j + d/2): the first half is the real part, the second half the imaginary part.
  RotaryEmbedding: ([x, cosines, sines]) => {
    const [read, readCos, readSin] = [reader(x), reader(cosines), reader(sines)];
    const half = x.shape[3]! / 2;
    return tabulate(x.shape, ([b, h, t, j]) => {
      const pair = j! % half;
      const [re, im] = [read([b!, h!, t!, pair]), read([b!, h!, t!, pair + half])];
      const [cos, sin] = [readCos([b!, t!, pair]), readSin([b!, t!, pair])];
      return j! < half ? re * cos - im * sin : im * cos + re * sin;
    });
  },
  Where: ([condition, a, b]) => {
    const [test, readA, readB] = [reader(condition), reader(a), reader(b)];
    return tabulate(broadcast(condition.shape, a.shape, b.shape), (i) => (test(i) ? readA(i) : readB(i)));
  },
  Cast: ([x], { to }) => unary(to === "int64" ? Math.trunc : to === "bool" ? (v) => Number(v !== 0) : (v) => v)([x]),
  Less: binary((a, b) => a < b),
  LessOrEqual: binary((a, b) => a <= b),
  Equal: binary((a, b) => a === b),
  And: binary((a, b) => a !== 0 && b !== 0),
  Or: binary((a, b) => a !== 0 || b !== 0),
  Not: unary((x) => Number(x === 0)),
  ArgMax: ([x]) =>
    ndarray(
      rowsOf(x).map((row) => row.indexOf(Math.max(...row))),
      x.shape.slice(0, -1),
    ),
  CumSum: (inputs, attrs) =>
    alongLast((row) => {
      let total = 0;
      return row.map((v) => {
        total += v;
        return attrs.exclusive ? total - v : total;
      });
    })(inputs),
  // A stable sort keeps equal elements in their order, as ONNX asks.
  TopK: alongLast((row) => Array.from(row.keys()).sort((i, j) => row[j]! - row[i]!)),
  QuantizeLinear: ([x, scale, zeroPoint]) => {
    const read = reader(x);
    const byte = (v: number) => Math.min(Math.max(v, 0), 255);
    return tabulate(x.shape, (i) => {
      const row = i[0]!;
      return byte(halfToEven(Math.fround(read(i) / scale.data[row]!)) + zeroPoint.data[row]!);
    });
  },
  MatMulIntegerToFloat: ([a, b, unit, scale, aZero, bZero]) => {
    const [rows, inner, columns] = [a.shape[0]!, a.shape[1]!, b.shape[1]!];
    const [ofA, ofB] = [aZero.data[0]!, bZero.data[0]!];
    return tabulate([rows, columns], ([n, m]) => {
      const whole = sum(inner, (k) => (a.data[n! * inner + k]! - ofA) * (b.data[k * columns + m!]! - ofB));
      return whole * unit.data[0]! * scale.data[m!]!;
    });
  },
  MatMulNBits: ([x, b, scale], { blockSize, bits = 4 }) => {
    const [rows, inner, outputs, blocks] = [x.shape[0]!, x.shape[1]!, b.shape[0]!, b.shape[1]!];
    const weight = (m: number, k: number) => {
      const place = m * blocks * blockSize + k;
      const byte = b.data[Math.floor((place * bits) / 8)]!;
      const number = bits === 8 ? byte - 128 : (place % 2 ? byte >> 4 : byte & 15) - 8;
      return number * scale.data[Math.floor(place / blockSize)]!;
    };
    return tabulate([rows, outputs], ([n, m]) => sum(inner, (k) => x.data[n! * inner + k]! * weight(m!, k)));
  },
};

function halfToEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  return rest === 0.5 ? below + (below % 2 === 0 ? 0 : 1) : Math.round(x);
}

function neededNodes(outputs: readonly Value[]): Set<Node> {
  const nodes = new Set<Node>();
  const stack = [...outputs];
  for (let value = stack.pop(); value; value = stack.pop())
    if (value.node && !nodes.has(value.node)) {
      nodes.add(value.node);
      stack.push(...value.node.in);
    }
  return nodes;
}

function constantArray({ value, data }: Constant, feeds: ReadonlyMap<string, NdArray>): NdArray {
  if (!("file" in data))
    return ndarray(Array.from<number | bigint, number>(data, Number), value.shape as readonly number[]);
  const fed = feeds.get(value.name);
  if (!fed) throw new Error(`nothing was fed for the external tensor ${value.name}`);
  return fed;
}

function rowsOf({ shape, data }: NdArray): Float64Array[] {
  const width = shape.at(-1)!;
  return Array.from({ length: data.length / width }, (_, row) => data.subarray(row * width, (row + 1) * width));
}

const replace = (index: Index, axis: number, at: number) => index.map((old, i) => (i === axis ? at : old));

function sum(count: number, term: (k: number) => number): number {
  let total = 0;
  for (let k = 0; k < count; k++) total += term(k);
  return total;
}

const average = (row: Float64Array) => sum(row.length, (i) => row[i]!) / row.length;

function logSoftmax(row: Float64Array): Float64Array {
  const top = Math.max(...row);
  const logSum = top + Math.log(sum(row.length, (i) => Math.exp(row[i]! - top)));
  return row.map((v) => v - logSum);
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** erf(x) = 2/√π · exp(−x²) · Σ 2ⁿ x²ⁿ⁺¹ / (1·3·5…(2n+1)): all terms have one sign, so nothing cancels. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let [term, total] = [x, 0];
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(total); n++) {
    total += term;
    term *= (2 * x * x) / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}
