/**
 * Shares of a training step's and a generation's time, by onnxruntime's own profile.
 *
 *   npx tsx bench/where.ts            one minute
 *
 * The tiny model: 16 rows of 144 tokens, all weights trained, of as many prompts and of two prompts with eight completions each; 8 completions of 64 tokens. Profiling
 * itself costs a few microseconds an operator, so shares of a generation, whose operators are small, are rough. Profiled graphs keep an arena: without one, what the profiler
 * allocates in between makes every large tensor a new one.
 */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import threads from "node:worker_threads";
import { onnxTrainer } from "../src/trainers/onnx";
import { median } from "./measure";
import { picturePrompts, withTinyModel } from "./model";
import { randomRows, trainingStep } from "./step";

const [rows, rowLength, maxTokens, rounds] = [16, 144, 64, 7];

const groups: Readonly<Record<string, readonly string[]>> = {
  "matrix products": ["Gemm", "MatMul", "FusedMatMul"],
  "softmax, norms, sums": [
    ...["Softmax", "LogSoftmax", "LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"],
    ...["ReduceSum", "ReduceMean", "CumSum"],
  ],
  "rows picked and added": ["Gather", "GatherElements", "ScatterElements"],
  "copies, transpositions": ["Transpose", "Reshape", "Concat", "Slice", "Split", "Pad", "Expand", "Identity"],
};
const [elementwise, between] = ["elementwise", "between operators"];

profileGraphs();
await withTinyModel(async (model) => {
  const results = [];
  for (const [what, completions] of [
    ["training step, 16 prompts", 1],
    ["training step, 2 prompts × 8", 8],
    ["generation, 8 completions", 0],
  ] as const) {
    const profiles = await mkdtemp(join(tmpdir(), "rise-where-"));
    process.env.RISE_PROFILE = join(profiles, "graph");
    const trainer = await onnxTrainer({ model: model.dir, device: "cpu", rowsAtOnce: rows });
    const work = completions > 0 ? await randomRows(model, rows, rowLength, completions) : undefined;
    const times: number[] = [];
    for (let i = -2; i < rounds; i++) {
      const start = performance.now();
      if (work) await trainingStep(trainer, work);
      else await trainer.sampler().generate(picturePrompts(1), { count: 8, maxTokens, seed: i + 2 });
      if (i >= 0) times.push(performance.now() - start);
    }
    await trainer.dispose();
    const { run, shares } = await largestProfile(profiles);
    await rm(profiles, { recursive: true });
    results.push({ what, ms: median(times), graphMs: run, shares });
  }
  for (const { what, ms, graphMs, shares } of results) {
    console.log(`${what}: ${ms.toFixed(0)} ms, of which the graph ${graphMs.toFixed(0)}`);
    for (const [group, share] of Object.entries(shares).sort((a, b) => b[1] - a[1]))
      console.log(`  ${group.padEnd(24)} ${(100 * share).toFixed(0).padStart(3)} %`);
  }
  console.log(JSON.stringify({ bench: "where", node: process.version, results }));
});

interface Event {
  readonly cat: string;
  readonly name: string;
  readonly dur: number;
  readonly args?: { readonly op_name?: string };
}

/** The graph that took longest: a picture's tower has one of its own. Milliseconds a run, and each group's share of them. */
async function largestProfile(folder: string): Promise<{ run: number; shares: Record<string, number> }> {
  const profiles = await Promise.all(
    (await readdir(folder)).map(async (file) => {
      const events = JSON.parse(await readFile(join(folder, file), "utf8")) as readonly Event[];
      const runs = events.filter(({ name }) => name === "model_run").map(({ dur }) => dur / 1000);
      return { events, runs, total: runs.reduce((a, b) => a + b, 0) };
    }),
  );
  const { events, runs, total } = profiles.reduce((a, b) => (b.total > a.total ? b : a));
  const shares: Record<string, number> = { [between]: 1 };
  for (const { cat, name, dur, args } of events) {
    // A Loop's time is the time of its body.
    if (cat !== "Node" || !name.endsWith("_kernel_time") || args?.op_name === "Loop") continue;
    const [group = elementwise] = Object.entries(groups).find(([, ops]) => ops.includes(args!.op_name!)) ?? [];
    const share = dur / 1000 / total;
    shares[group] = (shares[group] ?? 0) + share;
    shares[between]! -= share;
  }
  return { run: median(runs), shares };
}

/** From here on, threads that run graphs write a profile of each to the place that RISE_PROFILE names when they compile it. */
function profileGraphs(): void {
  const patch = `
    const { InferenceSession } = require(require("node:worker_threads").workerData.runtime);
    const create = InferenceSession.create.bind(InferenceSession);
    InferenceSession.create = async (model, options) => {
      const profileFilePrefix = process.env.RISE_PROFILE;
      const session = await create(model, { ...options, enableCpuMemArena: true, enableProfiling: true, profileFilePrefix });
      const release = session.release.bind(session);
      session.release = () => (session.endProfiling(), release());
      return session;
    };`;
  const { Worker } = threads;
  class Profiling extends Worker {
    constructor(program: string, options: threads.WorkerOptions) {
      super(options.workerData?.runtime ? `{${patch}}\n${program}` : program, { ...options, env: threads.SHARE_ENV });
    }
  }
  Object.assign(threads, { Worker: Profiling });
  syncBuiltinESMExports();
}
