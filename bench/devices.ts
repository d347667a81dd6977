/**
 * Claim: a training step of the tiny model is faster on a GPU than on the CPU of the same machine; a generation of so small a model need not be.
 *
 *   npx tsx bench/devices.ts [cuda|webgpu|cpu]            one minute
 *
 * 16 rows of 144 tokens, each with a picture; 8 completions of 64 tokens. The two take turns.
 */
import type { Device } from "../src/onnx/runtime/device";
import { onnxTrainer } from "../src/trainers/onnx";
import { type Rounds, reportRounds } from "./measure";
import { picturePrompts, withTinyModel } from "./model";
import { randomRows, trainingStep } from "./step";

const device = (process.argv[2] ?? "cuda") as Device;
const [rounds, warmups, rows, rowLength] = [7, 2, 16, 144];

await withTinyModel(async (model) => {
  const work = await randomRows(model, rows, rowLength);
  const trainerOn = (where: Device) => onnxTrainer({ model: model.dir, device: where, rowsAtOnce: rows });
  const [other, cpu] = [await trainerOn(device), await trainerOn("cpu")];
  let seed = 0;
  const works: Readonly<Record<string, (trainer: typeof cpu) => Promise<unknown>>> = {
    [`training step, ${rows} rows of ${rowLength} tokens`]: (trainer) => trainingStep(trainer, work),
    "8 completions of 64 tokens": (trainer) =>
      trainer.sampler().generate(picturePrompts(8), { maxTokens: 64, seed: seed++ }),
  };
  const results: Rounds[] = [];
  for (const [what, run] of Object.entries(works)) {
    const [a, b]: [number[], number[]] = [[], []];
    for (let i = -warmups; i < rounds; i++)
      for (const [trainer, times] of [
        [other, a],
        [cpu, b],
      ] as const) {
        const start = performance.now();
        await run(trainer);
        if (i >= 0) times.push(performance.now() - start);
      }
    results.push({ what, a, b });
  }
  for (const trainer of [other, cpu]) await trainer.dispose();
  reportRounds("devices", [device, "the CPU"], results);
});
