import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { saveCheckpoint } from "../../../../src/engine/checkpoint/policy-files";
import { initialise } from "../../../../src/models/checkpoint/initialise";
import { readHeader } from "../../../../src/models/files/safetensors";
import { openModel } from "../../../../src/models/open-model";
import { describeContracts, describeParity } from "../recorded-family";

describeParity("qwen3-vl", "tied", { parameters: 92, matrices: 78 });
describeParity("qwen3-vl", "untied", { parameters: 82, matrices: 64 });
await describeContracts("qwen3-vl", "tied");

describe("a checkpoint of qwen3-vl that is saved or initialised here", () => {
  const dir = fileURLToPath(new URL("../../../reference/data/families/qwen3-vl/tied/checkpoint", import.meta.url));

  it("has the tensors of one that transformers saved: it reads no shorter names for this family", async () => {
    const shapesIn = async (folder: string) =>
      new Map([...(await readHeader(join(folder, "model.safetensors")))].map(([name, { shape }]) => [name, shape]));
    const model = await openModel(dir);
    const scratch = await mkdtemp(join(tmpdir(), "rise-names-"));
    try {
      const [saved, fresh] = [join(scratch, "saved"), join(scratch, "fresh")];
      const weights = new Map(
        [...model.checkpoint.tensors].map(([name, { shape }]) => {
          return [name, { shape, data: () => model.checkpoint.read(name) }] as const;
        }),
      );
      await saveCheckpoint(model, weights, saved);
      await initialise(fresh, model.architecture, { seed: 1 });
      const expected = await shapesIn(dir);
      expect(expected.size).toBe(92);
      for (const folder of [saved, fresh]) expect(await shapesIn(folder)).toEqual(expected);
    } finally {
      await rm(scratch, { recursive: true });
    }
  });
});
