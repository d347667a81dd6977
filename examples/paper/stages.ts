import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  type Example,
  paperReward,
  type RatedCot,
  type Run,
  type RunEvent,
  riseCot,
  riseR1,
  selectHighQuality,
  type Trainer,
  type VlmBackend,
} from "rise-ts";
import { formatThinkAnswer, parseThinkAnswer } from "rise-ts/checks";
import { similarityOnly, withoutFormatGate, withoutLeakGate } from "rise-ts/reward";
import type { RewardName, Shots } from "./arms";
import type { DataSet } from "./data";
import {
  type BestOfRecipe,
  type CotRecipe,
  folderOf,
  type PolicyRecipe,
  type Recipe,
  type SftRecipe,
  type TemptedRecipe,
} from "./recipe";
import { fallingRate, type Settings, steadyRate } from "./settings";
import { tempt } from "./temptation";
import { writeOnce } from "./write-once";

/** Options of every run, whatever the data. */
export interface Lab {
  /** The one policy of all stages, loaded when the first asks for it. */
  student(): Promise<Student>;
  /** Its name, which folders are told apart by. */
  readonly model: string;
  /** GPT-4o, where there is a key for it. */
  readonly teacher?: VlmBackend;
  readonly settings: Settings;
  readonly out: string;
  readonly stop?: AbortSignal;
  /** Told of every stage that begins, and of its progress. */
  follow<Rollout, Result>(title: string, run: Run<RunEvent<Rollout, Result>, Result>): Promise<Result>;
}

export interface Student {
  readonly trainer: Trainer;
  /** Folder with the weights of before any training. */
  readonly initial: string;
}

/** Cots that SFT learned from, of all there were, and how many of the former leak. */
export interface Kept {
  readonly cots: number;
  readonly of: number;
  readonly leaking?: number;
}

export interface Made {
  readonly backend: VlmBackend;
  readonly kept?: Kept;
}

/** The folder of one stage of one seed. */
export function stageFolder(recipe: Recipe, data: string, seed: number, { settings, model, out }: Lab): string {
  const { pictures, maxTokens } = settings;
  return join(out, folderOf(recipe, { data, seed, model, pictures, maxTokens }));
}

/**
 * Runs a recipe's stages, each in its own folder, where a finished one is found again and an interrupted one is resumed.
 * @returns the model they end in
 */
export async function makePolicy<A>(
  recipe: PolicyRecipe,
  data: DataSet<A>,
  train: readonly Example<A>[],
  seed: number,
  lab: Lab,
): Promise<Made> {
  const { settings } = lab;
  const { trainer, initial } = await lab.student();
  const common = (stage: Recipe) => ({
    task: data.task,
    seed,
    resume: true,
    runDir: stageFolder(stage, data.name, seed, lab),
    checkpointEvery: settings.checkpointEvery,
    keepCheckpoints: 1,
    ...(lab.stop && { stop: lab.stop }),
  });
  const subset = (shots: Shots) => (shots === "full" ? train : data.fewShot(train, shots, seed));
  const title = (stage: string) => `${data.name}, seed ${seed}: ${stage}`;

  return policy(recipe);

  async function policy(stage: PolicyRecipe): Promise<Made> {
    if (stage.stage === "model") return { backend: await model(stage.model) };
    if (stage.stage === "sft") return supervised(stage);
    const { backend, ...before } = await policy(stage.from);
    const { steps, groupSize, examplesPerStep } = stage.settings;
    const rft = { steps, groupSize, examplesPerStep, learningRate: steadyRate(stage.settings) };
    const run = riseR1({
      ...common(stage),
      ...{ trainer, dataset: subset(stage.shots), cots: [], sft: false },
      rft: { ...rft, sampling: { maxTokens: settings.maxTokens.answer } },
    });
    await lab.follow(title("RFT"), run);
    return { backend, ...before };
  }

  async function supervised(stage: SftRecipe) {
    const dataset = subset(stage.shots);
    const all = stage.cots ? await written(stage.cots) : bareAnswers(dataset);
    // Without a threshold or the format gate there may be some with tags in them, which no target can hold.
    const cots = all.filter(({ cot }) => parseThinkAnswer(formatThinkAnswer(cot, "")) !== null);
    const rows = selectHighQuality(cots, { threshold: stage.threshold });
    const leaking = rows.filter(({ cot, annotation }) => data.task.leaks(cot, annotation).length > 0).length;
    const of = stage.cots?.stage === "best-of" ? dataset.length : all.length;
    const kept = { cots: rows.length, of, leaking };
    const backend = await beginning(stage.from);
    // Nothing to learn from, as may happen with four examples: the model stays as it is.
    if (rows.length === 0) return { backend, kept };
    const { steps, batchSize, rehearsal } = stage.settings;
    const practised = rehearsal && (await data.rehearsal?.(seed, rehearsal.rows, []));
    const run = riseR1({
      ...common(stage),
      ...{ trainer, dataset, cots, threshold: stage.threshold, rft: false },
      sft: {
        steps,
        batchSize,
        learningRate: fallingRate(stage.settings),
        lossType: "token",
        ...(practised && { rehearsal: { rows: practised, share: rehearsal.share } }),
      },
    });
    await lab.follow(title("SFT"), run);
    return { backend, kept };
  }

  async function written(stage: CotRecipe | BestOfRecipe): Promise<readonly RatedCot<A>[]> {
    const { maxTokens } = settings;
    const { temperature } = settings.cot;
    const sampling = {
      ...{ cotMaxTokens: maxTokens.cot, reconstructionMaxTokens: maxTokens.reconstruction },
      ...(temperature !== undefined && { temperature }),
    };
    if (stage.stage === "cot") {
      await beginning(stage.from);
      const { steps, groupSize, examplesPerStep } = stage.settings;
      const run = riseCot<A>({
        ...common(stage),
        ...{ trainer, dataset: subset(stage.shots), steps, groupSize, examplesPerStep, sampling },
        ...{ learningRate: steadyRate(stage.settings), reward: rewards[stage.reward] },
      });
      const result = await lab.follow(title(`RISE-CoT, ${stage.reward} reward`), run);
      return result.dataset;
    }
    const { examplesOf, threshold, groupSize } = stage;
    const high = selectHighQuality(await written(examplesOf), { threshold });
    const ids = new Set(high.map(({ exampleId }) => exampleId));
    const dataset = subset(examplesOf.shots).filter(({ id }) => ids.has(id));
    if (dataset.length === 0) return [];
    const backend = await model(stage.model);
    const run = riseCot<A>({ ...common(stage), backend, dataset, groupSize, examplesPerStep: 8, sampling });
    return (await lab.follow(title(`cots of ${backend.name}`), run)).dataset;
  }

  async function model(name: "student" | "gpt-4o"): Promise<VlmBackend> {
    // A stage of GPT-4o is run only where there is one.
    return name === "gpt-4o" ? lab.teacher! : beginning();
  }

  /** The student as it was before any training, but perhaps tempted. */
  async function beginning(from?: TemptedRecipe): Promise<VlmBackend> {
    await trainer.load(initial);
    if (from) {
      const folder = stageFolder(from, data.name, seed, lab);
      await writeOnce(folder, async (aside) => {
        await tempt(trainer, data.task, train, from.settings, seed, settings.maxTokens.cot);
        await trainer.save(aside);
        // Training begins with a new optimizer state.
        for (const file of await readdir(aside)) if (file.startsWith("optimizer.")) await rm(join(aside, file));
      });
      await trainer.load(folder);
    }
    return trainer.sampler();
  }
}

const bareAnswers = <A>(dataset: readonly Example<A>[]): RatedCot<A>[] =>
  dataset.map(({ id, annotation }) => ({ exampleId: id, cot: "", annotation, reward: 1 }));

const rewards: Readonly<Record<RewardName, typeof paperReward>> = {
  paper: paperReward,
  similarityOnly,
  withoutLeakGate,
  withoutFormatGate,
};
