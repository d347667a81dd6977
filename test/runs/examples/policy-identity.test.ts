import { describe, expect, it } from "vitest";
import type { VlmBackend } from "../../../src/backend";
import { CheckpointError } from "../../../src/errors";
import type { Trainer } from "../../../src/trainer";
import {
  answerRun,
  answerTrainer,
  cotRun,
  cotTrainer,
  evaluationBackend,
  evaluationRun,
  withFolders,
} from "../../rise/world";

/** The model of a run: what it is called, and what it holds. */
interface Model {
  readonly name: string;
  readonly digest?: string;
}
const asBackend = (backend: VlmBackend, { name, digest }: Model): VlmBackend => ({
  ...backend,
  name,
  ...(digest !== undefined && { modelDigest: async () => digest }),
});
function asTrainer(trainer: Trainer, model: Model): Trainer {
  const sampler = asBackend(trainer.sampler(), model);
  return { ...trainer, sampler: () => sampler };
}

describe.each([
  [
    "riseCot",
    (runDir: string, model: Model) => cotRun({ trainer: asTrainer(cotTrainer(), model), runDir, resume: true }),
  ],
  [
    "riseR1",
    (runDir: string, model: Model) => answerRun({ trainer: asTrainer(answerTrainer(), model), runDir, resume: true }),
  ],
  [
    "evaluate",
    (runDir: string, model: Model) =>
      evaluationRun({ backend: asBackend(evaluationBackend(), model), runDir, resume: true }),
  ],
])("the model of a run of %s that is resumed", (_, run) => {
  it("is known by what it holds: by another path it is the same, and other weights under the same name are another", () =>
    withFolders(1, async (folder) => {
      await run(folder!, { name: "onnx ./model", digest: "a" });
      await run(folder!, { name: "onnx /home/me/model", digest: "a" });
      const other = () => Promise.resolve(run(folder!, { name: "onnx ./model", digest: "b" }));
      await expect(other()).rejects.toThrow(CheckpointError);
      await expect(other()).rejects.toThrow(/other settings: policy\.sha256 \("a" there, "b" here\)/);
    }));

  it("is known by its name where nothing can be said of what it holds", () =>
    withFolders(1, async (folder) => {
      await run(folder!, { name: "server" });
      await run(folder!, { name: "server" });
      await expect(Promise.resolve(run(folder!, { name: "other" }))).rejects.toThrow(
        /policy \("server" there, "other" here\)/,
      );
    }));
});
