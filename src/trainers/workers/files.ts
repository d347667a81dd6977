import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join, resolve } from "node:path";
import type { LoraConfig } from "../../engine/adapter";
import { saveStep, storedStep, tensorsFile } from "../../engine/checkpoint/optimizer-files";
import { unusable } from "../../engine/checkpoint/peft";
import {
  checkKind,
  findTensors,
  peftName,
  saveAdapterSettings,
  saveSettings,
} from "../../engine/checkpoint/policy-files";
import { openCheckpoint } from "../../models/checkpoint/weights";
import { weightFiles } from "../../models/files/directory";
import { readHeader } from "../../models/files/safetensors";
import type { VisionLanguageModel } from "../../models/open-model";
import type { Ask } from "./wire";

/** The trained tensors: PyTorch's name of each, and this library's with its shape. */
export type Trainable = ReadonlyMap<string, { readonly canonical: string; readonly shape: readonly number[] }>;

/** The place of a tensor: a file, its name there, and its shape. */
type Place = readonly [path: string, name: string, shape: readonly number[]];

const moments = ["exp_avg", "exp_avg_sq"] as const;

/** Checkpoints as `onnxTrainer` writes and reads them: this process writes the JSON, the workers the tensors. */
export interface CheckpointFiles {
  save(dir: string): Promise<void>;
  load(dir: string): Promise<void>;
  /** A digest of the weights in a folder. */
  digest(dir: string): Promise<string>;
}

export function checkpointFiles(
  model: VisionLanguageModel,
  trainable: Trainable,
  lora: LoraConfig | undefined,
  ask: Ask,
): CheckpointFiles {
  const { architecture } = model;
  const canonical = new Map(
    [...trainable.values()].map(({ canonical, shape }) => [canonical, { shape, data: new Float32Array() }]),
  );
  const weightsFile = lora ? "adapter_model.safetensors" : "model.safetensors";
  const ownName = (name: string) => (lora ? peftName(architecture, name) : architecture.storedName(name));
  const momentsIn = (dir: string, name: string, shape: readonly number[]): Place[] =>
    moments.map((moment) => [join(dir, tensorsFile), `${moment}/${name}`, [shape.reduce((a, b) => a * b, 1)]]);
  return {
    async save(folder) {
      const dir = resolve(folder);
      const places = [...trainable].map(([name, { canonical, shape }]) => {
        const weight: Place = [join(dir, weightsFile), ownName(canonical), shape];
        return [name, [weight, ...momentsIn(dir, canonical, shape)]] as const;
      });
      if (lora) await saveAdapterSettings(model, { trainable: canonical }, lora, dir);
      else await saveSettings(model, dir);
      const { step } = await ask("save", { dir, places: Object.fromEntries(places) });
      await saveStep(dir, Number(step));
    },

    async load(folder) {
      const dir = resolve(folder);
      const adapter = await checkKind(dir, lora);
      if (lora) await findTensors(adapter, canonical, architecture.canonicalName);
      else await openCheckpoint(dir, architecture).catch(unusable);
      const files = lora ? [adapter] : (await weightFiles(dir)).map((file) => join(dir, file));
      const stored = new Map<string, Place>();
      for (const file of files)
        for (const [name, { shape }] of await readHeader(file))
          stored.set(architecture.canonicalName(name), [file, name, shape]);
      const step = await storedStep(dir);
      const all = [...trainable.values()].flatMap(({ canonical, shape }) => momentsIn(dir, canonical, shape));
      const expected = new Map(all.map(([, name, shape]) => [name, { shape }]));
      if (step !== undefined) await findTensors(join(dir, tensorsFile), expected);
      const places = [...trainable].map(([name, { canonical, shape }]) => {
        const own = step === undefined ? [] : momentsIn(dir, canonical, shape);
        return [name, [stored.get(canonical)!, ...own]] as const;
      });
      await ask("load", { step: step ?? 0, places: Object.fromEntries(places) });
    },

    async digest(dir) {
      const hash = createHash("sha256");
      const files = lora ? [weightsFile] : await weightFiles(dir);
      for (const file of files)
        for await (const piece of createReadStream(join(dir, file), { highWaterMark: 2 ** 22 })) hash.update(piece);
      return hash.digest("hex");
    },
  };
}
