import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Evaluation, evaluate, readEvaluation } from "rise-ts";
import { remembered } from "../remembered";
import type { Arm } from "./arms";
import type { DataSet } from "./data";
import { needsTeacher, recipeOf } from "./recipe";
import { type Kept, type Lab, makePolicy, stageFolder } from "./stages";

/** How an arm did with one seed. */
export interface ArmResult extends Pick<Evaluation<unknown, string>, "metrics" | "records"> {
  readonly kept?: Kept;
}

/** A data set on which arms are tried. */
export interface Bench {
  /** Runs what is missing. `undefined` if it takes GPT-4o and no key is given. */
  run(arm: Arm, seed: number): Promise<ArmResult | undefined>;
  /** The files that an earlier `run` has stored, beside the folder of the arm's last stage. */
  stored(arm: Arm, seed: number): Promise<ArmResult | undefined>;
}

export function createBench<A>(data: DataSet<A>, lab: Lab): Bench {
  const { settings, stop } = lab;
  const partsOf = remembered((seed: number) => data.load(seed));
  const folderOf = (arm: Arm, seed: number) =>
    `${stageFolder(recipeOf(arm, settings), data.name, seed, lab)}.evaluation`;

  return {
    stored: (arm, seed) => readResult(folderOf(arm, seed)),

    async run(arm, seed) {
      const recipe = recipeOf(arm, settings);
      const runDir = folderOf(arm, seed);
      if (needsTeacher(recipe) && !lab.teacher) return undefined;
      const known = await readResult(runDir);
      if (known) return known;
      stop?.throwIfAborted();
      const { train, test } = await partsOf(seed);
      const { backend, kept } = await makePolicy(recipe, data, train, seed, lab);
      if (kept) await writeFile(keptFile(runDir), `${JSON.stringify(kept)}\n`);
      const { metrics, records } = await evaluate({
        ...{ task: data.task, dataset: test, backend, metrics: data.metrics, runDir, resume: true },
        ...{ maxTokens: settings.maxTokens.answer, batchSize: 60 },
        ...(stop && { signal: stop }),
      });
      return { metrics, records, ...(kept && { kept }) };
    },
  };
}

/** A result that is there whole is not computed again. */
async function readResult(runDir: string): Promise<ArmResult | undefined> {
  if (!existsSync(join(runDir, "evaluation.json"))) return undefined;
  const { metrics, records } = await readEvaluation<unknown>(runDir);
  const kept = await readFile(keptFile(runDir), "utf8").catch(() => undefined);
  return { metrics, records, ...(kept !== undefined && { kept: JSON.parse(kept) as Kept }) };
}

/** Beside the evaluation's directory, which holds nothing else. */
const keptFile = (runDir: string) => `${runDir}.kept.json`;
