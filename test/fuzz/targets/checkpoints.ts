import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readEvaluation } from "../../../src/evaluation/directory";
import { sumsFile, writeSums } from "../../../src/files/checksums";
import { htmlReport } from "../../../src/report";
import { openRunDirectory } from "../../../src/runs/directory/directory";
import { classification } from "../../../src/tasks/classification";
import type { Trainer } from "../../../src/trainer";
import { mutated, mutatedSettings, pick } from "../mutate";
import { notFinite, type Target } from "../target";

const task = classification({ labels: ["joy", "anger"] });
const config = { seed: 1, model: { name: "a", sha256: "00" } };
const format = { ok: true } as const;

/** A run's directory that a damaged disk, or somebody else, has changed: what resume, the report and `readEvaluation` make of it. */
export const checkpointsTarget: Target = {
  name: "checkpoints",
  share: 10_000,
  inTest: 60,
  limitMs: 5000,
  async open(folder) {
    const [original, run] = [join(folder, "original"), join(folder, "run")];
    await writeRun(original);
    const listed = await readdir(original, { recursive: true, withFileTypes: true });
    const files = listed
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(original.length + 1));
    const originals = new Map<string, Buffer>();
    for (const file of files) originals.set(file, await readFile(join(original, file)));
    const example = {
      id: "party",
      image: { width: 1, height: 1, data: new Uint8Array(3) },
      annotation: { joy: 1, anger: 0 },
    };
    return {
      make(rng) {
        const file = pick(rng, files);
        const bytes = originals.get(file)!;
        return { file, bytes: file.endsWith(".json") ? mutatedSettings(rng, [bytes]) : mutated(rng, [bytes]) };
      },
      async read({ file, bytes }) {
        await rm(run, { recursive: true, force: true });
        await cp(original, run, { recursive: true });
        await writeFile(join(run, file), bytes);
        // Else the digests beside it are all that is ever read of a checkpoint.
        if (bytes.length % 3 > 0) await withNewSums(dirname(join(run, file)));
        if (file === "evaluation.json" || file === "records.jsonl") return (await readEvaluation(run)).records.length;
        if (bytes.length % 2 === 0)
          return (await htmlReport({ title: "t", task, dataset: [example], runs: [{ title: "r", runDir: run }] }))
            .length;
        const directory = await openRunDirectory(run, config, { resume: true });
        await directory.close();
        return [directory.resumed?.step ?? 0, directory.best()?.reward ?? 0];
      },
      problem: (read: unknown) => notFinite(read),
    };
  },
};

async function withNewSums(checkpoint: string): Promise<void> {
  const names = (await readdir(checkpoint)).filter((name) => name !== sumsFile);
  if (names.includes("state.json")) await writeSums(checkpoint, names);
}

async function writeRun(folder: string): Promise<void> {
  const directory = await openRunDirectory(folder, config);
  const trainer = { save: (dir: string) => writeFile(join(dir, "weights"), "w") } as Pick<Trainer, "save"> as Trainer;
  for (const step of [1, 2]) {
    const reward = { reward: 1, similarity: 1, leaks: [{ kind: "number", text: "1", start: 0, end: 1 }], format };
    const texts = { cot: { text: "1 <b>" }, reconstruction: { text: "{'joy': 1}" } };
    const row = {
      stage: "train",
      step,
      exampleId: "party",
      index: 0,
      ...texts,
      prediction: { joy: 1, anger: 0 },
      reward,
    };
    await directory.append("metrics", [{ stage: "train", step, reward: step / 10, kl: 0.1 } as never]);
    await directory.append("rollouts", [row]);
    await directory.checkpoint(step, { cots: [], text: "ä" }, { trainer, reward: step / 10 });
  }
  await directory.close();
  await mkdir(folder, { recursive: true });
  const record = { exampleId: "party", text: "{'joy': 1}", finishReason: "stop", prediction: { joy: 1 } };
  await writeFile(join(folder, "records.jsonl"), `${JSON.stringify(record)}\n`);
  await writeFile(join(folder, "evaluation.json"), JSON.stringify({ metrics: { accuracy: 1 }, count: 1 }));
}
