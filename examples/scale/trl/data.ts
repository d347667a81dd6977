import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { classification, type Example, type LabelDistribution, type Prompt, riseCot } from "rise-ts";
import { onnxBackend } from "rise-ts/backends/onnx";
import { exportCots } from "rise-ts/datasets/export";
import { jsonlDataset } from "rise-ts/datasets/jsonl";
import { demoFiles } from "rise-ts/testing";

const { model: checkpoint, train, question } = demoFiles();

export const task = classification(question);

export const trainingPictures = async (): Promise<readonly Example<LabelDistribution>[]> =>
  (await jsonlDataset(train, task)).slice(0, 16);

/** Copies the tiny checkpoint, with its chat template in the file where transformers 5 processors look for it. */
export async function tinyCheckpoint(folder: string): Promise<string> {
  const copy = join(folder, "tiny-vlm");
  await cp(checkpoint, copy, { recursive: true });
  const { chat_template } = JSON.parse(await readFile(join(copy, "tokenizer_config.json"), "utf8"));
  await writeFile(join(copy, "chat_template.jinja"), chat_template);
  return copy;
}

/** Writes the images, and `prompts.jsonl`: the prompts of both stages by the example's id. */
export async function writePrompts(folder: string, dataset: readonly Example<LabelDistribution>[]): Promise<void> {
  await mkdir(join(folder, "images"), { recursive: true });
  const rows = dataset.map(async (example) => {
    const image = join(folder, "images", `${example.id}.png`);
    await cp(String(example.image), image);
    return { id: example.id, image, answer: textOf(task.answerPrompt(example)), cot: textOf(task.cotPrompt(example)) };
  });
  const lines = (await Promise.all(rows)).map((row) => `${JSON.stringify(row)}\n`);
  await writeFile(join(folder, "prompts.jsonl"), lines.join(""));
}

/** Writes the samples of SFT: the best of eight cots that the tiny model writes for each picture, and its annotation. */
export async function writeSftSamples(folder: string, dataset: readonly Example<LabelDistribution>[]): Promise<void> {
  const { kept } = await riseCot({
    task,
    dataset,
    backend: () => onnxBackend({ model: checkpoint, device: "cpu" }),
    groupSize: 8,
    threshold: 0.3,
    sampling: { cotMaxTokens: 64, reconstructionMaxTokens: 48 },
  });
  await exportCots({ cots: kept, dataset, task, format: "trl", dir: join(folder, "sft") });
}

const textOf = (prompt: Prompt) =>
  prompt.flatMap(({ content }) => content.flatMap((part) => (part.type === "text" ? [part.text] : []))).join("");
