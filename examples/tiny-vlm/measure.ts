/**
 * Measures what the tiny model can do before RISE, on pictures of no lesson. README.md shows what it prints.
 *
 *   npx tsx examples/tiny-vlm/measure.ts [examples/tiny-vlm/checkpoint]        two minutes
 */
import { fileURLToPath } from "node:url";
import { onnxBackend } from "rise-ts/backends/onnx";
import { heldOut, scoreModel, thoughtWorth, unlikeWorth } from "../demo/measure";
import { type DemoTask, detectionDemo, moodsDemo } from "../demo/tasks";
import { measureNames, measureScenes } from "./measurements";

const model = process.argv[2] ?? fileURLToPath(new URL("checkpoint", import.meta.url));
const backend = await onnxBackend({ model, device: "cpu" });
console.log(await measureNames(backend, 192));
await show(moodsDemo);
await show(detectionDemo);
const scenes = await detectionDemo.data({ seed: 7, train: 0, test: 64, unseen: 64 });
for (const part of heldOut)
  console.log(`scenes, ${part}: ${await measureScenes(backend, scenes[part], detectionDemo.trueCot)}`);
await backend.dispose?.();

async function show<A>(demo: DemoTask<A>): Promise<void> {
  const parts = await demo.data({ seed: 0, train: 0, test: 99, unseen: 60 });
  const { scores } = await scoreModel(demo, parts, backend, new AbortController().signal);
  for (const part of heldOut) {
    const { own, empty, other, ahead, auc } = await thoughtWorth(demo, parts[part], backend);
    const unlike = await unlikeWorth(demo, parts[part], backend);
    const metrics = Object.entries(scores[part].metrics).map(([name, value]) => `${name} ${value.toFixed(3)}`);
    console.log(
      `${demo.name}, ${part}: ${metrics.join(", ")}; a true thought earns ${own.toFixed(3)}, none ${empty.toFixed(3)}, another's ${other.toFixed(3)}, ` +
        `one about another ${demo.kind} ${unlike.toFixed(3)}: ` +
        `cotGain ${(own - empty).toFixed(3)}, ahead ${ahead.toFixed(2)}, AUC ${auc.toFixed(2)}`,
    );
  }
}
