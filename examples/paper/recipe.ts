import { createHash } from "node:crypto";
import { type Arm, checkArm, type RewardName, type Shots } from "./arms";
import { type Settings, type SftSettings, scaleSteps } from "./settings";
import type { Temptation } from "./temptation";

/** A model as it is. */
export interface ModelRecipe {
  readonly stage: "model";
  readonly model: "student" | "gpt-4o";
}

/** The student once it is tempted to leak. */
export interface TemptedRecipe {
  readonly stage: "tempted";
  readonly settings: Temptation;
}

/** RISE-CoT. */
export interface CotRecipe {
  readonly stage: "cot";
  /** The model that it trains; the student without it. */
  readonly from?: TemptedRecipe;
  readonly reward: RewardName;
  readonly shots: Shots;
  readonly settings: Settings["cot"];
}

/** Cots of a model that is not trained, best of G, for the examples of RISE's D_high: "ensuring identical training samples" (Table 3). */
export interface BestOfRecipe {
  readonly stage: "best-of";
  readonly model: ModelRecipe["model"];
  readonly examplesOf: CotRecipe;
  readonly threshold: number;
  readonly groupSize: number;
}

export interface SftRecipe {
  readonly stage: "sft";
  /** The model that it trains; the student without it. */
  readonly from?: TemptedRecipe;
  /** `null`: bare answers. */
  readonly cots: CotRecipe | BestOfRecipe | null;
  /** Least reward of a cot; 0 takes all. */
  readonly threshold: number;
  readonly shots: Shots;
  readonly settings: SftSettings;
}

export interface RftRecipe {
  readonly stage: "rft";
  readonly from: SftRecipe | ModelRecipe;
  readonly shots: Shots;
  readonly settings: Settings["rft"];
}

/** How a policy comes about, stage by stage, the earlier ones inside the later. */
export type PolicyRecipe = ModelRecipe | SftRecipe | RftRecipe;
export type Recipe = PolicyRecipe | CotRecipe | BestOfRecipe | TemptedRecipe;

/** @throws ConfigError for an arm that makes no sense */
export function recipeOf(arm: Arm, settings: Settings): PolicyRecipe {
  checkArm(arm);
  const { shots } = arm;
  const own = shots === "full" ? settings : scaleSteps(settings, settings.fewShotSteps);
  const model = arm.model === "gpt-4o" ? "gpt-4o" : "student";
  const begin = arm.sft === "none" ? ({ stage: "model", model } as const) : supervised(arm, own);
  return arm.rft ? { stage: "rft", from: begin, shots, settings: own.rft } : begin;
}

function supervised({ model: name, cots, reward, sft, shots, threshold }: Arm, settings: Settings): SftRecipe {
  const { temptation } = settings;
  const least = sft === "high" ? threshold : 0;
  const from = name === "tempted" && temptation && { from: { stage: "tempted", settings: temptation } as const };
  const cot: CotRecipe = { stage: "cot", reward, shots, settings: settings.cot, ...from };
  if (cots === "none") return { stage: "sft", shots, settings: settings.bareAnswers, cots: null, threshold: 0 };
  const shared = { stage: "sft", shots, settings: settings.sft, ...from } as const;
  if (cots === "rise") return { ...shared, cots: cot, threshold: least };
  const model = cots === "base" ? "student" : cots;
  const { groupSize } = settings.cot;
  return { ...shared, cots: { stage: "best-of", model, examplesOf: cot, threshold: least, groupSize }, threshold: 0 };
}

/** Whether GPT-4o has a part in it. */
export function needsTeacher(recipe: Recipe): boolean {
  if (recipe.stage === "model" || recipe.stage === "best-of") return recipe.model === "gpt-4o";
  if (recipe.stage === "rft") return needsTeacher(recipe.from);
  return recipe.stage === "sft" && recipe.cots !== null && needsTeacher(recipe.cots);
}

/** A stage's folder and its sources, besides its recipe. */
export interface Place {
  readonly data: string;
  readonly seed: number;
  readonly model: string;
  readonly pictures: Settings["pictures"];
  readonly maxTokens: Settings["maxTokens"];
}

/** The folder of a stage: the same for equal configurations, whichever table asks, so that what tables share is run once. */
export function folderOf(recipe: Recipe, place: Place): string {
  const digest = createHash("sha256")
    .update(JSON.stringify([recipe, place]))
    .digest("hex")
    .slice(0, 12);
  return `${place.data}-seed-${place.seed}-${recipe.stage}-${digest}`;
}
