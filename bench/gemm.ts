/**
 * Claim: a training step, clipping and AdamW included, runs its matrix products at 61 % of the machine's own speed at a width of 512 and 8 rows, at 67 % with 16 rows, and
 * at 73 % at a width of 1024.
 *
 *   npx tsx bench/gemm.ts [WIDTH] [ROWS]           one to three minutes
 *
 * Eight layers, 25 million weights at a width of 512 (the default), all trained; 16 rows of 144 tokens, each with a picture. Operations are those of the graph's matrix products,
 * 2·n·k·m each; the machine's speed is measured on products of 1024 × 1024 (src/onnx/runtime/self-test.ts), measured before and after each step.
 */
import { availableParallelism } from "node:os";
import { planShape, trainingGraph } from "../src/engine/graphs/training";
import { bindWeights } from "../src/engine/policy";
import { microBatches, planBatch } from "../src/engine/shared-prefixes";
import { mergedTokens } from "../src/models/parts/config";
import { visionShape } from "../src/models/parts/vision-inputs";
import { elementCount, staticDim } from "../src/onnx/graph/shapes";
import { gemmSpeed } from "../src/onnx/runtime/self-test";
import { reachable } from "../src/onnx/runtime/serialise";
import type { Trainer } from "../src/trainer";
import { onnxTrainer } from "../src/trainers/onnx";
import { median } from "./measure";
import { withTinyModel } from "./model";
import { randomRows, trainingStep } from "./step";

const [width, rows] = [Number(process.argv[2] ?? 512), Number(process.argv[3] ?? 16)];
const [rowLength, rounds, warmups] = [144, 5, 1];
const wide = {
  hiddenSize: width,
  intermediateSize: (11 * width) / 4,
  layers: 8,
  heads: width / 64,
  kvHeads: 2,
  headDim: 64,
  mropeSection: [8, 12, 12] as const,
};

await withTinyModel(
  async (model) => {
    const work = await randomRows(model, rows, rowLength);
    const { architecture, config, checkpoint } = model;
    const trainable = new Map(
      [...checkpoint.tensors].map(([name, { shape }]) => [name, { shape, data: new Float32Array(0) }]),
    );
    const grids = work.encoded.flatMap(({ images }) => images.map(({ grid }) => grid));
    const scored = work.encoded.map(({ tokens, images }, i) => ({
      ...{ tokens: [...tokens, ...work.sequences[i]!.completion], images, promptLength: tokens.length },
    }));
    const shape = {
      ...planShape(architecture, planBatch(scored, microBatches(scored, rows)[0]!)),
      ...{ temperature: 1, recompute: false },
      pictures: [visionShape(architecture, grids[0]!, grids.length)],
      featureRows: grids.reduce((n, grid) => n + mergedTokens(grid, config), 0),
    };
    const { graph, outputs } = trainingGraph(architecture, shape, (g) =>
      bindWeights({ architecture, checkpoint, trainable }, g),
    );
    let flops = 0;
    for (const node of reachable(graph, Object.values(outputs)).nodes)
      if ("op" in node && (node.op === "MatMul" || node.op === "Gemm")) {
        const [a] = node.in as readonly { readonly shape: readonly (number | string)[] }[];
        const inner = a!.shape.at("transA" in node.attrs && node.attrs.transA ? -2 : -1);
        flops += 2 * elementCount(node.out.shape, node.op) * staticDim(inner, node.op);
      }

    const trainer = await onnxTrainer({
      model: model.dir,
      device: "cpu",
      rowsAtOnce: rows,
      gradientCheckpointing: false,
    });
    const [seconds, speeds, shares, optimizing]: [number[], number[], number[], number[]] = [[], [], [], []];
    let optimizer = 0;
    const timed: Trainer = {
      ...trainer,
      async optimStep(params) {
        const start = performance.now();
        return trainer.optimStep(params).finally(() => {
          optimizer = (performance.now() - start) / 1000;
        });
      },
    };
    for (let i = -warmups; i < rounds; i++) {
      const before = await gemmSpeed("cpu", 500);
      const start = performance.now();
      await trainingStep(timed, work);
      const taken = (performance.now() - start) / 1000;
      const speed = (before + (await gemmSpeed("cpu", 500))) / 2;
      if (i < 0) continue;
      seconds.push(taken);
      optimizing.push(optimizer);
      speeds.push(speed);
      shares.push(flops / 1e9 / taken / speed);
    }
    await trainer.dispose();
    const [step, speed, share] = [median(seconds), median(speeds), median(shares)];
    console.log(
      `a step                   ${step.toFixed(2)} s for ${(flops / 1e9).toFixed(0)} GFLOP of matrix products`,
    );
    console.log(`of it clipping and AdamW  ${median(optimizing).toFixed(2)} s`);
    console.log(`speed of a step          ${(flops / 1e9 / step).toFixed(0)} GFLOP/s`);
    console.log(`speed of bare products   ${speed.toFixed(0)} GFLOP/s`);
    console.log(
      `share, median of ${rounds}       ${(100 * share).toFixed(0)} % (${shares.map((x) => (100 * x).toFixed(0)).join(", ")})`,
    );
    const facts = {
      gflop: flops / 1e9,
      stepSeconds: step,
      optimizerSeconds: median(optimizing),
      gflopsBare: speed,
      share,
    };
    console.log(
      JSON.stringify({ bench: "gemm", width, rows, cores: availableParallelism(), node: process.version, ...facts }),
    );
  },
  (config) => ({ ...config, text: { ...config.text, ...wide } }),
);
