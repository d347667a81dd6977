import { describe, expect, it } from "vitest";
import { type DifferentiableOp, vjpRules } from "../../../src/onnx/autodiff/vjp";
import { createGraph } from "../../../src/onnx/graph/graph";
import { buildCase, buildGradients, type Case, differentiable, titleOf } from "../graph/cases";
import { evaluate } from "../graph/interpreter";
import type { NdArray } from "../graph/ndarray";
import { gradientError } from "./differences";

describe.each(Object.keys(vjpRules) as DifferentiableOp[])(
  "the derivative of %s is what central differences say",
  (op) => {
    it.each(differentiable[op].map((test): [string, Case] => [titleOf(test), test]))("%s", (_, test) => {
      const graph = createGraph();
      const { output, wrt, feeds } = buildCase(graph, op, test, "x");
      const backward = buildGradients(graph, output, wrt, "x");
      const everything = new Map([...feeds, ...backward.feeds]);
      const cotangent = everything.get("xCotangent")!.data;

      const found = evaluate(graph, backward.gradients, everything);
      const claimed = new Map(wrt.map(({ name }, i) => [name, found[i]!]));
      const loss = (at: ReadonlyMap<string, NdArray>) =>
        evaluate(graph, [output], at)[0]!.data.reduce((l, y, i) => l + y * cotangent[i]!, 0);

      expect(wrt.length).toBeGreaterThan(0);
      for (const { name } of wrt) expect(claimed.get(name)!.shape).toEqual(feeds.get(name)!.shape);
      expect(gradientError(loss, everything, claimed)).toBeLessThan(1e-7);
    });
  },
);
