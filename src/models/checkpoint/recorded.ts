import { add, createGraph, type Graph, gather, gemm } from "../../onnx/graph/graph";
import type { Value } from "../../onnx/graph/value";
import { onceEach } from "../../options/once";
import type { Architecture } from "../parts/architecture";
import { attentionInRows } from "../parts/attention";
import type { Weights } from "../parts/layers";
import { embedInputs, languageHead, languageModel } from "../parts/network";
import { visionFeatures, visionShape } from "../parts/vision-inputs";

/** A linear layer of a network: x [n, inputs] → [n, outputs]. */
export interface LinearLayer {
  readonly name: string;
  readonly outputs: number;
  readonly inputs: number;
  /** Whether its output is added to a residual stream. */
  readonly intoResidual: boolean;
}

interface Recorded {
  readonly tensors: ReadonlyMap<string, readonly number[]>;
  readonly products: ReadonlyMap<string, LinearLayer>;
}

/** Every tensor of a network and its shape, in the order in which files have them. */
export const expectedTensors = (architecture: Architecture): ReadonlyMap<string, readonly number[]> =>
  recorded(architecture).tensors;

/** Every linear layer except the head: first those of the language model, then those of the vision tower. */
export function linearLayers(architecture: Architecture): LinearLayer[] {
  const { tensors, products } = recorded(architecture);
  const layers = [...tensors.keys()].flatMap((name) => products.get(moduleOf(name)) ?? []);
  const body = [...new Set(layers)].filter(({ name }) => name !== architecture.head);
  const isVision = ({ name }: LinearLayer) => name.startsWith(architecture.visionPrefix);
  return [...body.filter((layer) => !isVision(layer)), ...body.filter(isVision)];
}

/** Every module with a matrix, or with a kernel of more dimensions. */
export const matrixModules = (architecture: Architecture): string[] =>
  [...expectedTensors(architecture)].flatMap(([name, shape]) => (shape.length > 1 ? [moduleOf(name)] : []));

/** Builds the network once, at the smallest sizes, and records which weights it asks for. */
const recorded = onceEach((architecture: Architecture): Recorded => {
  const g = createGraph();
  const tensors = new Map<string, readonly number[]>();
  const products = new Map<string, LinearLayer>();
  const weights = recorder(g, tensors, products);
  buildVision(g, weights, architecture);
  buildLanguageModel(g, weights, architecture);
  return { tensors: inFileOrder(tensors), products };
});

function recorder(g: Graph, tensors: Map<string, readonly number[]>, products: Map<string, LinearLayer>): Weights {
  const values = new Map<string, Value>();
  const tensor = (name: string, shape: readonly number[]) => {
    const value = values.get(name) ?? g.input(name, "float32", shape);
    values.set(name, value);
    tensors.set(name, shape);
    return value;
  };
  return {
    tensor,
    rows: (_, name, shape, indices) => gather(g, tensor(name, shape), indices),
    product(_, name, x, outputs, { bias, residual } = {}) {
      const inputs = x.shape[1] as number;
      products.set(name, { name, outputs, inputs, intoResidual: residual !== undefined });
      const y = gemm(g, x, tensor(`${name}.weight`, [outputs, inputs]));
      return [bias, residual].reduce<Value>((sum, part) => (part ? add(g, sum, part) : sum), y);
    },
  };
}

/** The tower over one image that becomes one token. */
function buildVision(g: Graph, weights: Weights, architecture: Architecture): void {
  const { spatialMergeSize: side } = architecture.config.vision;
  visionFeatures(g, weights, architecture, visionShape(architecture, [1, side, side], 1), "vision.");
}

/** The language model over one token. */
function buildLanguageModel(g: Graph, weights: Weights, architecture: Architecture): void {
  const { config } = architecture;
  const table = (name: string) => g.input(name, "float32", [1, 1, config.text.headDim / 2]);
  const bias = g.input("bias", "float32", [1, 1, 1, 1]);
  const attention = attentionInRows(g, config, { cos: table("cos"), sin: table("sin"), bias });
  const x = embedInputs(g, weights, architecture, g.input("tokenIds", "int64", [1]));
  languageHead(g, weights, architecture, languageModel(g, weights, architecture, x, attention).hidden);
}

/**
 * Orders tensors block by block; within one, norms precede matrices, queries keys, and weights biases. Files have
 * always had this order, and sums over all gradients follow it: another one would change their last digits.
 */
function inFileOrder(tensors: ReadonlyMap<string, readonly number[]>): Map<string, readonly number[]> {
  const modules = [...new Set([...tensors.keys()].map(moduleOf))];
  const blockOf = (module: string) => /^.*?\.\d+\./.exec(module)?.[0] ?? module;
  const blocks = new Map([...new Set(modules.map(blockOf))].map((block, i) => [block, i]));
  const rank = (module: string) => {
    if (tensors.get(`${module}.weight`)?.length === 1) return 0;
    return module.endsWith(".q_proj") ? 1 : 2;
  };
  modules.sort((a, b) => blocks.get(blockOf(a))! - blocks.get(blockOf(b))! || rank(a) - rank(b));
  const places = new Map(modules.map((module, i) => [module, 2 * i]));
  const placeOf = (name: string) => places.get(moduleOf(name))! + (name.endsWith(".bias") ? 1 : 0);
  return new Map([...tensors].sort(([a], [b]) => placeOf(a) - placeOf(b)));
}

const moduleOf = (name: string) => name.replace(/\.(weight|bias)$/, "");
