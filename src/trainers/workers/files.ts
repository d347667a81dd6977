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

/** Checkpoints as `onnxTrainer` writes and reads them: this process writes the JSON, the workers the tensors. */
export interface CheckpointFiles {
  save(dir: string): Promise<void>;
  /** @throws CheckpointError for a folder of another kind, rank or scale, or with other tensors */
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
  const weightsFile = lora ? "adapter_model.safetensors" : "model.safetensors";
  const ownName = (name: string) => (lora ? peftName(architecture, name) : architecture.storedName(name));
  const shapes = new Map(
    [...trainable.values()].map(({ canonical, shape }) => [canonical, { shape, data: new Float32Array() }]),
  );
  return {
    async save(folder) {
      const dir = resolve(folder);
      if (lora) await saveAdapterSettings(model, { trainable: shapes }, lora, dir);
      else await saveSettings(model, dir, { dtype: "float32" });
      const places = placesOf(trainable, (canonical, shape) => [
        [join(dir, weightsFile), ownName(canonical), shape],
        ...momentsIn(dir, canonical, shape),
      ]);
      const { step } = await ask("save", { dir, places });
      await saveStep(dir, Number(step));
    },

    async load(folder) {
      const dir = resolve(folder);
      const adapter = await checkKind(dir, lora);
      if (lora) await findTensors(adapter, shapes, architecture.canonicalName);
      else await openCheckpoint(dir, architecture).catch(unusable);
      const files = lora ? [adapter] : (await weightFiles(dir)).map((file) => join(dir, file));
      const stored = await placesIn(files, architecture.canonicalName);
      const step = await storedStep(dir);
      if (step !== undefined) await checkMoments(dir, trainable);
      const places = placesOf(trainable, (canonical, shape) => [
        stored.get(canonical)!,
        ...(step === undefined ? [] : momentsIn(dir, canonical, shape)),
      ]);
      await ask("load", { step: step ?? 0, places });
    },

    async digest(dir) {
      const hash = createHash("sha256");
      for (const file of lora ? [weightsFile] : await weightFiles(dir))
        for await (const piece of createReadStream(join(dir, file), { highWaterMark: 2 ** 22 })) hash.update(piece);
      return hash.digest("hex");
    },
  };
}

/** The places of every trained tensor and of its moments, by PyTorch's names. */
function placesOf(
  trainable: Trainable,
  of: (canonical: string, shape: readonly number[]) => readonly Place[],
): Readonly<Record<string, readonly Place[]>> {
  return Object.fromEntries([...trainable].map(([name, { canonical, shape }]) => [name, of(canonical, shape)]));
}

/** The two moments of AdamW, which are stored flat. */
const momentsIn = (dir: string, canonical: string, shape: readonly number[]): Place[] =>
  ["exp_avg", "exp_avg_sq"].map((moment) => [
    join(dir, tensorsFile),
    `${moment}/${canonical}`,
    [shape.reduce((a, b) => a * b, 1)],
  ]);

async function checkMoments(dir: string, trainable: Trainable): Promise<void> {
  const places = [...trainable.values()].flatMap(({ canonical, shape }) => momentsIn(dir, canonical, shape));
  await findTensors(join(dir, tensorsFile), new Map(places.map(([, name, shape]) => [name, { shape }])));
}

/** The tensors of files, by canonical names. */
async function placesIn(files: readonly string[], canonicalName: (stored: string) => string) {
  const places = new Map<string, Place>();
  for (const file of files)
    for (const [name, { shape }] of await readHeader(file)) places.set(canonicalName(name), [file, name, shape]);
  return places;
}
