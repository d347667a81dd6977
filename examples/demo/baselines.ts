/**
 * The scores that the demo's data gives away without a look at a picture: each baseline over five seeds.
 *
 *   npx tsx examples/demo/baselines.ts
 */
import { mean } from "../statistics";
import { heldOut, scoreReference } from "./measure";
import { type DemoTask, detectionDemo, moodsDemo } from "./tasks";

const seeds = [0, 1, 2, 3, 4];

await show(moodsDemo);
await show(detectionDemo);

async function show<A>(demo: DemoTask<A>): Promise<void> {
  const data = await Promise.all(seeds.map((seed) => demo.data({ seed, ...demo.parts })));
  for (const [name, predict] of Object.entries(demo.references)) {
    for (const part of heldOut) {
      const scores = data.map((parts) => scoreReference(demo, predict(parts.train), parts[part]).metrics);
      const text = Object.keys(scores[0]!).map(
        (metric) => `${metric} ${spread(scores.map((score) => score[metric]!))}`,
      );
      console.log(`${demo.name}, ${name}, ${part}: ${text.join(", ")}`);
    }
  }
}

function spread(values: readonly number[]): string {
  return `${mean(values).toFixed(3)} (${Math.min(...values).toFixed(3)} to ${Math.max(...values).toFixed(3)})`;
}
