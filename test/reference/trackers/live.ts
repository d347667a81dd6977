import { mkdtemp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { tensorboard } from "../../../src/trackers";
import { told } from "../../trackers/wandb-requests";
import { type Comparison, worst } from "../compare";
import type { Python } from "../python";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** TensorBoard reads a run of 300 steps that was resumed at step 200, and finds each step once, with the value of the later session. */
export async function compareTensorboard(python: Python, scratch: string): Promise<Comparison[]> {
  const dir = await mkdtemp(join(scratch, "tensorboard-"));
  const value = (session: number, step: number) => Math.fround(session + Math.sin(step));
  for (const [session, from, to] of [
    [0, 1, 220],
    [1, 201, 300],
  ] as const) {
    const tracker = tensorboard(dir);
    for (let step = from; step <= to; step++)
      tracker.record({ stage: "rise-cot", step, reward: value(session, step), "rise/leak_rate": step / 300 });
    await tracker.close();
    // The reader takes files in the order of their names, which count seconds.
    await new Promise((resolve) => setTimeout(resolve, 1100));
  }
  const out = join(dir, "read.json");
  await python(here("read.py"), dir, out);
  const read: Readonly<Record<string, [number, number][]>> = JSON.parse(await readFile(out, "utf8"));
  const differences = new Map<string, number>();
  const expected = {
    reward: (step: number) => value(Number(step > 200), step),
    "rise/leak_rate": (s: number) => s / 300,
  };
  differences.set("tags", Object.keys(read).sort().join() === "reward,rise/leak_rate" ? 0 : Number.POSITIVE_INFINITY);
  for (const [tag, at] of Object.entries(expected))
    for (let step = 1; step <= 300; step++) {
      const [readStep, readValue] = read[tag]?.[step - 1] ?? [];
      differences.set(`${tag} ${step}`, readStep === step ? Math.abs(readValue! - at(step)) : Number.POSITIVE_INFINITY);
    }
  return [{ ...worst("TensorBoard: steps and values of a resumed run", differences), tolerance: 1e-7 }];
}

/** wandb's own client sends what it sent when `wandb.json` was recorded, which a test holds our tracker to. */
export async function compareWandb(python: Python, scratch: string): Promise<Comparison[]> {
  const out = join(scratch, "wandb.json");
  await python(here("wandb.py"), out);
  const [now, recorded] = await Promise.all([out, here("wandb.json")].map((file) => readFile(file, "utf8")));
  const isEqual = isDeepStrictEqual(told(JSON.parse(now!).requests), told(JSON.parse(recorded!).requests));
  const difference = isEqual ? 0 : Number.POSITIVE_INFINITY;
  return [{ what: "wandb: what its client tells a server of a run", difference, where: "trackers/wandb.json" }];
}
