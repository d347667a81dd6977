import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { averageWeights, forgetStates, keepState, lastState } from "../../examples/tiny-vlm/states";
import { readSafetensors, writeSafetensors } from "../../src/models/files/safetensors";

let work: string;
beforeEach(async () => {
  work = await mkdtemp(join(tmpdir(), "rise-states-"));
});
afterEach(() => rm(work, { recursive: true }));

async function aside(worker: number, weight: number): Promise<string> {
  const folder = join(work, "aside", `worker-${worker}`);
  await mkdir(folder, { recursive: true });
  const tensors = new Map([["w", { shape: [1], data: Float32Array.of(weight) }]]);
  await writeSafetensors(join(folder, "model.safetensors"), tensors, "F32");
  return folder;
}

describe("the states of the tiny model's training", () => {
  it("are the last that was kept whole, and never one that was only saved aside", async () => {
    expect(await lastState(join(work, "nowhere"))).toBeUndefined();
    await aside(0, 1);
    await keepState(work, 20, join(work, "aside"));
    await aside(0, 2);
    expect(await lastState(work)).toEqual({ step: 20, folder: join(work, "step-20") });
    await keepState(work, 40, join(work, "aside"));
    expect(await lastState(work)).toEqual({ step: 40, folder: join(work, "step-40") });
    expect(await readdir(work)).toEqual(["step-40"]);
  });

  it("are forgotten by a training that begins anew, and nothing else in the folder is", async () => {
    await aside(0, 1);
    await keepState(work, 20, join(work, "aside"));
    await writeFile(join(work, "config.json"), "{}");
    await forgetStates(work);
    expect(await lastState(work)).toBeUndefined();
    expect(await readdir(work)).toEqual(["config.json"]);
  });

  it("have the mean of all workers' weights", async () => {
    const folders = [await aside(0, 1), await aside(1, 4)];
    await averageWeights(folders);
    for (const folder of folders) {
      const tensors = await readSafetensors(join(folder, "model.safetensors"));
      expect([...tensors.get("w")!.data]).toEqual([2.5]);
    }
  });
});
