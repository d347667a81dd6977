/**
 * Causes that keep RISE behind in the tables of the tiny model: SFT as in the tables, with one thing changed from each line to the next: how many pictures there are to
 * learn from, that there is a thought at all, whether it is about this picture, and whether it is true.
 *
 *   npx tsx examples/paper/one-cause.ts [--task classification|detection] [--threads N] [DIR]     after npm run paper, whose --out is DIR (runs/paper)
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createRng, type Example, evaluate, type RatedCot, riseR1, selectHighQuality } from "rise-ts";
import { onnxTrainer } from "rise-ts/trainers/onnx";
import { type DemoTask, detectionDemo, moodsDemo } from "../demo/tasks";
import { rise } from "./arms";
import { type DataSet, moods, scenes } from "./data";
import { type CotRecipe, folderOf } from "./recipe";
import { fallingRate, tinySettings } from "./settings";

const seeds = [0, 1, 2];
const { pictures, maxTokens, sft, cot } = tinySettings;
const model = fileURLToPath(new URL("../tiny-vlm/checkpoint", import.meta.url));

/** The lessons of SFT, from the pictures there are and the cots that τ keeps. */
type Lessons = <A>(
  train: readonly Example<A>[],
  kept: readonly RatedCot<A>[],
  seed: number,
  trueCot: (example: Example<A>) => string,
) => readonly RatedCot<A>[];

const variants: Readonly<Record<string, Lessons>> = {
  "bare answers, all pictures": (train) => train.map((example) => lesson(example, "")),
  "bare answers, what τ keeps": (train, kept) => of(train, kept).map((example) => lesson(example, "")),
  "RISE's cots, each another picture's": (_, kept, seed) => {
    const others = createRng(seed, "exchanged").shuffle(kept);
    return others.map(({ exampleId, annotation, reward }, i) => ({
      ...{ exampleId, annotation, reward },
      cot: others[(i + 1) % others.length]!.cot,
    }));
  },
  "RISE's cots": (_, kept) => kept,
  "true cots, what τ keeps": (train, kept, _, trueCot) =>
    of(train, kept).map((example) => lesson(example, trueCot(example))),
  "true cots, all pictures": (train, _, __, trueCot) => train.map((example) => lesson(example, trueCot(example))),
};

const lesson = <A>({ id, annotation }: Example<A>, cot: string): RatedCot<A> => ({
  ...{ exampleId: id, cot, annotation, reward: 1 },
});

function of<A>(train: readonly Example<A>[], kept: readonly RatedCot<A>[]): readonly Example<A>[] {
  const ids = new Set(kept.map(({ exampleId }) => exampleId));
  return train.filter(({ id }) => ids.has(id));
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { task: { type: "string" }, threads: { type: "string" } },
    allowPositionals: true,
  });
  const out = positionals[0] ?? join("runs", "paper");
  const trainer = await onnxTrainer({ model, ...(values.threads && { threads: Number(values.threads) }) });
  const initial = await mkdtemp(join(tmpdir(), "rise-one-cause-"));
  await trainer.save(initial);

  const tryAll = async <A>(data: DataSet<A>, { trueCot }: Pick<DemoTask<A>, "trueCot">): Promise<void> => {
    const metric = Object.keys(data.metrics)[0]!;
    for (const [name, lessons] of Object.entries(variants)) {
      const scores: number[] = [];
      let [named, shown, learned] = [0, 0, 0];
      for (const seed of seeds) {
        const { train, test } = await data.load(seed);
        const kept = selectHighQuality(await writtenCots<A>(out, data.name, seed), { threshold: rise.threshold });
        const cots = lessons(train, kept, seed, trueCot);
        learned += cots.length / seeds.length;
        await trainer.load(initial);
        await riseR1({
          ...{ task: data.task, dataset: train, cots, trainer, threshold: 0, rft: false, seed, preflight: false },
          sft: { steps: sft.steps, batchSize: sft.batchSize, learningRate: fallingRate(sft), lossType: "token" },
        });
        const { metrics, records } = await evaluate({
          ...{ task: data.task, dataset: test, backend: trainer.sampler(), metrics: data.metrics },
          ...{ maxTokens: maxTokens.answer, batchSize: 60 },
        });
        scores.push(metrics[metric]!);
        for (const [i, example] of test.entries())
          for (const thing of example.metadata!.shows as readonly string[]) {
            shown++;
            if (records[i]!.think?.toLowerCase().includes(thing.toLowerCase())) named++;
          }
      }
      console.log(
        `${data.name}  ${name.padEnd(36)} ${learned.toFixed(0).padStart(4)} samples   ${metric} ${meanAndDeviation(scores)}   thoughts name ${((100 * named) / shown).toFixed(0).padStart(3)} %`,
      );
    }
  };
  if (values.task !== "detection") await tryAll(moods(pictures), moodsDemo);
  if (values.task !== "classification") await tryAll(scenes(pictures), detectionDemo);
  await trainer.dispose();
  await rm(initial, { recursive: true });
}

/** D_RISE of the tables' RISE-CoT. */
async function writtenCots<A>(out: string, data: string, seed: number): Promise<readonly RatedCot<A>[]> {
  const recipe: CotRecipe = { stage: "cot", reward: rise.reward, shots: "full", settings: cot };
  const folder = folderOf(recipe, { ...{ data, seed, model: "tiny" }, pictures, maxTokens });
  const text = await readFile(join(out, folder, "cots.jsonl"), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as RatedCot<A>);
}

function meanAndDeviation(values: readonly number[]): string {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (values.length - 1);
  return `${mean.toFixed(3)} ± ${Math.sqrt(variance).toFixed(3)}`;
}

main();
