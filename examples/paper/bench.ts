import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type EvaluationRecord, evaluate } from "rise-ts";
import type { Arm } from "./arms";
import type { DataSet } from "./data";
import { needsTeacher, recipeOf } from "./recipe";
import { type Kept, type Lab, makePolicy, stageFolder } from "./stages";

/** How an arm did with one seed. */
export interface ArmResult {
  readonly metrics: Readonly<Record<string, number>>;
  /** Of each example, where the data have one. */
  readonly divergences?: readonly number[];
  readonly kept?: Kept;
  readonly records: readonly EvaluationRecord<unknown>[];
}

/** A data set on which arms are tried. */
export interface Bench {
  /** Runs what is missing. `undefined` where it takes GPT-4o and there is none. */
  run(arm: Arm, seed: number): Promise<ArmResult | undefined>;
  /** What an earlier `run` has stored, beside the folder of the arm's last stage. */
  stored(arm: Arm, seed: number): Promise<ArmResult | undefined>;
}

export function createBench<A>(data: DataSet<A>, lab: Lab): Bench {
  const { settings, stop } = lab;
  const loaded = new Map<number, ReturnType<DataSet<A>["load"]>>();
  const partsOf = (seed: number) => {
    const parts = loaded.get(seed) ?? data.load(seed);
    loaded.set(seed, parts);
    return parts;
  };
  const fileOf = (arm: Arm, seed: number) =>
    `${stageFolder(recipeOf(arm, settings), data.name, seed, lab)}.evaluation.json`;

  return {
    stored: (arm, seed) => readResult(fileOf(arm, seed)),

    async run(arm, seed) {
      const recipe = recipeOf(arm, settings);
      const file = fileOf(arm, seed);
      if (needsTeacher(recipe) && !lab.teacher) return undefined;
      const known = await readResult(file);
      if (known) return known;
      stop?.throwIfAborted();
      const { train, test } = await partsOf(seed);
      const { backend, kept } = await makePolicy(recipe, data, train, seed, lab);
      const { metrics, records } = await evaluate({
        ...{ task: data.task, dataset: test, backend, metrics: data.metrics },
        ...{ maxTokens: settings.maxTokens.answer, batchSize: 60 },
        ...(stop && { signal: stop }),
      });
      const divergences = test.flatMap(
        ({ annotation }, i) => data.divergence?.(annotation, records[i]!.prediction) ?? [],
      );
      const result = { metrics, ...(kept && { kept }), ...(divergences.length > 0 && { divergences }), records };
      await store(file, result);
      return result;
    },
  };
}

async function readResult(file: string): Promise<ArmResult | undefined> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as ArmResult);
}

/** There whole or not at all: a result that is there is not computed again. */
async function store(file: string, result: ArmResult): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.partial`, `${JSON.stringify(result)}\n`);
  await rename(`${file}.partial`, file);
}
