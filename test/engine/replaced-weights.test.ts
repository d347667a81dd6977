/** The weights of an open model are files, of which a later run may write others under the same names. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { VlmBackend } from "../../src/backend";
import { onnxBackend } from "../../src/backends/onnx";
import { readSafetensors, writeSafetensors } from "../../src/models/files/safetensors";
import { onnxTrainer } from "../../src/trainers/onnx";

const place = { device: "cpu", threads: 1 } as const;
const greedy = { temperature: 0, maxTokens: 4, seed: 0 };
const saying = (text: string) => [{ role: "user" as const, content: [{ type: "text" as const, text }] }];
const short = saying("a");
/** Needs a graph for longer prompts. */
const long = saying("word ".repeat(40));
const replaced = /model\.safetensors: expected the weights that were there when the model was opened/;

let scratch: string;
let count = 0;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "rise-replaced-"));
});
afterAll(() => rm(scratch, { recursive: true }));

async function copyOfModel(): Promise<string> {
  const dir = join(scratch, String(count++));
  await cp("examples/tiny-vlm/checkpoint", dir, { recursive: true });
  return dir;
}

/** The same numbers in another order, so that each tensor lies where another one was. */
async function rewrite(dir: string): Promise<void> {
  const path = join(dir, "model.safetensors");
  const tensors = [...(await readSafetensors(path))].reverse();
  await writeSafetensors(path, new Map(tensors), "F16");
}

const textOf = async (backend: VlmBackend, prompt: typeof short) =>
  (await backend.generate([prompt], greedy))[0]![0]!.text;

describe("weights that were replaced under an open model", () => {
  it("are not read: a graph that is compiled later is an error, and one that exists still runs", async () => {
    const dir = await copyOfModel();
    const backend = await onnxBackend({ model: dir, ...place });
    const before = await textOf(backend, short);
    await rewrite(dir);
    expect(await textOf(backend, short)).toBe(before);
    await expect(backend.generate([long], greedy)).rejects.toThrow(replaced);
    await expect(backend.generate([long], greedy)).rejects.toMatchObject({ name: "BackendError", scope: "backend" });
    await expect(backend.modelDigest?.()).rejects.toThrow(replaced);
    await backend.dispose();

    const reopened = await onnxBackend({ model: dir, ...place });
    expect(await textOf(reopened, short)).toBe(before);
    await reopened.dispose();
  });

  it("are no reference of a policy that was saved over its own model, and which itself continues", async () => {
    const dir = await copyOfModel();
    const trainer = await onnxTrainer({ model: dir, ...place });
    const sequences = [{ prompt: short, completion: trainer.encode("yes") }];
    const before = await trainer.logProbs(sequences, { policy: "reference" });
    expect(await trainer.logProbs(sequences)).toEqual(before);
    await trainer.save(dir);
    expect(await trainer.logProbs(sequences)).toEqual(before);
    expect(await textOf(trainer.sampler(), long)).not.toBe("");
    await expect(trainer.logProbs(sequences, { policy: "reference" })).rejects.toThrow(replaced);
    await trainer.dispose();
  });
});
