/**
 * Why the tables of the tiny model come out as they do: whether what is written names what the pictures show, and whether naming it pays.
 *
 *   npx tsx examples/paper/why.ts [DIR]        after npm run paper, whose --out is DIR (runs/paper)
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Example, readEvaluation } from "rise-ts";
import { detectionDemo, moodsDemo } from "../demo/tasks";
import { type Arm, baseModel, rise } from "./arms";
import { type CotRecipe, folderOf, type Recipe, recipeOf } from "./recipe";
import { tinySettings } from "./settings";

const [, , out = join("runs", "paper")] = process.argv;
const seeds = [0, 1, 2];
const { pictures, maxTokens } = tinySettings;
const arms: readonly (readonly [string, Arm])[] = [
  ["Base model", baseModel],
  ["RISE", rise],
  ["RISE, τ = 0.85", { ...rise, threshold: 0.85 }],
];

async function main(): Promise<void> {
  for (const [name, arm] of arms) {
    const emoji = await named("moods", arm, async (seed) => (await moodsDemo.data(sizes(seed))).test);
    const objects = await named("scenes", arm, async (seed) => (await detectionDemo.data(sizes(seed))).test);
    console.log(
      `${name}: thoughts name ${emoji.named} of the emoji, ${objects.named} of the scenes' objects; ${objects.answers} different boxes`,
    );
  }
  for (const seed of seeds) await showRollouts(seed);
}

/** Things that test pictures show and the thoughts about them name, and how many different answers there are. */
async function named(data: string, arm: Arm, load: (seed: number) => Promise<readonly Example<unknown>[]>) {
  let [found, all] = [0, 0];
  const answers = new Set<string>();
  for (const seed of seeds) {
    const examples = await load(seed);
    const { records } = await readEvaluation(`${folder(recipeOf(arm, tinySettings), data, seed)}.evaluation`);
    for (const { prediction } of records) answers.add(JSON.stringify(prediction));
    for (const [i, example] of examples.entries()) {
      const shown = shownIn(example);
      all += shown.length;
      found += shown.filter((thing) => mentions(records[i]!.think ?? "", thing)).length;
    }
  }
  return { named: `${found} of ${all}`, answers: answers.size };
}

/** Similarity that cots of moods earned in RISE-CoT's closing pass, those that name the emoji and those that do not. */
async function showRollouts(seed: number): Promise<void> {
  const { train } = await moodsDemo.data(sizes(seed));
  const shown = new Map(train.map((example) => [example.id, shownIn(example)[0]!]));
  const cot: CotRecipe = { stage: "cot", reward: "paper", shots: "full", settings: tinySettings.cot };
  const text = await readFile(join(folder(cot, "moods", seed), "rollouts.jsonl"), "utf8");
  const rows = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as RolloutRow);
  const [naming, others] = [true, false].map((wanted) =>
    rows.filter(
      ({ stage, exampleId, cot }) => stage === "final" && mentions(cot.text, shown.get(exampleId)!) === wanted,
    ),
  );
  console.log(
    `RISE-CoT, seed ${seed}: similarity of cots that name the emoji ${mean(naming!)}, of others ${mean(others!)}`,
  );
}

interface RolloutRow {
  readonly stage: string;
  readonly exampleId: string;
  readonly cot: { readonly text: string };
  readonly reward: { readonly similarity: number };
}

const mean = (rows: readonly RolloutRow[]) =>
  `${(rows.reduce((sum, { reward }) => sum + reward.similarity, 0) / rows.length).toFixed(3)} (${rows.length})`;
const sizes = (seed: number) => ({ seed, ...pictures, unseen: 0 });
const shownIn = ({ metadata }: Example<unknown>) => metadata!.shows as readonly string[];
const mentions = (text: string, thing: string) => text.toLowerCase().includes(thing.toLowerCase());

function folder(recipe: Recipe, data: string, seed: number): string {
  return join(out, folderOf(recipe, { data, seed, model: "tiny", pictures, maxTokens }));
}

main();
