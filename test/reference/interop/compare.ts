import { existsSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { mergeAdapter } from "../../../src/engine/checkpoint/merge";
import { openModel } from "../../../src/models/open-model";
import type { LossFn, Trainer, TrainSequence } from "../../../src/trainer";
import { type OnnxTrainerOptions, onnxTrainer } from "../../../src/trainers/onnx";
import type { Prompt } from "../../../src/types";
import { checkpointDir, imagePath, largestError } from "../../models/reference";
import { type Comparison, worst } from "../compare";
import type { Python } from "../python";

const here = fileURLToPath(new URL(".", import.meta.url));
const models = {
  "the random model": checkpointDir,
  "examples/tiny-vlm": join(here, "../../../examples/tiny-vlm/checkpoint"),
  "Qwen2.5-VL": join(here, "../data/families/qwen2-5-vl/tied/checkpoint"),
  "Qwen3-VL": join(here, "../data/families/qwen3-vl/tied/checkpoint"),
};

const picture = (file: string) => ({ type: "image" as const, image: imagePath(file) });
const text = (words: string) => ({ type: "text" as const, text: words });
const prompts: readonly Prompt[] = [
  [{ role: "user", content: [picture("square.png"), text("What does this picture show?")] }],
  [{ role: "user", content: [text("First: "), picture("turned.jpg"), text(" then "), picture("wide.png")] }],
  [
    { role: "system", content: [text("You look at pictures.")] },
    { role: "user", content: [text("None here. Count to 3.")] },
  ],
];

/** transformers and PEFT score completions with what this library was given, and with what it saved after training; so does this library. */
export async function compareScores(python: Python, scratch: string): Promise<Comparison[]> {
  const jobs: (Job & { readonly what: string })[] = [];
  for (const [name, model] of Object.entries(models)) {
    if (!existsSync(join(model, "model.safetensors"))) continue;
    for (const [how, options] of [
      ["every weight", {}],
      ["LoRA", { lora: { rank: 3 } }],
      ["rsLoRA on both towers", { lora: { rank: 4, rsLora: true, targetModules: "all-linear" } }],
    ] as const)
      jobs.push(...(await trainedJobs(`${name}, ${how}`, { model, ...options }, scratch)));
  }
  const file = join(scratch, "jobs.json");
  await writeFile(file, JSON.stringify(jobs));
  const theirs = JSON.parse(await python(join(here, "score.py"), file)) as number[][][];
  return jobs.map(({ what, rows }, j) =>
    worst(what, new Map(rows.map(({ logProbs }, i) => [`row ${i}`, largestError(logProbs, theirs[j]![i]!)]))),
  );
}

interface Job {
  readonly model: string;
  readonly adapter?: string;
  readonly rows: readonly {
    readonly messages: Prompt;
    readonly tokens: readonly number[];
    readonly pictures: readonly string[];
    readonly completion: readonly number[];
    readonly logProbs: readonly number[];
  }[];
}

/** The checkpoint's log-probs of sampled completions, before and after three steps on them. */
async function trainedJobs(what: string, options: OnnxTrainerOptions & { model: string }, scratch: string) {
  const trainer = await onnxTrainer({ device: "cpu", ...options });
  try {
    const written = await trainer.sampler().generate(prompts, { count: 4, maxTokens: 32, temperature: 1.5, seed: 1 });
    const sequences = written.flatMap((group, i) =>
      group.map(({ tokenIds }) => ({ prompt: prompts[i]!, completion: tokenIds! })),
    );
    const before = {
      what: `${what}: as it was`,
      model: options.model,
      rows: await scored(trainer, options.model, sequences),
    };
    for (let step = 0; step < 3; step++) {
      await trainer.forwardBackward(sequences, raise);
      await trainer.optimStep({ learningRate: options.lora ? 1e-2 : 1e-3 });
    }
    const dir = await mkdtemp(join(scratch, "saved-"));
    await trainer.save(dir);
    const rows = await scored(trainer, options.model, sequences);
    if (!options.lora) return [before, { what: `${what}: trained, saved`, model: dir, rows }];
    const merged = await mkdtemp(join(scratch, "merged-"));
    await mergeAdapter(dir, merged, { dtype: "float32" });
    return [
      before,
      { what: `${what}: trained, saved`, model: options.model, adapter: dir, rows },
      { what: `${what}: trained, merged`, model: merged, rows },
    ];
  } finally {
    await trainer.dispose();
  }
}

async function scored(trainer: Trainer, dir: string, sequences: readonly TrainSequence[]): Promise<Job["rows"]> {
  const model = await openModel(dir);
  const { logProbs } = await trainer.forwardBackward(sequences, still);
  return Promise.all(
    sequences.map(async ({ prompt, completion }, i) => ({
      messages: prompt,
      tokens: (await model.encodePrompt(prompt)).tokens,
      pictures: prompt.flatMap(({ content }) =>
        content.flatMap((part) => (part.type === "image" ? [part.image as string] : [])),
      ),
      completion,
      logProbs: [...logProbs[i]!],
    })),
  );
}

const constant =
  (value: number): LossFn =>
  (logProbs) => ({ loss: 0, gradient: logProbs.map((row) => new Float64Array(row.length).fill(value)) });

const still = constant(0);
const raise = constant(-1);
