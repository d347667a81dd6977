import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { createAdapter } from "../../src/engine/adapter";
import { bindWeights, type Policy } from "../../src/engine/policy";
import { createSampler } from "../../src/engine/sampling/sampler";
import { createTrainingPass } from "../../src/engine/training/pass";
import { openModel } from "../../src/models/open-model";
import { createGraph } from "../../src/onnx/graph/graph";
import { createRng } from "../../src/rng";
import { largestError, promptOf, reference } from "../models/reference";

// In float16, which the CPU has no kernels for: onnxruntime computes it in float32. npm run test:cuda shows the effect of rounding on a GPU.
const model = await openModel(fileURLToPath(new URL("../../examples/tiny-vlm/checkpoint", import.meta.url)));
const lora = { rank: 2 };
const rng = createRng(0, "an adapter that does something");
const trainable = createAdapter(model.architecture, lora, 0);
for (const { data } of trainable.values()) for (let i = 0; i < data.length; i++) data[i]! += 0.02 * rng.normal();
const policy = (halfProducts: boolean): Policy => ({ ...model, lora, trainable, halfProducts });

async function passOver(halfProducts: boolean) {
  const sampler = createSampler(model, policy(halfProducts), { rowsAtOnce: 4, threads: 1 });
  const pass = createTrainingPass(model, policy(halfProducts), {
    ...{ rowsAtOnce: 4, features: sampler.features, threads: 1 },
  });
  const { tokens, images } = await model.encodePrompt(promptOf(reference.cases[0]!));
  const row = { tokens: [...tokens, 7, 11, 13], images, promptLength: tokens.length };
  const gradients = new Map<string, Float32Array>();
  const { logProbs } = await pass.backward([row], [[1, -2, 0.5]], (name, gradient) =>
    gradients.set(name, gradient.slice()),
  );
  await pass.dispose();
  await sampler.dispose();
  return { logProbs: logProbs[0]!, gradients };
}

it("products in half precision are the same products, and so are their gradients", async () => {
  const [exact, half] = [await passOver(false), await passOver(true)];
  expect(largestError(half.logProbs, exact.logProbs)).toBeLessThan(1e-2);
  for (const [name, gradient] of exact.gradients) {
    const size = Math.max(...gradient.map(Math.abs));
    const apart = Math.max(...gradient.map((x, i) => Math.abs(x - half.gradients.get(name)![i]!)));
    expect(apart, name).toBeLessThan(0.02 * size);
  }
});

it("of layers make no float32 copy of a matrix; logits are still computed in float32", () => {
  const g = createGraph();
  const weights = bindWeights(policy(true), g);
  const x = g.input("x", "float32", [1, model.config.text.hiddenSize]);
  const factorOf = (module: string) => {
    weights.product(g, module, x, 1);
    return [...g.nodes].findLast(({ op }) => op === "Gemm")!.in[1]!;
  };
  expect(factorOf("model.layers.0.mlp.up_proj").dtype).toBe("float16");
  expect(factorOf("model.embed_tokens").dtype).toBe("float32");
});
